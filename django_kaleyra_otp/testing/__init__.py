"""For tests of a project of yours: no SMS leaves, and each can be read, delivered and let expire.

``outbox`` holds the SMS that were handed over, oldest first: ``to``, ``body``, ``code``. Needs no pytest;
its fixtures are in ``django_kaleyra_otp.testing.fixtures``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.test import TestCase, override_settings
from django.utils import timezone

from django_kaleyra_otp import breaker, conf, delivery, phones, tracking
from django_kaleyra_otp.backends.locmem import OutboxSMS, outbox
from django_kaleyra_otp.kaleyra import statuses
from django_kaleyra_otp.kaleyra.callbacks import Callback
from django_kaleyra_otp.models import DeliveryStatus, OTPChallenge, SendLog, database

__all__ = [
    "SMSInMemory",
    "committed",
    "deliver",
    "empty_outbox",
    "expire",
    "hold",
    "in_memory",
    "last_code",
    "outbox",
    "release",
]


def in_memory(**keys: Any) -> dict[str, Any]:
    """Return the project's ``KALEYRA_OTP`` as tests want it: SMS kept in ``outbox``, and at once.

    Takes keys that are to be otherwise, such as ``RESEND_COOLDOWN=0``.
    """
    kept = {"BACKEND": "django_kaleyra_otp.backends.locmem.LocMemBackend", "DISPATCH": "inline"}
    return {**conf.given(), **kept, **keys}


def empty_outbox() -> None:
    """Forget every SMS, and whatever failures an account had."""
    outbox.clear()
    breaker.reset()


class SMSInMemory:
    """For a ``TestCase``: its SMS are kept in ``outbox``, which is empty when a test begins.

    Stands left of the ``TestCase``. ``kaleyra_otp`` holds the keys of ``KALEYRA_OTP`` that are to be
    otherwise.
    """

    kaleyra_otp: dict[str, Any] = {}

    @classmethod
    def setUpClass(cls) -> None:
        """Have no SMS leave, not even one of ``setUpTestData``."""
        test_case: Any = cls
        test_case.enterClassContext(override_settings(KALEYRA_OTP=in_memory(**cls.kaleyra_otp)))
        super().setUpClass()  # type: ignore[misc]

    def setUp(self) -> None:
        """Begin with an empty outbox."""
        super().setUp()  # type: ignore[misc]
        empty_outbox()


def last_code(phone_number: str) -> str:
    """Return the code of the newest SMS to a number; raises LookupError where there was none."""
    e164 = phones.parse(phone_number).e164
    for sms in reversed(outbox):
        if sms.to == e164:
            return sms.code
    raise LookupError(f"No SMS was handed over for {phones.mask(e164)}.")


def deliver(send: OutboxSMS | SendLog, status: str = "delivered", *, trace: str = "") -> SendLog:
    """Act as if Kaleyra had called back about an SMS; returns its row as it stands then.

    Takes an SMS of ``outbox`` or a SendLog; one of ``submitted``, ``sent``, ``delivered``,
    ``undelivered``, ``failed``, ``expired``, ``rejected`` (another raises ValueError); and Kaleyra's
    word for why, such as ``ABSENT-SUB``. The row moves as it does in earnest: forward only.
    """
    word = statuses.SPELLINGS[statuses.Status(status)][0]
    sends = SendLog.objects.using(database.alias())
    row = send if isinstance(send, SendLog) else sends.get(message_id=send.message_id)
    row.refresh_from_db(using=database.alias())
    if not row.message_id:
        raise ValueError(f"Send {row.pk} is {row.status}: nobody has it who could tell of it.")
    tracking.record_status(
        Callback(message_id=row.message_id, status=word, trace=trace, number=row.phone_number.lstrip("+"))
    )
    row.refresh_from_db(using=database.alias())
    return row


def expire(challenge: OTPChallenge | uuid.UUID | str) -> None:
    """Let the time of a challenge's code run out, and that of its token; takes the challenge or its id."""
    pk = challenge.pk if isinstance(challenge, OTPChallenge) else challenge
    now, challenges = timezone.now(), OTPChallenge.objects.using(database.alias())
    if not challenges.filter(pk=pk).update(expires_at=now, verified_at=F("verified_at") - timedelta(days=1)):
        raise LookupError("There is no such challenge.")
    if isinstance(challenge, OTPChallenge):
        challenge.refresh_from_db(fields=["expires_at", "verified_at"])


def committed() -> AbstractContextManager[list[Callable[[], Any]]]:
    """``with committed():`` runs, when the block ends, what its transactions would run after their commit.

    In a ``TestCase`` they never commit. An SMS waits only where your own code started the challenge
    inside ``atomic`` (or ``ATOMIC_REQUESTS``); elsewhere it leaves at once.
    """
    return TestCase.captureOnCommitCallbacks(using=database.alias(), execute=True)


def hold(send_log_id: int) -> None:
    """Leave an SMS in the queue: ``"DISPATCH": "django_kaleyra_otp.testing.hold"``."""


def release() -> None:
    """Hand over every SMS that is queued, as a worker would."""
    queued = SendLog.objects.using(database.alias()).filter(status=DeliveryStatus.QUEUED).order_by("pk")
    for pk in list(queued.values_list("pk", flat=True)):
        delivery.deliver(pk)
