"""The task that a worker of Celery runs for ``DISPATCH = "celery"``, for routes and schedules of the project.

``deliver`` is the task, by the name ``django_kaleyra_otp.deliver``; ``publish(send_log_id)`` queues it.
Importing this raises ImportError where Celery is not installed.
"""

from __future__ import annotations

from django_kaleyra_otp.tasks import deliver_by_celery as deliver
from django_kaleyra_otp.tasks import publish

__all__ = ["deliver", "publish"]
