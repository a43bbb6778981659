"""A dialling prefix that nothing is sent to."""

from __future__ import annotations

from datetime import datetime

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp.phones import LONGEST_SERIES


class BlockedPrefixQuerySet(models.QuerySet["BlockedPrefix"]):
    """Which blocks hold."""

    def standing(self, now: datetime) -> BlockedPrefixQuerySet:
        """Return the blocks that are not over."""
        return self.filter(models.Q(until=None) | models.Q(until__gt=now))


class BlockedPrefix(models.Model):
    """A dialling prefix closed by the guard or by hand; ``+`` closes everything."""

    id = models.BigAutoField(primary_key=True)
    prefix = models.CharField(
        _("prefix"),
        max_length=16,
        validators=[
            RegexValidator(r"^\+[0-9]{0,15}\Z", _("Write it as +91 or +919876; + closes everything."))
        ],
        help_text=_("Such as +91 or +919876; + closes everything."),
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    until = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("Empty: for ever."))
    automatic = models.BooleanField(_("automatic"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = BlockedPrefixQuerySet.as_manager()

    class Meta:
        verbose_name = _("blocked prefix")
        verbose_name_plural = _("blocked prefixes")
        indexes = [models.Index(fields=["prefix"], name="kaleyra_otp_blocked_prefix")]

    def __str__(self) -> str:
        # whole, it may be somebody's number, and Django's admin log keeps what stands here
        return f"{self.prefix[:LONGEST_SERIES]}…" if self.is_personal else self.prefix

    @property
    def is_personal(self) -> bool:
        """Whether the prefix says more of a number than its series."""
        return len(self.prefix) > LONGEST_SERIES
