"""The app that puts our method into two-factor's registry."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KaleyraTwoFactorConfig(AppConfig):
    """``django_kaleyra_otp.contrib.two_factor``, label ``kaleyra_otp_two_factor``."""

    name = "django_kaleyra_otp.contrib.two_factor"
    label = "kaleyra_otp_two_factor"
    verbose_name = _("Codes by SMS for two-factor authentication")

    def ready(self) -> None:
        """Offer our method in place of the phone plugin's text message."""
        from two_factor.plugins.registry import registry

        from django_kaleyra_otp.contrib.two_factor.method import KaleyraMethod  # models must be loaded first

        registry.unregister(KaleyraMethod.code)
        registry.register(KaleyraMethod())
