import os

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
if "SERVER_BROKER" in os.environ:
    from tests.e2e import celery_app  # noqa: F401  as a project's own package does
