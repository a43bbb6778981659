"""One bucket of a limit."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class RateLimit(models.Model):
    """One bucket, by the theoretical arrival time of GCRA; deletable once that is past.

    ``key`` is an HMAC: no raw address or number stands here. ``tat`` is µs since 1970, UTC.
    ``granted`` is what the last charge left; only the statement that wrote it reads it.
    """

    key = models.CharField(_("key"), max_length=64, primary_key=True)
    tat = models.BigIntegerField(_("full until (µs)"))
    granted = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")
        indexes = [models.Index(fields=["tat"], name="kaleyra_otp_rate_limit_tat")]

    def __str__(self) -> str:
        return self.key[:12]
