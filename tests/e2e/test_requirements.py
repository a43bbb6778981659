"""What is asked of many processes at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import requests

from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import wrong
from tests.playing import later

NUMBER = "+919876543210"


def words(answers):
    assert all(answer.status_code < 500 for answer in answers), Counter(a.status_code for a in answers)
    return Counter(answer.json().get("code", answer.json().get("status")) for answer in answers)


def workers(site):
    """Return the ids of the processes that serve, which gunicorn's own process forked."""
    return [int(pid) for pid in Path(f"/proc/{site.pid}/task/{site.pid}/children").read_text().split()]


def insist(call):
    """Return an answer, however often the server dies before it gives one."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(requests.ConnectionError):
            return call()
    raise AssertionError("the server never answered")


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc")


@needs_proc
def test_no_guess_is_lost_with_the_process_that_took_it(serve, kaleyra):
    """R-013, R-127: every process is killed after each guess; gunicorn makes new ones."""
    site = serve(ATOMIC_REQUESTS="1")
    challenge = site.start(NUMBER).json()
    code = kaleyra.wait_for_message(NUMBER).code

    said = []
    for _ in range(6):
        answer = insist(lambda: site.verify(challenge["id"], wrong(code)))
        said.append((answer.json()["code"], answer.json().get("attempts_left")))
        for pid in workers(site):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # a guess whose answer was lost with its process is counted too, so that there may be fewer answers
    assert [left for _, left in said if left is not None] == sorted({left for _, left in said} - {None})[::-1]
    assert said[-1][0] == "max_attempts_reached"
    assert insist(lambda: site.verify(challenge["id"], code)).status_code == 429
    assert OTPChallenge.objects.get().attempts == 5


def test_starts_and_resends_over_four_processes_are_one_sms_in_a_cool_down(serve, kaleyra, at_once):
    """R-048: a hundred at once, three windows of the cool-down."""
    site = serve()
    challenge = site.start(NUMBER).json()
    kaleyra.wait_for_message(NUMBER)
    resend = f"/otp/challenges/{challenge['id']}/resend/"

    for window in range(2, 5):
        later(31)
        answers = at_once(100, lambda n: site.call("POST", resend) if n % 2 else site.start(NUMBER))
        assert words(answers) == {"pending": 1, "cooldown": 99}
        assert len(kaleyra.messages) == window


def test_a_restart_forgets_no_limit(serve, kaleyra, at_once):
    """R-065: the money is counted where no process can forget it."""
    numbers = [f"+9198765{n:05d}" for n in range(60)]
    first = serve(SERVER_GLOBAL_RATE="10/d")
    before = [first.start(number) for number in numbers[:6]]
    second = serve(SERVER_GLOBAL_RATE="10/d")
    after = at_once(54, lambda n: second.start(numbers[6 + n]))

    assert words([*before, *after]) == {"pending": 10, "rate_limited": 50}
    assert len(kaleyra.messages) == 10


def test_codes_verify_while_kaleyra_hangs(serve, kaleyra, at_once):
    """R-128: four starts hang in the provider; twenty right codes are answered meanwhile."""
    site = serve(SERVER_KALEYRA_OTP=json.dumps({"TIMEOUT": [3.05, 6], "RETRIES": 0}))
    waiting = []
    for n in range(20):
        started = site.start(f"+9198765{n:05d}").json()
        waiting.append((started["id"], kaleyra.wait_for_message(f"+9198765{n:05d}").code))
    kaleyra.set_fate(None, "hang")
    hanging = [threading.Thread(target=site.start, args=(f"+9198764{n:05d}",)) for n in range(4)]
    for thread in hanging:
        thread.start()
    try:
        before = time.monotonic()
        answers = [site.verify(*each) for each in waiting]
        took = time.monotonic() - before
        assert any(thread.is_alive() for thread in hanging), "nothing hung while the codes were verified"
    finally:
        for thread in hanging:
            thread.join()

    assert words(answers) == {"verified": 20}
    assert took < 4
