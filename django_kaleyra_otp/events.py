"""What the log tells of codes and SMS: events, by names and fields that stay as they are.

Each outcome is one record of the logger ``django_kaleyra_otp.events``: a line of ``name field=value ...``
for people, the same as ``extra`` fields for programs, and no code, no full number and no control character
in either. It goes out as the signal ``event`` too, whatever levels are logged.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.utils.crypto import salted_hmac

from django_kaleyra_otp import phones, signals
from django_kaleyra_otp.exceptions import DatabaseBusy, KaleyraOTPError
from django_kaleyra_otp.kaleyra import text
from django_kaleyra_otp.phones import Number

logger = logging.getLogger(__name__)

#: Characters of one value.
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as the log names it.

    ``outcome``: ``success``, ``failure``, ``refused`` or ``unknown``; "" where nobody asked for anything.
    ``meaning``: a sentence for the documentation. ``fields``: what each record has, beside ``event`` and
    ``outcome``; with ``number`` comes ``number_hash``.
    """

    name: str
    level: int
    outcome: str
    meaning: str
    fields: tuple[str, ...] = ()

    def log(self, **told: Any) -> None:
        """Tell that it happened; takes its fields, ``number`` as E.164 or "", which is told masked."""
        logged = logger.isEnabledFor(self.level)
        if not logged and not signals.event.receivers:
            return
        if "number" in told:
            # popped: whoever keeps the variables of a log call's frames must not find it
            told |= _of_number(told.pop("number"))
        fields = {name: _fit(value) for name, value in told.items()}
        if logged:
            shown = (f"{name}={_written(value)}" for name, value in fields.items() if value not in ("", None))
            line = " ".join(shown)
            extra = {"event": self.name, "outcome": self.outcome, **fields}
            logger.log(self.level, f"{self.name} %s", line, extra=extra, stacklevel=2)
        signals.event.send_robust(None, event=self.name, outcome=self.outcome, fields=fields)


def hash_of(phone_number: str) -> str:
    """Return what stands for a number (E.164) in the log: keyed, the same in every record; "" for none."""
    if not phone_number:
        return ""
    return salted_hmac("kaleyra_otp.events", phone_number, algorithm="sha256").hexdigest()[:16]


def _of_number(phone_number: str) -> dict[str, str]:
    return {
        "number": phones.mask(phone_number) if phone_number else "",
        "number_hash": hash_of(phone_number),
    }


def _fit(value: Any) -> Any:
    """Return a value as JSON has it, text on one line and no longer than it need be."""
    if isinstance(value, uuid.UUID):
        return str(value)
    # a word of a TextChoices is a str of its own kind
    return text.printable(str(value), LONGEST) if isinstance(value, str) else value


def _written(value: Any) -> str:
    """Return a value for the line: as it is where it is one plain word, else as JSON."""
    if isinstance(value, str) and value and not set(value) & set(' "='):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _of_sms(*more: str) -> tuple[str, ...]:
    return ("send", "challenge", "route", "country", *more, "number")


#: Of every refusal. ``call``: ``start``, ``resend``, ``send_code``; ``scope``: of the limit that is full.
_REFUSAL = ("call", "purpose", "reason", "scope", "retry_after", "challenge", "number")
_OF_CHALLENGE = ("challenge", "purpose", "number")

CHALLENGE_STARTED = Event(
    "challenge_started",
    logging.INFO,
    "success",
    "A challenge was started; its first SMS leaves next.",
    (*_OF_CHALLENGE, "user", "known"),
)
CHALLENGE_RESENT = Event(
    "challenge_resent",
    logging.INFO,
    "success",
    "The code of a challenge is sent again; ``sends`` counts all.",
    (*_OF_CHALLENGE, "sends"),
)
CHALLENGE_VERIFIED = Event(
    "challenge_verified",
    logging.INFO,
    "success",
    "The right code was given; ``attempts`` counts it and the wrong ones before it.",
    (*_OF_CHALLENGE, "attempts"),
)
CHALLENGE_FAILED = Event(
    "challenge_failed",
    logging.INFO,
    "failure",
    "A wrong code was given; with ``attempts_left`` 0 it closed the challenge.",
    (*_OF_CHALLENGE, "attempts_left"),
)
CHALLENGE_CANCELED = Event(
    "challenge_canceled", logging.INFO, "success", "A challenge was given up.", _OF_CHALLENGE
)
VERIFY_REFUSED = Event(
    "verify_refused",
    logging.INFO,
    "refused",
    "A code was given and not compared: ``expired``, ``max_attempts_reached``, ``already_verified``, "
    "``canceled``, ``invalid`` (no code at all), ``not_found``.",
    (*_OF_CHALLENGE, "reason"),
)
TOKEN_REDEEMED = Event(
    "token_redeemed", logging.INFO, "success", "The proof of a success was used.", _OF_CHALLENGE
)
TOKEN_REFUSED = Event(
    "token_refused",
    logging.WARNING,
    "refused",
    "A proof was forged, used before, too old, or for another purpose or context.",
    ("purpose",),
)
DECOY_STARTED = Event(
    "decoy_started",
    logging.INFO,
    "refused",
    "A sign-in asked for a number that signs nobody in: the page looks the same and no SMS leaves.",
    _OF_CHALLENGE,
)
NUMBER_CHANGED = Event(
    "number_changed",
    logging.INFO,
    "success",
    "A user's number was changed to this one on our page; ``old_number``, if there was one, is masked.",
    ("user", "number", "old_number"),
)
CHALLENGE_REFUSED = Event(
    "challenge_refused",
    logging.INFO,
    "refused",
    "No SMS was asked for, and nothing charged, for any reason but those below.",
    _REFUSAL,
)
LIMIT_REACHED = Event(
    "limit_reached",
    logging.INFO,
    "refused",
    "The same: a limit is full (``rate_limited``), or the last SMS is too young (``cooldown``).",
    _REFUSAL,
)
NUMBER_LOCKED = Event(
    "number_locked",
    logging.WARNING,
    "refused",
    "The same: ``MAX_FAILURES`` wrong codes stand for the number and purpose.",
    _REFUSAL,
)
PREFIX_BLOCKED = Event(
    "prefix_blocked",
    logging.WARNING,
    "refused",
    "The same: a prefix is closed, by the guard or by hand.",
    _REFUSAL,
)
SENDING_OFF = Event(
    "sending_off", logging.WARNING, "refused", "The same: the kill switch ``SENDING`` is off.", _REFUSAL
)
SMS_SUBMITTED = Event(
    "sms_submitted",
    logging.INFO,
    "success",
    "The provider took an SMS; ``latency`` is ms.",
    _of_sms("message_id", "latency"),
)
SMS_FAILED = Event(
    "sms_failed",
    logging.WARNING,
    "failure",
    "An SMS surely was not accepted; ``error_class`` says whose fault that is.",
    _of_sms("error_code", "error_class", "http_status"),
)
SMS_UNKNOWN = Event(
    "sms_unknown",
    logging.WARNING,
    "unknown",
    "The provider's answer was lost: the SMS may be on its way and is not sent again.",
    _of_sms("error_code", "error_class", "http_status"),
)
SMS_NOT_RECORDED = Event(
    "sms_not_recorded",
    logging.ERROR,
    "unknown",
    "An SMS left, but the database could not be told; its row becomes ``unknown``.",
    _of_sms(),
)
SMS_LOST = Event(
    "sms_lost",
    logging.WARNING,
    "unknown",
    "``kaleyra_otp_reconcile`` found SMS that were being handed over when their process ended.",
    ("count",),
)
ACCOUNT_SILENT = Event(
    "account_silent",
    logging.ERROR,
    "failure",
    "Ten calls in a row were not answered: this process gives the account a rest.",
    ("route",),
)
ACCOUNT_ANSWERS = Event(
    "account_answers", logging.WARNING, "success", "The account answers again; the rest is over.", ("route",)
)
ACCOUNT_REFUSED = Event(
    "account_refused",
    logging.ERROR,
    "failure",
    "The provider refuses the account or a setting of it: key, balance, sender, template.",
    ("route", "error_code"),
)
PULL_FAILED = Event(
    "pull_failed",
    logging.WARNING,
    "failure",
    "The provider did not say what became of SMS whose callbacks never came.",
    ("route", "error_code", "error_class"),
)
CALLBACK_REFUSED = Event(
    "callback_refused",
    logging.WARNING,
    "refused",
    "A call of the webhook was refused: ``no_secret``, ``wrong_secret``, ``no_setting`` (``WEBHOOK_SECRET`` "
    "is unset or too short), ``broken_body``, ``no_length``, ``too_long``.",
    ("reason",),
)
CALLBACK_UNREADABLE = Event(
    "callback_unreadable",
    logging.WARNING,
    "failure",
    "A callback with the right secret could not be read; an empty update was stored.",
    ("bytes",),
)
CALLBACK_NOT_STORED = Event(
    "callback_not_stored",
    logging.ERROR,
    "failure",
    "The database refused a callback; Kaleyra was asked to call again.",
    ("error",),
)
CALLBACK_MISMATCH = Event(
    "callback_mismatch",
    logging.WARNING,
    "refused",
    "A callback names an SMS of ours, but another number; it is kept and moves nothing.",
    ("send",),
)
STATUS_UNKNOWN = Event(
    "status_unknown",
    logging.WARNING,
    "unknown",
    "Kaleyra told a status that is in no catalogue; it is kept as told and moves nothing.",
    ("status",),
)
ALARM_RAISED = Event(
    "alarm_raised",
    logging.WARNING,
    "",
    "An alarm began; ``subject`` is a series, a country, a route or a limit.",
    ("kind", "subject", "figures"),
)
ALARM_CLEARED = Event("alarm_cleared", logging.INFO, "", "An alarm is over.", ("kind", "subject", "figures"))
HOOK_FAILED = Event(
    "hook_failed",
    logging.ERROR,
    "failure",
    "A callable of the project's raised, and so refused; ``error`` is the class.",
    ("setting", "error"),
)
DATABASE_BUSY = Event(
    "database_busy",
    logging.WARNING,
    "failure",
    "The database refused three times, or was away; the caller is told 503.",
    ("error",),
)
NUMBER_LOOKED_UP = Event(
    "number_looked_up",
    logging.INFO,
    "success",
    "Somebody of the staff (``user``) looked at everything about a number.",
    ("user", "number"),
)

EVENTS = {each.name: each for each in list(globals().values()) if isinstance(each, Event)}

#: Which event a refusal is, by its reason; any other is ``challenge_refused``.
_BY_REASON = {
    "rate_limited": LIMIT_REACHED,
    "cooldown": LIMIT_REACHED,
    "max_failures_reached": NUMBER_LOCKED,
    "prefix_blocked": PREFIX_BLOCKED,
    "sending_off": SENDING_OFF,
}


@dataclass(slots=True)
class Asked:
    """Who asks for an SMS, as far as it is known yet."""

    call: str
    purpose: str
    challenge: uuid.UUID | str = ""
    number: Number | None = None


@contextmanager
def refusals(asked: Asked) -> Iterator[Asked]:
    """Have a refusal within the block told, once; for what comes before an SMS is committed."""
    try:
        yield asked
    except DatabaseBusy:
        raise  # told where it happened
    except KaleyraOTPError as refusal:
        _BY_REASON.get(refusal.reason, CHALLENGE_REFUSED).log(
            call=asked.call,
            purpose=asked.purpose,
            reason=refusal.reason,
            scope=refusal.scope,
            retry_after=refusal.retry_after,
            challenge=asked.challenge,
            number=asked.number.e164 if asked.number else "",
        )
        raise
