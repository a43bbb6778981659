"""The project that is served under load, and beside the simulator: as in production.

``DATABASE_URL`` names its database, ``SIMULATOR_URL`` Kaleyra, ``SITE_DISPATCH`` how an SMS leaves,
``SITE_KALEYRA_OTP`` further settings of ours, as JSON.
"""

from __future__ import annotations

import json
import os

from benchmarks.settings import MIDDLEWARE
from django_kaleyra_otp import simulator
from tests.settings import database

__all__ = ["MIDDLEWARE"]

SECRET_KEY = "benchmarks-only-key-that-protects-nothing-0123456789"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.site"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": database(os.environ["DATABASE_URL"])}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["OPTIONS"] = {"connect_timeout": 2}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "django_kaleyra_otp",
]
DISPATCH = os.environ.get("SITE_DISPATCH", "inline")
if DISPATCH != "inline":
    INSTALLED_APPS.append("django_tasks_db")
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

KALEYRA_OTP = {
    "POD": "in",
    "SID": simulator.SID,
    "API_KEY": simulator.API_KEY,
    "SENDER": simulator.SENDER,
    "CALLBACK_PROFILE_ID": simulator.DEFAULT_PROFILE_ID,
    "WEBHOOK_SECRET": simulator.CALLBACK_SECRET,
    "BASE_URL": os.environ.get("SIMULATOR_URL", "http://127.0.0.1:9009"),
    "ALLOWED_COUNTRIES": ["IN"],
    "MESSAGES": [{"BODY": "{code} is your code.", "TEMPLATE_ID": "1007000000000000000"}],
    "DISPATCH": DISPATCH,
    "TIMEOUT": (1, 2),
    "RESEND_COOLDOWN": 1,
    "LIMITS": [
        {"scope": "phone", "rate": "10/d"},
        {"scope": "ip", "rate": "1000000/h"},
        {"scope": "global", "rate": "1000000/h"},
    ],
}
KALEYRA_OTP |= json.loads(os.environ.get("SITE_KALEYRA_OTP", "{}"))
