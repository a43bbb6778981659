"""The shapes of what comes in and what goes out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from django_kaleyra_otp import phones
from django_kaleyra_otp.models import ChallengeStatus, DeliveryStatus, OTPChallenge, SendLog

_TAG = RegexValidator(
    r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*\Z", _("Give a language tag, such as hi or pt-br.")
)


class TextField(serializers.CharField):
    """A JSON string; numbers and booleans are no text."""

    def to_internal_value(self, data: Any) -> str:
        """Return the string as it is."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class StartSerializer(serializers.Serializer[Any]):
    """What starts a challenge. The context of a code comes from the server's own Python, never from here."""

    phone_number = TextField(help_text="E.164, such as +919876543210.", trim_whitespace=False, min_length=1)
    purpose = TextField(
        default="verify", help_text="One of the purposes that are open to HTTP.", min_length=1
    )
    language = TextField(
        required=False, max_length=35, help_text="A language tag, such as hi.", validators=[_TAG]
    )

    def validate_language(self, value: str) -> str:
        """Return the tag in small letters."""
        return value.replace("_", "-").lower()


class VerifySerializer(serializers.Serializer[Any]):
    """A guess."""

    code = TextField(help_text="The digits of the code; spaces and hyphens in it do not count.", min_length=1)


class DeliverySerializer(serializers.Serializer[Any]):
    """What became of the newest SMS, as far as a caller is told.

    Coarse on purpose: whether it was delivered would tell whether a handset is on.
    """

    status = serializers.ChoiceField(choices=["pending", "sent", "failed"])
    updated_at = serializers.DateTimeField()


class ChallengeSerializer(serializers.Serializer[Any]):
    """A challenge, its number masked; ``answer`` makes one."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=ChallengeStatus.values)
    purpose = serializers.CharField()
    phone_number = serializers.CharField(help_text="Masked: +91••••••3210.")
    code_length = serializers.IntegerField()
    attempts_left = serializers.IntegerField()
    sends_left = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    resend_at = serializers.DateTimeField(help_text="When another SMS may go to this number.")
    delivery = DeliverySerializer()


class VerifiedSerializer(serializers.Serializer[Any]):
    """A success."""

    status = serializers.ChoiceField(choices=["verified"])
    token = serializers.CharField(help_text="The proof, to be redeemed once by the server.")


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error: a sentence for people, a word for programs."""

    detail = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="By field."
    )
    attempts_left = serializers.IntegerField(required=False)


def answer(challenge: OTPChallenge) -> dict[str, Any]:
    """Return a challenge that was read to be shown, in the shape of ChallengeSerializer.

    By hand, since a serializer's own way takes a fifth of the time of a start.
    """
    assert challenge.newest_send is not None  # noqa: S101
    status, since = coarse(challenge.newest_send)
    return {
        "id": challenge.pk,
        "status": challenge.effective_status,
        "purpose": challenge.purpose,
        "phone_number": phones.mask(challenge.phone_number),
        "code_length": challenge.code_length,
        "attempts_left": challenge.attempts_left,
        "sends_left": challenge.sends_left,
        "created_at": challenge.created_at,
        "expires_at": challenge.expires_at,
        "resend_at": challenge.resend_at,
        "delivery": {"status": status, "updated_at": since},
    }


def coarse(send: SendLog) -> tuple[str, datetime]:
    """Return the word that a caller is told of a send, and the instant since which it holds."""
    if send.submitted_at is not None:
        return "sent", send.submitted_at
    if send.status == DeliveryStatus.FAILED:
        return "failed", send.claimed_at or send.created_at
    return "pending", send.created_at
