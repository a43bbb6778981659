"""What one day came to, kept longer than its rows."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class DailyFigures(models.Model):
    """The figures of one day, counted from its sends. Counts alone: no number, no challenge, no text.

    A day begins at midnight in ``TIME_ZONE``. ``sent`` is how many sends were counted: fewer than
    there were once means that some have been deleted since, and never replaces the figures.
    """

    day = models.DateField(_("day"), primary_key=True)
    sent = models.PositiveIntegerField(_("sent"))
    figures = models.JSONField(_("figures"))
    counted_at = models.DateTimeField(_("counted"))

    class Meta:
        verbose_name = _("figures of a day")
        verbose_name_plural = _("figures of days")

    def __str__(self) -> str:
        return str(self.day)
