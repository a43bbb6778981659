"""Callbacks that arrive before the send was answered."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from django_kaleyra_otp import challenges
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.models import SendLog, StatusUpdate
from django_kaleyra_otp.types import Receipt

SECRET = {"X-Kaleyra-Otp-Secret": "canary-webhook-secret-canary-webhook-secret"}


class HastyBackend(BaseBackend):
    """A provider whose callbacks come before its answer."""

    def send(self, sms, route):
        message_id = f"{uuid.uuid4()}:1"
        for status in ("SENT", "DELIVRD"):
            told = {"id": message_id, "status": status, "recipient": sms.to.lstrip("+")}
            answer = Client().post("/otp/webhook/", told, "application/json", headers=SECRET)
            assert answer.status_code == 204
        return Receipt(message_id=message_id)


@pytest.fixture
def hasty(configure):
    configure(BACKEND="tests.test_crossing.HastyBackend", LIMITS=[], RESEND_COOLDOWN=0)


def test_a_thousand_early_callbacks_all_end_up_joined(db, hasty):
    """R-092, W9."""
    for number in range(500):
        challenges.start(f"+9198765{number:05d}")

    assert SendLog.objects.filter(status="delivered", delivered_at__isnull=False).count() == 500
    assert StatusUpdate.objects.waiting().count() == 0
    assert StatusUpdate.objects.count() == 1000


def test_early_callbacks_of_parallel_sends_are_joined(hasty, configure, together):
    """R-092: workers send, for they may all wait at once."""
    configure(DISPATCH="django_kaleyra_otp.delivery.deliver")

    together(100, lambda number: challenges.start(f"+9198765{number:05d}").pk)

    assert SendLog.objects.filter(status="delivered").count() == 100
    assert StatusUpdate.objects.waiting().count() == 0
