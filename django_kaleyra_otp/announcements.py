"""What is told of a challenge and of an SMS, after commit: one log event each, and any signal that it has."""

from __future__ import annotations

import uuid
from typing import Any

from django_kaleyra_otp import events, signals
from django_kaleyra_otp.kaleyra import text
from django_kaleyra_otp.models import OTPChallenge, SendLog


def started(challenge: OTPChallenge) -> None:
    """Tell that a challenge was committed."""
    events.CHALLENGE_STARTED.log(**_of(challenge), user=challenge.user_id, known=challenge.known)
    signals.challenge_started.send_robust(OTPChallenge, challenge=challenge)


def decoy_started(challenge: OTPChallenge) -> None:
    """Tell of a challenge that no code verifies."""
    events.DECOY_STARTED.log(**_of(challenge))


def resent(challenge: OTPChallenge) -> None:
    """Tell that one more SMS of a challenge was committed."""
    events.CHALLENGE_RESENT.log(**_of(challenge), sends=challenge.sends)


def verified(challenge: OTPChallenge) -> None:
    """Tell that the right code was given."""
    events.CHALLENGE_VERIFIED.log(**_of(challenge), attempts=challenge.attempts)
    signals.challenge_verified.send_robust(OTPChallenge, challenge=challenge)


def failed(challenge: OTPChallenge, attempts_left: int) -> None:
    """Tell that a wrong code was given."""
    events.CHALLENGE_FAILED.log(**_of(challenge), attempts_left=attempts_left)
    signals.challenge_failed.send_robust(OTPChallenge, challenge=challenge, attempts_left=attempts_left)


def not_compared(challenge: OTPChallenge | None, pk: uuid.UUID | None, reason: str) -> None:
    """Tell that a code was given for a challenge that is not open, or that is not there."""
    of = _of(challenge) if challenge else {"challenge": pk or "", "purpose": "", "number": ""}
    events.VERIFY_REFUSED.log(**of, reason=reason)


def canceled(challenge: OTPChallenge) -> None:
    """Tell that a challenge was given up."""
    events.CHALLENGE_CANCELED.log(**_of(challenge))


def redeemed(challenge: OTPChallenge) -> None:
    """Tell that the proof of a success was used."""
    events.TOKEN_REDEEMED.log(**_of(challenge))


def sms_submitted(send: SendLog) -> None:
    """Tell that the provider took an SMS."""
    events.SMS_SUBMITTED.log(**_of_sms(send), message_id=send.message_id, latency=send.latency)
    signals.sms_submitted.send_robust(SendLog, send=send)


def sms_failed(send: SendLog) -> None:
    """Tell that an SMS surely was not accepted."""
    events.SMS_FAILED.log(**_of_sms(send), **_error_of(send))


def sms_unknown(send: SendLog) -> None:
    """Tell that nobody knows whether an SMS was accepted."""
    events.SMS_UNKNOWN.log(**_of_sms(send), **_error_of(send))


def sms_not_recorded(send: SendLog) -> None:
    """Tell that an SMS left, and that its row does not say so."""
    events.SMS_NOT_RECORDED.log(**_of_sms(send))


def _of(challenge: OTPChallenge) -> dict[str, Any]:
    return {"challenge": challenge.pk, "purpose": challenge.purpose, "number": challenge.phone_number}


def _of_sms(send: SendLog) -> dict[str, Any]:
    return {
        "send": send.pk,
        "challenge": send.challenge_id or "",
        "route": send.route,
        "country": send.country,
        "number": send.phone_number,
    }


def _error_of(send: SendLog) -> dict[str, Any]:
    return {
        # a backend of the project's may answer with digits that are somebody's
        "error_code": text.mask(send.error_code, text.CODE_DIGITS),
        "error_class": send.error_class,
        "http_status": send.http_status,
    }
