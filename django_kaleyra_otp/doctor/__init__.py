"""What keeps codes from arriving: settings, accounts, callbacks, rows that are stuck, clocks."""

from __future__ import annotations

from collections.abc import Iterator

from django.core import checks
from django.utils.module_loading import import_string

from django_kaleyra_otp.backends.kaleyra import KaleyraBackend
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.doctor import account, rows
from django_kaleyra_otp.doctor.findings import Finding, Health

__all__ = ["Finding", "Health", "examine"]


def examine(*, deploy: bool = True, offline: bool = False) -> Iterator[Finding]:
    """Yield every finding; ``offline`` leaves Kaleyra alone, ``deploy`` asks the checks for production too.

    Nothing is sent and nothing changed: Kaleyra is asked for the list of sender ids and for the
    callback profile.
    """
    found = checks.run_checks(tags=["kaleyra_otp"], include_deployment_checks=deploy)
    for message in found:
        health = Health.ERROR if message.level >= checks.ERROR else Health.WARNING
        yield Finding("settings", health, str(message.msg), message.hint or "", str(message.id))
    if not found:
        yield Finding("settings", Health.OK, "The system checks find nothing.")
    through_kaleyra = _sends_through_kaleyra()
    if not through_kaleyra:
        yield Finding("backend", Health.WARNING, f"{conf.BACKEND} does not send through Kaleyra.")
    elif not offline:
        yield from account.examine()
    # rows can be told nothing about by settings that cannot be read
    if all(message.id not in ("kaleyra_otp.E001", "kaleyra_otp.E003") for message in found):
        yield from rows.examine(callbacks=through_kaleyra)


def _sends_through_kaleyra() -> bool:
    try:
        return issubclass(import_string(conf.BACKEND), KaleyraBackend)
    except Exception:
        return False  # the system checks say why
