"""Fixtures for pytest: ``pytest_plugins = ["django_kaleyra_otp.testing.fixtures"]`` in the root conftest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings

from django_kaleyra_otp import testing
from django_kaleyra_otp.backends.locmem import OutboxSMS


# of the session: what is set up for a class or a module would come before a fixture of the test
@pytest.fixture(scope="session", autouse=True)
def no_sms_leaves() -> Iterator[None]:
    """Keep every SMS of the run in memory, asked or not."""
    with override_settings(KALEYRA_OTP=testing.in_memory()):
        yield


@pytest.fixture(autouse=True)
def sms_outbox() -> list[OutboxSMS]:
    """The SMS that were handed over, oldest first; empty when a test begins."""
    testing.empty_outbox()
    return testing.outbox


@pytest.fixture
def kaleyra_otp(settings: Any) -> Callable[..., None]:
    """``kaleyra_otp(RESEND_COOLDOWN=0)``: change keys of ``KALEYRA_OTP`` for one test."""

    def change(**keys: Any) -> None:
        settings.KALEYRA_OTP = {**settings.KALEYRA_OTP, **keys}

    return change
