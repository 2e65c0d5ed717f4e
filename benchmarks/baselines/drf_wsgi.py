"""The WSGI application of the DRF baseline."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.baselines.drf_settings"
application = get_wsgi_application()
