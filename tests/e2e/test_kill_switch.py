"""The two switches that stop all sending, thrown in another process while starts come in."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from django_kaleyra_otp.models import BlockedPrefix
from tests.playing import number

pytestmark = pytest.mark.heavy

#: Seconds within which all processes must be quiet.
QUIET = 5


@pytest.mark.parametrize(
    ("switch", "refusal"), [("SENDING", "delivery_unavailable"), ("prefix", "prefix_blocked")]
)
def test_a_switch_thrown_under_load_stops_every_process_and_issued_codes_verify(
    serve, kaleyra, tmp_path, switch, refusal
):
    """R-068."""
    file = tmp_path / "switch"
    file.write_text("on")
    settings = {"SENDING": "tests.e2e.switch.is_on", "LIMITS": []}
    site = serve(SERVER_KALEYRA_OTP=json.dumps(settings), SWITCH=str(file))
    issued = site.start("+919812300000").json()["id"]
    code = kaleyra.wait_for_message("+919812300000").code
    told, stop = Counter(), threading.Event()

    def flood(first):
        for n in range(first, 100_000, 8):
            if stop.is_set():
                return
            answer = site.start(number(n)).json()
            told[answer.get("code", answer.get("status"))] += 1

    with ThreadPoolExecutor(8) as pool:
        floods = [pool.submit(flood, first) for first in range(8)]
        kaleyra.state.wait_for(lambda: len(kaleyra.messages) > 20, 60)
        if switch == "SENDING":
            file.write_text("off")
        else:
            BlockedPrefix.objects.create(prefix="+", reason="attack")
        thrown = datetime.now(UTC)
        verified = site.verify(issued, code).json()
        refused = told[refusal]
        until = time.monotonic() + 30
        while told[refusal] < refused + 100 and time.monotonic() < until:
            stop.wait(0.1)
        stop.set()
    for each in floods:
        each.result()

    assert verified["status"] == "verified"
    assert told[refusal] >= 100
    assert set(told) == {"pending", refusal}
    last = max(message.created_at for message in kaleyra.messages)
    assert (last - thrown).total_seconds() < QUIET
    before = len(kaleyra.messages)
    assert {site.start(number(n)).json()["code"] for n in range(90_000, 90_020)} == {refusal}
    assert len(kaleyra.messages) == before
