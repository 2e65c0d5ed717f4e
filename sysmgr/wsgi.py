"""The WSGI application that granian serves."""

import os

from django.core.wsgi import get_wsgi_application

from sysmgr.management.supervisor import end_worker_with_parent

end_worker_with_parent()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sysmgr.settings")
application = get_wsgi_application()
