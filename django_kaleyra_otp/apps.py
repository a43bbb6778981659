"""The app's name, label and start."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KaleyraOTPConfig(AppConfig):
    """``django_kaleyra_otp``, label ``kaleyra_otp``."""

    name = "django_kaleyra_otp"
    label = "kaleyra_otp"
    verbose_name = _("One-time codes")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from django_kaleyra_otp import checks  # noqa: F401 - models must be loaded first
