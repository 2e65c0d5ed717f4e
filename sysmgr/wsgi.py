"""The WSGI application that granian serves."""

import logging
import os

from django.core.wsgi import get_wsgi_application

from sysmgr import env
from sysmgr.management.supervisor import end_worker_with_parent
from sysmgr.unread import announced

end_worker_with_parent()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sysmgr.settings")
application = announced(get_wsgi_application())

log = logging.getLogger("sysmgr.web")
if env.REVEAL_SECRETS:
    log.warning("SYSMGR_REVEAL_SECRETS is on: administrators are shown stored passwords in clear")
if env.LEGACY_LOGIN:
    log.warning("SYSMGR_LEGACY_LOGIN is on: the MD5 of a password opens the doors to its user")
