"""A phone that gets codes by SMS, as a device of django-otp."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django_otp.models import Device, GenerateNotAllowed, ThrottlingMixin, TimestampMixin, VerifyNotAllowed

from django_kaleyra_otp import challenges, phones
from django_kaleyra_otp.exceptions import Expired, Invalid, InvalidPhoneNumber, KaleyraOTPError, NotFound
from django_kaleyra_otp.models import ChallengeStatus, OTPChallenge

#: What the challenges of devices are for.
PURPOSE = "second_factor"
#: Where the waits of django-otp begin.
_NO_FAILURES: dict[str, Any] = {"throttling_failure_count": 0, "throttling_failure_timestamp": None}


class KaleyraDevice(TimestampMixin, ThrottlingMixin, Device):
    """A phone of one user: at ``phone_number`` or, where that is empty, at the user's ``USER_PHONE``.

    It names the challenge that waits for its code and never holds the code. Guesses, time and the one
    success are counted in the challenge's row, whoever loaded the device, how often, and whether or not
    it is locked. A code is good for this device and this number alone.
    """

    id = models.BigAutoField(primary_key=True)
    phone_number = models.CharField(
        gettext_lazy("phone number"),
        max_length=16,
        blank=True,
        help_text=gettext_lazy("With the country code. Empty: the user's own number."),
    )
    # no foreign key: challenges may live in another database, and are purged
    challenge_id = models.UUIDField(null=True, editable=False)

    #: What ``generate_challenge`` last said of this copy's code; for pages that do not show it themselves.
    said = ""

    class Meta:
        verbose_name = gettext_lazy("device for codes by SMS")
        verbose_name_plural = gettext_lazy("devices for codes by SMS")

    def clean(self) -> None:
        """Put the number into its one spelling."""
        super().clean()
        if self.phone_number:
            try:
                self.phone_number = phones.parse(self.phone_number).e164
            except KaleyraOTPError as refusal:
                raise ValidationError({"phone_number": str(refusal.detail)}) from None

    @property
    def number(self) -> str:
        """The number that codes go to, or "" where there is none."""
        return self.phone_number or phones.of_user(self.user) or ""

    @property
    def masked_number(self) -> str:
        """The number as it is shown to who may not see it."""
        return phones.mask(self.number) if self.number else ""

    # Asking for a code

    def generate_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """Return whether a code may be asked for, as far as the cool-down of the code before tells."""
        challenge = self._challenge()
        if challenge and challenge.resend_at and challenge.resend_at > timezone.now():
            return False, {
                "reason": GenerateNotAllowed.COOLDOWN_DURATION_PENDING,
                "next_generation_at": challenge.resend_at,
            }
        allowed: tuple[bool, dict[str, Any] | None] = super().generate_is_allowed()
        return allowed

    def generate_challenge(self, request: HttpRequest | None = None) -> str:
        """Send a code, and return a sentence for the person: where it went, or why none was sent.

        The code of an open challenge is sent again, so that an SMS that is late still works. ``request``
        is counted by its address and goes to ``RISK``. Raises ValueError for a device that is not saved.
        """
        if self.pk is None:
            raise ValueError("Save the device first: its codes are tied to its row.")
        try:
            self._send(request)
        except InvalidPhoneNumber:
            self.said = _("There is no mobile number that a code could be sent to.")
        except Invalid:
            raise  # a text of the project's names what no device has
        except KaleyraOTPError as refusal:
            self.said = str(refusal.detail)
        else:
            text = _("A text message with a code is on its way to %(number)s.")
            self.said = text % {"number": self.masked_number}
        return self.said

    def _send(self, request: HttpRequest | None) -> None:
        challenge = self._challenge()
        if challenge and self._takes(challenge) and challenge.sends_left:
            challenges.resend(challenge.pk, request=request)
            return
        started = challenges.start(
            self.number,
            purpose=PURPOSE,
            user=self.user,
            known=self.confirmed,  # before that, anybody's number may stand here
            bind=self._bind(),
            language=get_language(),
            request=request,
        )
        # django-otp's waits grow without end; with a new code they start anew
        self._keep(**_NO_FAILURES, challenge_id=started.pk)

    # Giving it

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """Return whether a guess would be looked at: not after too many, in a wait, or after its time."""
        challenge = self._challenge()
        status = challenge.effective_status if challenge else None
        if challenge and status == ChallengeStatus.MAX_ATTEMPTS_REACHED:
            return False, {
                "reason": VerifyNotAllowed.N_FAILED_ATTEMPTS,
                "failure_count": challenge.attempts,
            }
        if status == ChallengeStatus.EXPIRED:
            return False, {"error_message": str(Expired.default_detail)}
        allowed: tuple[bool, dict[str, Any] | None] = super().verify_is_allowed()
        return allowed

    def verify_token(self, token: Any) -> bool:
        """Spend an attempt on a code, and return whether it was right: once, of all who give it."""
        allowed, _why = self.verify_is_allowed()
        if not allowed or self.challenge_id is None:
            return False
        # django-otp calls this in a transaction of its own, which commits after a wrong code, too
        result = challenges.verify(self.challenge_id, token, purpose=PURPOSE, bind=self._bind(), commits=True)
        if result.token is None:
            self.throttle_increment()
            return False
        challenges.redeem(result.token, purpose=PURPOSE, bind=self._bind())
        self._keep(**_NO_FAILURES, last_used_at=timezone.now())
        return True

    def get_throttle_factor(self) -> float:
        """Return ``OTP_KALEYRA_THROTTLE_FACTOR``: seconds to wait after a wrong code, doubled by each."""
        factor: float = getattr(settings, "OTP_KALEYRA_THROTTLE_FACTOR", 1)
        return factor

    def throttle_increment(self, commit: bool = True) -> None:
        """Note a wrong code, for the waits of django-otp; the attempts are counted in the challenge."""
        super().throttle_increment(commit=False)
        if commit:
            self._keep(
                throttling_failure_count=self.throttling_failure_count,
                throttling_failure_timestamp=self.throttling_failure_timestamp,
            )

    # The rows

    def _challenge(self) -> OTPChallenge | None:
        """Return the challenge that this device asked last, as it stands."""
        try:
            return challenges.look(self.challenge_id) if self.challenge_id else None
        except NotFound:
            return None

    def _takes(self, challenge: OTPChallenge) -> bool:
        """Return whether a challenge is open still, for the number that this device has now."""
        return (
            challenge.effective_status == ChallengeStatus.PENDING
            and challenge.phone_number == phones.parse(self.number).e164
        )

    def _bind(self) -> dict[str, str]:
        return {"device": self.persistent_id, "number": self.number}

    def _keep(self, **fields: Any) -> None:
        """Write these fields and no others: another copy of this device may have changed the rest."""
        for name, value in fields.items():
            setattr(self, name, value)
        type(self).objects.filter(pk=self.pk).update(**fields)
