"""The project that the tests run in; ``DATABASE_URL`` names its database, else SQLite."""

import importlib.util
import os
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

SECRET_KEY = "tests-only-key-that-protects-nothing-at-all-0123456789"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ENGINES = {"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def database(url: str) -> dict:
    """Return the DATABASES entry for an address such as postgres://user:password@host:port/name."""
    parts = urlsplit(url)
    entry = {
        "ENGINE": f"django.db.backends.{ENGINES[parts.scheme]}",
        "NAME": parts.path.lstrip("/") or "kaleyra_otp",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }
    if ENGINES[parts.scheme] == "mysql":
        entry["OPTIONS"] = {"charset": "utf8mb4"}
        entry["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"}
    return entry


def sqlite() -> dict:
    """Return the entry of a database file: threads share a file, never the memory."""
    folder = Path(tempfile.gettempdir()) / f"kaleyra-otp-tests-{os.getuid()}-{os.getpid()}"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder) + ".sqlite3",
        "TEST": {"NAME": str(folder) + "-test.sqlite3"},
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }


DATABASE_URL = os.environ.get("DATABASE_URL", "")
DATABASES = {"default": database(DATABASE_URL) if DATABASE_URL else sqlite()}
DATABASES["default"]["ATOMIC_REQUESTS"] = os.environ.get("ATOMIC_REQUESTS") == "1"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_kaleyra_otp",
    "tests",
]
if importlib.util.find_spec("django_tasks_db"):  # its table is where the queue of some tests is
    INSTALLED_APPS.append("django_tasks_db")
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
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
AUTH_USER_MODEL = "tests.Customer"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django_kaleyra_otp.login.backends.PhoneBackend",
]

KALEYRA_OTP = {
    "BACKEND": "django_kaleyra_otp.backends.locmem.LocMemBackend",
    "POD": "in",
    "SID": "HXTEST0000000000IN",
    "API_KEY": "Acanary0key0canary0key0canary0key",
    "SENDER": "KLRTST",
    "CALLBACK_PROFILE_ID": "IN_00000000-0000-4000-8000-000000000001",
    "WEBHOOK_SECRET": "canary-webhook-secret-canary-webhook-secret",
    "ALLOWED_COUNTRIES": ["IN", "AE", "US", "GB"],
    "SERVICE_NAME": "Kirana",
}
