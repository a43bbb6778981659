"""What day an instant belongs to."""

from __future__ import annotations

from datetime import date, datetime

from django.conf import settings
from django.utils import timezone


def local(at: datetime) -> datetime:
    """Return an instant as the clocks of ``TIME_ZONE`` show it."""
    return timezone.localtime(at, timezone.get_default_timezone()) if settings.USE_TZ else at


def day_of(at: datetime) -> date:
    """Return the day of an instant, in ``TIME_ZONE``."""
    return local(at).date()
