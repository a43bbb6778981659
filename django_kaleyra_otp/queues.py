"""The queues that ``DISPATCH`` has a word for: what one lacks, and what makes it no queue at all."""

from __future__ import annotations

import importlib
import importlib.util

from django.core import checks
from django.utils.module_loading import import_string

from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.shapes.values import QUEUES

#: The task that a worker of Django's tasks runs.
TASK = "django_kaleyra_otp.tasks.deliver"


def lacking() -> tuple[str, str] | None:
    """Return what the queue named by ``DISPATCH`` needs and does not have, and the mend, or None."""
    word = _word()
    if word == "celery" and not importlib.util.find_spec("celery"):
        return "Celery is not installed", "pip install 'django-kaleyra-otp[celery]'"
    if word == "tasks":
        try:
            backend = import_string(TASK).get_backend()
        except ModuleNotFoundError:
            return "django-tasks is not installed", "pip install 'django-kaleyra-otp[tasks]'"
        except Exception as error:
            mend = "Give TASKS an entry 'default', with a BACKEND that can be imported and a queue 'default'."
            return f"TASKS does not take its task ({type(error).__name__})", mend
        for message in backend.check():
            if message.level >= checks.ERROR:
                return "the backend of TASKS has an error", f"{message.msg}. {message.hint or ''}".rstrip()
    return None


def hollow() -> tuple[str, str] | None:
    """Return what makes the queue named by ``DISPATCH`` none, and the mend, or None."""
    word = "" if lacking() else _word()
    if word == "celery":
        settings = importlib.import_module("celery").current_app.conf
        if settings.task_always_eager:
            return "runs its tasks within the request", "Set Celery's task_always_eager to False."
        if not settings.broker_url:
            return "has no broker", "Set broker_url, and import your Celery app where the site starts."
    if word == "tasks":
        backend = type(import_string(TASK).get_backend())
        mend = "Give TASKS a BACKEND that keeps tasks for workers, such as django_tasks_db.DatabaseBackend."
        for name, what in (("Immediate", "runs its tasks within the request"), ("Dummy", "runs no task")):
            if any(each.__name__ == f"{name}Backend" for each in backend.__mro__):
                return f"{what}: TASKS has the {name}Backend", mend
    return None


def _word() -> str:
    return next((word for word, path in QUEUES.items() if path == conf.DISPATCH), "")
