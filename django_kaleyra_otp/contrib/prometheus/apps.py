"""The app that connects the metrics to the signals."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KaleyraPrometheusConfig(AppConfig):
    """``django_kaleyra_otp.contrib.prometheus``, label ``kaleyra_otp_prometheus``."""

    name = "django_kaleyra_otp.contrib.prometheus"
    label = "kaleyra_otp_prometheus"
    verbose_name = _("Metrics of one-time codes")

    def ready(self) -> None:
        """Connect the metrics."""
        from django_kaleyra_otp.contrib.prometheus import metrics  # the app's models must be loaded first

        metrics.connect()
