"""System checks: ids and hints. Importing this registers them."""

from __future__ import annotations

from django_kaleyra_otp.checks.catalogue import CHECKS
from django_kaleyra_otp.checks.databases import check_character_set
from django_kaleyra_otp.checks.settings import check_deployment, check_settings

__all__ = ["CHECKS", "check_character_set", "check_deployment", "check_settings"]
