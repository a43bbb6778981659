"""What ``DISPATCH`` names by a word: how an SMS is put into a queue, and the tasks that workers run.

Reached by its dotted path alone, and importable whatever is installed: Celery looks for tasks here in
every project that has it. A task carries the id of a SendLog, no code and no number.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from django_kaleyra_otp import delivery
from django_kaleyra_otp.models import database

#: The broker is asked twice and without a wait: a connection that was kept from before the broker's
#: restart fails once. Celery's ``retry=False`` would try to connect for six seconds.
TWICE_AT_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

#: Seconds for RabbitMQ to confirm, where the project has it do so; Celery's own time for a connection.
CONFIRMED_WITHIN = 4


@database.retried
def enqueue(send_log_id: int) -> None:
    """Put an SMS into the project's default queue of Django's tasks: ``DISPATCH = "tasks"``."""
    _task().enqueue(send_log_id)


def publish(send_log_id: int) -> None:
    """Put an SMS into the project's queue of Celery: ``DISPATCH = "celery"``."""
    deliver_by_celery.apply_async(
        (send_log_id,), retry=True, retry_policy=TWICE_AT_ONCE, confirm_timeout=CONFIRMED_WITHIN
    )


def _deliver(send_log_id: int) -> None:
    delivery.deliver(send_log_id)


# a worker of Django's tasks finds a task by the name of its function, and that name must give the task
_deliver.__qualname__ = "deliver"


def _task() -> Any:
    """Make the task of Django: only now, since that looks into the project's ``TASKS``."""
    there = importlib.util.find_spec("django.tasks")  # from Django 6.0 on
    return importlib.import_module("django.tasks" if there else "django_tasks").task()(_deliver)


def __getattr__(name: str) -> Any:
    if name == "deliver":
        return _task()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if importlib.util.find_spec("celery"):
    # acknowledged when it is done: the broker gives what a dead worker held to another one, and who
    # is given it twice sends it once
    deliver_by_celery = importlib.import_module("celery").shared_task(
        _deliver, name="django_kaleyra_otp.deliver", acks_late=True, ignore_result=True
    )
