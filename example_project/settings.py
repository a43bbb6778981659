"""A shop that signs its customers in by phone, against the simulator: no account is needed.

``SITE_PORT`` and ``SIMULATOR_PORT`` name the two ports, ``DATABASE_URL`` another database than the file
beside this one.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import django

from django_kaleyra_otp import simulator

BASE_DIR = Path(__file__).resolve().parent
SITE_PORT = int(os.environ.get("SITE_PORT", "8000"))
SIMULATOR_PORT = int(os.environ.get("SIMULATOR_PORT", "9009"))

# It protects nothing but this demonstration. Yours comes from the environment.
SECRET_KEY = os.environ.get("SECRET_KEY", "the-key-of-the-example-project-which-everybody-can-read")
DEBUG = os.environ.get("DEBUG", "1") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "shop",  # first: it has a login/base.html of its own
    "django_kaleyra_otp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if django.VERSION >= (6, 0):  # the pages hold nothing inline, so the strictest policy fits them
    MIDDLEWARE.append("django.middleware.csp.ContentSecurityPolicyMiddleware")
    SECURE_CSP = {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "wsgi.application"
ASGI_APPLICATION = "asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ENGINES = {"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def sqlite(path: str | Path) -> dict:
    """Return the DATABASES entry of a SQLite file; each transaction takes its lock at once."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }


def database(url: str) -> dict:
    """Return the DATABASES entry for postgres://user:password@host:port/name, mysql://… or sqlite:////file."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite(unquote(parts.path)[1:])
    return {
        "ENGINE": f"django.db.backends.{ENGINES[parts.scheme]}",
        "NAME": parts.path[1:],
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }


DATABASE_URL = os.environ.get("DATABASE_URL", "")
DATABASES = {"default": database(DATABASE_URL) if DATABASE_URL else sqlite(BASE_DIR / "demo.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "shop.Customer"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django_kaleyra_otp.login.backends.PhoneBackend",
]
LOGIN_URL = "kaleyra_otp_login:phone_login"
LOGIN_REDIRECT_URL = "account"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en"
TIME_ZONE = "Asia/Kolkata"
STATIC_URL = "static/"

# Another name than Django's: cookies know no ports, and on 127.0.0.1 all projects would share one.
SESSION_COOKIE_NAME = f"kirana_session_{SITE_PORT}"
CSRF_COOKIE_NAME = f"kirana_csrf_{SITE_PORT}"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

KALEYRA_OTP = {
    # In production these come from Kaleyra's console, and POD stands in the place of BASE_URL.
    "BASE_URL": f"http://127.0.0.1:{SIMULATOR_PORT}",
    "SID": simulator.SID,
    "API_KEY": simulator.API_KEY,
    "SENDER": simulator.SENDER,
    "CALLBACK_PROFILE_ID": simulator.DEFAULT_PROFILE_ID,
    "WEBHOOK_SECRET": simulator.CALLBACK_SECRET,
    "ALLOWED_COUNTRIES": ["IN", "AE", "GB", "SG"],
    "SERVICE_NAME": "Kirana",
    "PURPOSES": {"payment": {"CODE_TTL": 180}},
    "MESSAGES": [
        {
            "purpose": "payment",
            "BODY": "{code} pays {amount} to {payee}. Kirana never asks you for this code.",
            "TEMPLATE_ID": "1007160000000000002",
        },
        {
            "BODY": "{code} is your Kirana code, good for {minutes} minutes. Do not share it with anyone.",
            "TEMPLATE_ID": "1007160000000000001",  # India: what the DLT portal gave to this text
        },
    ],
    "NUM_PROXIES": 0,
}

if "BROKER_URL" in os.environ:  # make demo-distributed
    KALEYRA_OTP["DISPATCH"] = "celery"
    CELERY_BROKER_URL = os.environ["BROKER_URL"]
    if CELERY_BROKER_URL.startswith("amqp"):
        CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
    CELERY_TASK_DEFAULT_QUEUE = os.environ.get("QUEUE_NAME", "kirana")

# The text for a payment has three variables: the code, the amount, the payee. Have yours registered so.
SILENCED_SYSTEM_CHECKS = ["kaleyra_otp.W004"]

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Kirana",
    "DESCRIPTION": "One-time codes by SMS.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
