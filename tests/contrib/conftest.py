"""Each package is tested in an environment and with settings of its own; elsewhere it is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as project

from django_kaleyra_otp import simulator

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out every package but the one whose settings are in force, and then the note of it."""
    name, _, _ = collection_path.relative_to(HERE).as_posix().partition("/")
    ours = project.SETTINGS_MODULE.removeprefix("tests.contrib.").removesuffix(".settings")
    if (HERE / name).is_dir() or name == "test_left_out.py":
        return True if name != (ours if (HERE / ours).is_dir() else "test_left_out.py") else None
    return None


@pytest.fixture
def kaleyra(live_server, settings) -> Iterator[simulator.Simulator]:
    """Kaleyra on loopback, which the project under test sends to and which calls it back."""
    url = f"{live_server.url}/otp/webhook/"
    with simulator.Simulator(time_scale=0.05, callback_url=url) as running:
        settings.KALEYRA_OTP = {
            **settings.KALEYRA_OTP,
            "BACKEND": "django_kaleyra_otp.backends.kaleyra.KaleyraBackend",
            "BASE_URL": running.base_url,
            "SID": simulator.SID,
            "API_KEY": simulator.API_KEY,
            "SENDER": simulator.SENDER,
            "WEBHOOK_SECRET": simulator.CALLBACK_SECRET,
        }
        yield running
