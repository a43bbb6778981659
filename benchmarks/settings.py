"""The project that is measured: a new project's middleware, and settings as in production."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.settings import database

OWN_NAME = f"kaleyra_otp_benchmarks_{os.getpid()}"
SECRET = "Zq3vT9xLw2Rk7mNb5YpHs8cJd4FgVa6E"

SECRET_KEY = "benchmarks-only-key-that-protects-nothing-0123456789"
DEBUG = False
DEBUG_PROPAGATE_EXCEPTIONS = True  # a benchmark of error pages is none
ALLOWED_HOSTS = ["localhost"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.floor"

DATABASE_URL = os.environ.get("DATABASE_URL", "")
if DATABASE_URL:
    DATABASES = {"default": database(DATABASE_URL)}
    DATABASES["default"].setdefault("TEST", {})["NAME"] = OWN_NAME
    if DATABASES["default"]["ENGINE"].endswith("postgresql"):
        DATABASES["default"]["NAME"] = "postgres"
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "TEST": {"NAME": str(Path(tempfile.gettempdir()) / f"{OWN_NAME}.sqlite3")},
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }
DATABASES["default"]["CONN_MAX_AGE"] = None

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
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

KALEYRA_OTP = {
    "BACKEND": "django_kaleyra_otp.backends.dummy.DummyBackend",
    "POD": "in",
    "SID": "HXBENCH000000000IN",
    "API_KEY": "Abench0key0bench0key0bench0key00",
    "SENDER": "KLRBCH",
    "CALLBACK_PROFILE_ID": "IN_00000000-0000-4000-8000-000000000002",
    "WEBHOOK_SECRET": SECRET,
    "ALLOWED_COUNTRIES": ["IN"],
    "NUM_PROXIES": 1,
}
