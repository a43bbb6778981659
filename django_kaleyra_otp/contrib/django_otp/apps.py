"""The app's name and label."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KaleyraDeviceConfig(AppConfig):
    """``django_kaleyra_otp.contrib.django_otp``, label ``kaleyra_otp_device``."""

    name = "django_kaleyra_otp.contrib.django_otp"
    label = "kaleyra_otp_device"
    verbose_name = _("Devices for codes by SMS")
    default_auto_field = "django.db.models.BigAutoField"
