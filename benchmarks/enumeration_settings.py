"""The project of ``benchmarks.enumeration``: the sign-in by number, users with a number, a queue."""

from __future__ import annotations

from benchmarks.settings import *  # noqa: F403
from benchmarks.settings import INSTALLED_APPS, KALEYRA_OTP

ROOT_URLCONF = "django_kaleyra_otp.login.urls"
STATIC_URL = "static/"
INSTALLED_APPS = [*INSTALLED_APPS, "tests", "django_tasks_db"]
AUTH_USER_MODEL = "tests.Customer"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django_kaleyra_otp.login.backends.PhoneBackend",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
KALEYRA_OTP = {**KALEYRA_OTP, "DISPATCH": "tasks"}
