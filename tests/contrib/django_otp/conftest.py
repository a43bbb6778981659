from __future__ import annotations

import pytest

from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice
from tests.conftest import OTHER, code_in


@pytest.fixture
def device(user) -> KaleyraDevice:
    """A device of its own number, which no code was asked for yet."""
    return KaleyraDevice.objects.create(user=user, name="phone", phone_number=OTHER)


@pytest.fixture
def asked(device) -> KaleyraDevice:
    """The device, its code in the outbox."""
    device.generate_challenge()
    return device


@pytest.fixture
def code(asked, outbox) -> str:
    return code_in(outbox[-1])
