"""Rows of some days ago, and the purge that finds them."""

from __future__ import annotations

import io
import os
import uuid
from datetime import datetime, timedelta

from django.core.management import call_command
from django.utils import timezone

from django_kaleyra_otp.models import (
    ChallengeStatus,
    DeliveryStatus,
    OTPChallenge,
    RateLimit,
    SendLog,
    StatusUpdate,
)

NUMBER = "+919876543210"
OLD, YOUNG = 100, 10  # days; RETENTION is 90


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def started(days: float, status: str = ChallengeStatus.PENDING, **also) -> OTPChallenge:
    """A challenge started some days ago; a verified one had its success ten seconds later."""
    at = ago(days)
    if status == ChallengeStatus.VERIFIED:
        also.setdefault("verified_at", at + timedelta(seconds=10))
    return OTPChallenge.objects.create(
        status=status,
        created_at=at,
        last_sent_at=at,
        expires_at=at + timedelta(seconds=300),
        **{
            "phone_number": NUMBER,
            "purpose": "login",
            "language": "en",
            "nonce": os.urandom(16),
            "key_fingerprint": "f",
            "code_length": 6,
            "max_attempts": 5,
            "max_sends": 5,
            **also,
        },
    )


def send(days: float, of: OTPChallenge | None = None) -> SendLog:
    status = DeliveryStatus.DELIVERED
    return SendLog.objects.create(
        challenge=of,
        phone_number=NUMBER,
        country="IN",
        block=NUMBER[:-4],
        body="Your code is {code}.",
        status=status,
        rank=status.rank,
        created_at=ago(days),
    )


def update(days: float, of: SendLog | None = None) -> StatusUpdate:
    return StatusUpdate.objects.create(
        send_log=of, message_id="m", status="DELIVRD", received_at=ago(days), fingerprint=uuid.uuid4().hex
    )


def limit(days: float) -> RateLimit:
    return RateLimit.objects.create(key=uuid.uuid4().hex, tat=int(ago(days).timestamp() * 1_000_000))


def purge(*options: str) -> str:
    """Run the command; returns what it printed."""
    printed = io.StringIO()
    call_command("kaleyra_otp_purge", *options, stdout=printed, stderr=io.StringIO())
    return printed.getvalue()


def left() -> tuple[int, int, int, int]:
    tables = (StatusUpdate, SendLog, OTPChallenge, RateLimit)
    return tuple(table.objects.count() for table in tables)
