"""The project of the tests with django-two-factor-auth in it: its own phone plugin, and our gateway."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "two_factor",
    "two_factor.plugins.phonenumber",
    "django_kaleyra_otp.contrib.django_otp",
]
TWO_FACTOR_SMS_GATEWAY = "django_kaleyra_otp.contrib.two_factor.Gateway"
MIDDLEWARE = [
    *MIDDLEWARE,
    "django_otp.middleware.OTPMiddleware",
    "two_factor.middleware.threadlocals.ThreadLocals",
]
ROOT_URLCONF = "tests.contrib.two_factor.urls"
LOGIN_URL = "two_factor:login"
LOGIN_REDIRECT_URL = "/secret/"
