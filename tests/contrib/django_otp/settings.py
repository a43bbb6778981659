"""The project of the tests with django-otp in it."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "rest_framework.authtoken",
    "django_otp",
    "django_kaleyra_otp.contrib.django_otp",
]
MIDDLEWARE = [*MIDDLEWARE, "django_otp.middleware.OTPMiddleware"]
ROOT_URLCONF = "tests.contrib.django_otp.urls"
LOGIN_URL = "/verify/"
