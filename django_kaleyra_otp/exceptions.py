"""Every refusal: a word for programs, a sentence for people, seconds to wait.

KaleyraOTPError
├── Invalid                 invalid, with errors by field
│   └── InvalidPhoneNumber  invalid_phone_number
├── Refused                 refused
│   ├── CountryNotAllowed   country_not_allowed
│   └── PrefixBlocked       prefix_blocked
├── NotFound                not_found
├── AlreadyVerified         already_verified
├── Canceled                canceled
├── IdempotencyConflict     idempotency_conflict
├── Expired                 expired
├── RateLimited             rate_limited
│   ├── Cooldown            cooldown
│   ├── MaxAttemptsReached  max_attempts_reached
│   ├── MaxFailuresReached  max_failures_reached
│   └── MaxSendsReached     max_sends_reached
├── InvalidToken            invalid_token
├── DeliveryFailed          delivery_failed: surely not sent
│   └── DeliveryUnavailable delivery_unavailable: surely not sent, later may do
│       └── DatabaseBusy    the same word
└── DeliveryUnknown         delivery_unknown: nobody knows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import Promise


class KaleyraOTPError(Exception):
    """Base of everything ``start`` and ``resend`` refuse with; knows nothing of HTTP.

    ``code`` is a word for programs and never changes, ``detail`` a sentence for people,
    ``retry_after`` whole seconds, or None where waiting does not help. ``reason`` and ``scope`` (of
    the limit that is full, else "") are for the log: no caller is told.
    """

    code: str = "refused"
    scope: str = ""
    default_detail: str | Promise = _("This is not possible.")

    def __init__(self, detail: str | Promise | None = None, *, retry_after: int | None = None) -> None:
        self.detail = detail or self.default_detail
        self.retry_after = retry_after
        super().__init__(self.detail)

    @property
    def reason(self) -> str:
        """The word of the log, which may say more than a caller is told."""
        return self.code


class Invalid(KaleyraOTPError):
    """Something given has the wrong shape; ``errors`` names the field and the mend."""

    code = "invalid"
    default_detail = _("The request is not valid.")

    def __init__(
        self,
        detail: str | Promise | None = None,
        *,
        errors: Mapping[str, Sequence[str | Promise]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.errors = dict(errors or {})


class InvalidPhoneNumber(Invalid):
    """No number that can get an SMS: not E.164, not in use, or of a kind that is never sent to."""

    code = "invalid_phone_number"
    default_detail = _("Enter a mobile number with its country code, such as +91 98765 43210.")


class Refused(KaleyraOTPError):
    """A rule of the project said no (``RISK``, a test number past its date)."""

    code = "refused"
    default_detail = _("No code can be sent for this request.")


class CountryNotAllowed(Refused):
    """The number's country is not in ``ALLOWED_COUNTRIES``."""

    code = "country_not_allowed"
    default_detail = _("Codes are not sent to numbers of this country.")


class PrefixBlocked(Refused):
    """The number begins with a prefix that is closed."""

    code = "prefix_blocked"
    default_detail = _("Codes are not sent to numbers of this range at the moment.")


class NotFound(KaleyraOTPError):
    """No such challenge, or none that this caller may see."""

    code = "not_found"
    default_detail = _("There is no such challenge.")


class AlreadyVerified(KaleyraOTPError):
    """The challenge has had its one success."""

    code = "already_verified"
    default_detail = _("This code was used already.")


class Canceled(KaleyraOTPError):
    """The challenge was given up."""

    code = "canceled"
    default_detail = _("This request for a code was canceled.")


class IdempotencyConflict(KaleyraOTPError):
    """The idempotency key was used with another number or purpose."""

    code = "idempotency_conflict"
    default_detail = _("This idempotency key was used for another request.")


class Expired(KaleyraOTPError):
    """The challenge is past its time."""

    code = "expired"
    default_detail = _("This code has expired. Ask for a new one.")


class RateLimited(KaleyraOTPError):
    """A bucket of ``LIMITS`` is full; ``scope`` says of what."""

    code = "rate_limited"
    default_detail = _("Too many codes were asked for. Please try again later.")


class Cooldown(RateLimited):
    """The last SMS to this number is younger than ``RESEND_COOLDOWN``."""

    code = "cooldown"
    default_detail = _("A code was sent a moment ago. Please wait before asking for another.")


class MaxAttemptsReached(RateLimited):
    """Every attempt of the challenge is spent."""

    code = "max_attempts_reached"
    default_detail = _("Too many wrong codes. Ask for a new one.")


class MaxFailuresReached(RateLimited):
    """``MAX_FAILURES`` wrong guesses stand for this number and purpose."""

    code = "max_failures_reached"
    default_detail = _("Too many wrong codes were entered for this number.")


class MaxSendsReached(RateLimited):
    """The challenge's code was sent ``MAX_SENDS`` times."""

    code = "max_sends_reached"
    default_detail = _("This code cannot be sent again. Ask for a new one.")


class InvalidToken(KaleyraOTPError):
    """The token is forged, too old, used, or for another purpose or context."""

    code = "invalid_token"
    default_detail = _("This proof is not valid, or was used already.")


#: What stands as ``error_code`` where the reason is ours and no provider's.
OWN_ERROR_CODES = frozenset(
    (
        "backend",
        "breaker",
        "closed",
        "dispatch",
        "key",
        "late",
        "lost",
        "prefix_blocked",
        "sending_off",
        "time_out",
    )
)


class DeliveryFailed(KaleyraOTPError):
    """The SMS surely was not accepted.

    ``error_code`` and ``error_message`` are the provider's words, scrubbed; ``error_class`` one of
    ``kaleyra.errors.ErrorClass``; ``http_status`` its HTTP status, or None. ``challenge`` is the
    challenge that was charged and whose SMS then failed; None where nothing was charged.
    """

    challenge: Any = None
    code = "delivery_failed"
    default_detail = _("The code could not be sent to this number.")

    def __init__(
        self,
        detail: str | Promise | None = None,
        *,
        error_code: str = "",
        error_message: str = "",
        error_class: str = "",
        http_status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.error_code = error_code
        self.error_message = error_message
        self.error_class = error_class
        self.http_status = http_status

    @property
    def reason(self) -> str:
        """Why it was not accepted, where that is known."""
        return self.error_code or self.code


class DeliveryUnavailable(DeliveryFailed):
    """The SMS surely was not accepted, and the same may work later."""

    code = "delivery_unavailable"
    default_detail = _("Codes cannot be sent at the moment. Please try again later.")


class DatabaseBusy(DeliveryUnavailable):
    """The database refused three times over; nothing was changed."""

    default_detail = _("The service is busy. Please try again in a moment.")


class DeliveryUnknown(KaleyraOTPError):
    """The answer to the send was lost: the SMS may be on its way, so nobody may send it again.

    ``message_id`` is the provider's id where its answer held one, else "".
    """

    code = "delivery_unknown"
    default_detail = _("It is not known whether the code was sent.")

    def __init__(
        self,
        detail: str | Promise | None = None,
        *,
        error_code: str = "",
        error_message: str = "",
        error_class: str = "",
        http_status: int | None = None,
        message_id: str = "",
    ) -> None:
        super().__init__(detail)
        self.error_code = error_code
        self.error_message = error_message
        self.error_class = error_class
        self.http_status = http_status
        self.message_id = message_id
