"""The project of the tests with django-allauth in it: sign-up and sign-in by number, headless API."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "tests"),
    "tests.contrib.allauth",
    "allauth",
    "allauth.account",
    "allauth.headless",
]
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "tests.contrib.allauth.urls"
AUTH_USER_MODEL = "members.Member"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_REDIRECT_URL = "/accounts/profile/"

ACCOUNT_ADAPTER = "tests.contrib.allauth.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"phone"}
ACCOUNT_SIGNUP_FIELDS = ["phone*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_PHONE_VERIFICATION_TIMEOUT = 300
ACCOUNT_RATE_LIMITS = False  # ours are under test
HEADLESS_CLIENTS = ("app", "browser")
