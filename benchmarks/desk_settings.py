"""The same project with the admin, on a database that is kept."""

import os

from benchmarks.settings import *  # noqa: F403
from benchmarks.settings import INSTALLED_APPS as APPS
from tests.settings import database

DATABASES = {"default": {**database(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": None}}
INSTALLED_APPS = [*APPS, "django.contrib.admin", "django.contrib.staticfiles"]
ROOT_URLCONF = "benchmarks.desk_urls"
STATIC_URL = "static/"
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
