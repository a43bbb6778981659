"""Something that a person should look at, from when it was seen until it was over."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class AlarmKind(models.TextChoices):
    """What was seen."""

    PUMPING = "pumping", _("delivered and never verified")  # of a series: the guard closed it, or would
    CONVERSION = "conversion", _("few codes are verified")  # of a country
    OUTAGE = "outage", _("many SMS do not arrive")  # of a country or a route
    SILENCE = "silence", _("no callbacks come")  # of a route
    SPENDING = "spending", _("a limit fills up")  # of a limit in SMS segments


class Alarm(models.Model):
    """One alarm with the figures that raised it; kept after it is over.

    ``open_key`` is unique while the alarm stands and empty after: of several that look at once, one
    raises it, and one ends it.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("kind"), max_length=12, choices=AlarmKind.choices)
    subject = models.CharField(_("subject"), max_length=64)
    figures = models.JSONField(_("figures"), default=dict)
    raised_at = models.DateTimeField(_("raised"))
    seen_at = models.DateTimeField(_("last seen"))
    cleared_at = models.DateTimeField(_("over"), null=True, blank=True)
    open_key = models.CharField(max_length=80, null=True, unique=True, editable=False)  # noqa: DJ001

    class Meta:
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        indexes = [
            models.Index(fields=["raised_at"], name="kaleyra_otp_alarm_raised"),
            models.Index(fields=["cleared_at", "raised_at"], name="kaleyra_otp_alarm_cleared"),
            models.Index(fields=["kind", "subject", "raised_at"], name="kaleyra_otp_alarm_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
