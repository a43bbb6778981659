"""A challenge's states, and the UPDATE of each move."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_kaleyra_otp.models.delivery import SendLog


class ChallengeStatus(models.TextChoices):
    """Where a challenge stands; ``expired`` is never stored: it is ``pending`` past its time."""

    PENDING = "pending", _("pending")
    VERIFIED = "verified", _("verified")
    CANCELED = "canceled", _("canceled")
    MAX_ATTEMPTS_REACHED = "max_attempts_reached", _("too many wrong codes")
    EXPIRED = "expired", _("expired")


class OTPChallengeQuerySet(models.QuerySet["OTPChallenge"]):
    """The moves of a challenge, each one conditional UPDATE that says whether it happened."""

    def pending(self, now: datetime) -> OTPChallengeQuerySet:
        """Return the challenges that are open still."""
        return self.filter(status=ChallengeStatus.PENDING, expires_at__gt=now)

    def expired(self, now: datetime) -> OTPChallengeQuerySet:
        """Return the challenges whose time ran out."""
        return self.filter(status=ChallengeStatus.PENDING, expires_at__lte=now)

    def spend_attempt(self, pk: uuid.UUID, *, right: bool, now: datetime) -> bool:
        """Spend one attempt of a live challenge; a right code verifies it in the same UPDATE.

        Returns whether this call's UPDATE touched the row. Whoever is told True owns the
        outcome; everybody else came too late, whatever they had read before.
        """
        after: dict[str, object]
        if right:
            after = {"status": ChallengeStatus.VERIFIED, "verified_at": now}
        else:
            # a Case(When(...)) says the same, and costs as much to build as the whole SELECT before
            closed = "CASE WHEN attempts >= max_attempts - 1 THEN %s ELSE status END"
            after = {"status": RawSQL(closed, [ChallengeStatus.MAX_ATTEMPTS_REACHED.value])}  # noqa: S611
        # attempts comes last: MySQL assigns left to right and would compare the new count
        live = self.filter(
            pk=pk, status=ChallengeStatus.PENDING, attempts__lt=F("max_attempts"), expires_at__gt=now
        )
        return live.update(**after, last_attempt_at=now, attempts=F("attempts") + 1) == 1

    def cancel(self, pk: uuid.UUID, *, now: datetime) -> bool:
        """Give up a challenge that is open; returns whether it was."""
        return self.pending(now).filter(pk=pk).update(status=ChallengeStatus.CANCELED, canceled_at=now) == 1

    def redeem(self, pk: uuid.UUID, *, since: datetime, now: datetime) -> bool:
        """Use up the proof of a challenge verified after ``since``; returns whether this call did."""
        fresh = self.filter(
            pk=pk, status=ChallengeStatus.VERIFIED, redeemed_at__isnull=True, verified_at__gt=since
        )
        return fresh.update(redeemed_at=now) == 1

    def claim_send(self, pk: uuid.UUID, *, now: datetime) -> bool:
        """Take one more SMS from an open challenge; returns whether one was left."""
        left = self.pending(now).filter(pk=pk, sends__lt=F("max_sends"))
        return left.update(sends=F("sends") + 1, last_sent_at=now) == 1

    def of_caller(self, phone_number: str, *, known: bool, user_id: Any) -> OTPChallengeQuerySet:
        """Return a number's challenges that count together: a known caller's own, or all strangers'."""
        if known:
            return self.filter(phone_number=phone_number, known=True, user_id=user_id)
        return self.filter(phone_number=phone_number, known=False)


class OTPChallenge(models.Model):
    """One question put to the holder of a number. It holds what the code is derived from, never the code."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    phone_number = models.CharField(_("phone number"), max_length=16)
    purpose = models.CharField(_("purpose"), max_length=32)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    known = models.BooleanField(_("known caller"), default=False)
    language = models.CharField(_("language"), max_length=35)
    status = models.CharField(
        _("status"),
        max_length=20,
        choices=[choice for choice in ChallengeStatus.choices if choice[0] != ChallengeStatus.EXPIRED],
        default=ChallengeStatus.PENDING,
    )
    nonce = models.BinaryField(max_length=16, editable=False)
    key_fingerprint = models.CharField(max_length=16, editable=False)
    bind_digest = models.CharField(max_length=64, editable=False)
    code_length = models.PositiveSmallIntegerField(_("code length"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("attempts allowed"))
    sends = models.PositiveSmallIntegerField(_("sends"), default=1)
    max_sends = models.PositiveSmallIntegerField(_("sends allowed"))
    ip = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    idempotency_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)  # noqa: DJ001
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    last_sent_at = models.DateTimeField(_("last sent"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    last_attempt_at = models.DateTimeField(_("last attempt"), null=True)
    verified_at = models.DateTimeField(_("verified"), null=True)
    redeemed_at = models.DateTimeField(_("redeemed"), null=True)
    canceled_at = models.DateTimeField(_("canceled"), null=True)
    failures_cleared_at = models.DateTimeField(_("failures cleared"), null=True)

    #: The newest SMS, and when another may go; set by those who read the challenge to show it.
    newest_send: SendLog | None = None
    resend_at: datetime | None = None

    objects = OTPChallengeQuerySet.as_manager()

    class Meta:
        verbose_name = _("challenge")
        verbose_name_plural = _("challenges")
        indexes = [
            models.Index(
                fields=["phone_number", "purpose", "created_at"], name="kaleyra_otp_challenge_phone"
            ),
            models.Index(fields=["created_at"], name="kaleyra_otp_challenge_created"),
        ]
        permissions = [
            ("view_full_phone_number", _("Can see phone numbers in full")),
            ("find_number", _("Can find a number and what happened to it")),
            ("resend_code", _("Can send a code again")),
            ("open_number", _("Can forgive the wrong codes of a number")),
            ("pull_status", _("Can ask Kaleyra for a status")),
            ("forget_number", _("Can delete everything about a number")),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def status_at(self, now: datetime) -> ChallengeStatus:
        """Return where the challenge stands at ``now``, ``expired`` included."""
        if self.status == ChallengeStatus.PENDING and self.expires_at <= now:
            return ChallengeStatus.EXPIRED
        return ChallengeStatus(self.status)

    @property
    def effective_status(self) -> ChallengeStatus:
        """Where the challenge stands now, ``expired`` included."""
        return self.status_at(timezone.now())

    @property
    def attempts_left(self) -> int:
        """How many guesses are left; approximate while others guess."""
        return max(self.max_attempts - self.attempts, 0)

    @property
    def sends_left(self) -> int:
        """How many more SMS the challenge may send."""
        return max(self.max_sends - self.sends, 0)
