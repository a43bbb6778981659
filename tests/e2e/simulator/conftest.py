"""Kaleyra on loopback, twenty times as fast, and somebody whom it calls back."""

import pytest

from django_kaleyra_otp.simulator import Simulator
from tests.e2e.simulator.sink import Sink


@pytest.fixture(scope="package")
def running():
    sink = Sink()
    with Simulator(callback_url=sink.url, time_scale=0.05) as simulator:
        yield simulator, sink
    sink.close()


@pytest.fixture
def kaleyra(running):
    """As new: no message, every fate and knob as at the start."""
    simulator, sink = running
    simulator.reset()
    simulator.wait_until_idle(15)
    sink.seen.clear()
    sink.statuses.clear()
    return simulator


@pytest.fixture
def sink(running, kaleyra):
    return running[1]
