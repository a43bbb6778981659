"""Providers of several manners, and time that passes: what the tests of the core play with."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db.models import BigIntegerField, DateTimeField, F, Value

from django_kaleyra_otp import challenges
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown, RateLimited
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog, StatusUpdate
from django_kaleyra_otp.types import Receipt

KALEYRA = {"BACKEND": "django_kaleyra_otp.backends.kaleyra.KaleyraBackend"}
SMS_URL = "https://api.in.kaleyra.io/v1/HXTEST0000000000IN/sms"
SECRET = {"X-Kaleyra-Otp-Secret": "canary-webhook-secret-canary-webhook-secret"}


def later(seconds: float) -> None:
    """Let time pass: move every stored instant back."""
    RateLimit.objects.update(tat=F("tat") - Value(int(seconds * 1_000_000), output_field=BigIntegerField()))
    for model in (OTPChallenge, SendLog, StatusUpdate, BlockedPrefix):
        instants = [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]
        model.objects.update(**{name: F(name) - timedelta(seconds=seconds) for name in instants})


def number(n: int) -> str:
    """Return one of 100,000 numbers of India."""
    return f"+9198765{n:05d}"


def only(scope: str, rate: str, **more: Any) -> dict[str, Any]:
    """Return settings with one limit."""
    return {"LIMITS": [{"scope": scope, "rate": rate}], "RESEND_COOLDOWN": 0, **more}


NO_LIMITS = {"LIMITS": [], "RESEND_COOLDOWN": 0}


def passed(numbers, **arguments: Any) -> list[bool]:
    """Start a challenge for each number, and return for each whether the limits let it through."""
    outcomes = []
    for each in numbers:
        try:
            challenges.start(each, **arguments)
        except RateLimited:
            outcomes.append(False)
        else:
            outcomes.append(True)
    return outcomes


class Scripted(BaseBackend):
    """Acts as ``script`` says, one step a send: an exception to raise, or a message id to accept with."""

    script: list[Any] = []
    seen: list[Any] = []

    def send(self, sms, route):
        self.seen.append((sms, route))
        step = self.script.pop(0) if self.script else f"{uuid.uuid4()}:1"
        if callable(step):
            step = step(sms)
        if isinstance(step, BaseException):
            raise step
        return Receipt(message_id=step, http_status=202)


SCRIPTED = {"BACKEND": "tests.playing.Scripted"}


class Refusing(BaseBackend):
    def send(self, sms, route):
        raise DeliveryFailed(error_code="E404", error_class="caller", http_status=400)


class Away(BaseBackend):
    def send(self, sms, route):
        raise DeliveryUnavailable(error_class="network", retry_after=0)


class Losing(BaseBackend):
    def send(self, sms, route):
        raise DeliveryUnknown


class Breaking(BaseBackend):
    """Raises what no contract knows, with the text of the SMS in it."""

    def send(self, sms, route):
        raise RuntimeError(f"{sms.to}: {sms.body.reveal()}")
