"""The races over HTTP: four processes of eight threads, the real backend, the simulator."""

from __future__ import annotations

from collections import Counter

import pytest

from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate
from tests.conftest import wrong

NUMBER = "+919876543210"

pytestmark = pytest.mark.parametrize("atomic", ["0", "1"], ids=["autocommit", "ATOMIC_REQUESTS"])


def words(answers):
    assert all(answer.status_code < 500 for answer in answers), Counter(a.status_code for a in answers)
    return Counter(answer.json().get("code", answer.json().get("status")) for answer in answers)


def test_one_code_from_start_to_handset_under_parallel_guesses(serve, kaleyra, at_once, atomic):
    """R-011, R-012, R-013: one SMS, five looks, then a closed door."""
    site = serve(ATOMIC_REQUESTS=atomic)

    starts = at_once(50, lambda _: site.start(NUMBER))
    assert words(starts) == {"pending": 1, "cooldown": 49}
    assert len(kaleyra.messages) == 1
    challenge = next(answer.json() for answer in starts if answer.status_code == 201)
    code = kaleyra.wait_for_message(NUMBER).code

    guesses = at_once(100, lambda _: site.verify(challenge["id"], wrong(code)))
    assert words(guesses) == {"invalid_code": 5, "max_attempts_reached": 95}
    assert site.verify(challenge["id"], code).json()["code"] == "max_attempts_reached"

    kaleyra.wait_until_idle()
    send = SendLog.objects.get()
    assert (send.status, send.phone_number) == ("delivered", NUMBER)
    assert StatusUpdate.objects.filter(send_log=send).count() == 2


def test_parallel_right_codes_succeed_once(serve, kaleyra, at_once, atomic):
    """R-012."""
    site = serve(ATOMIC_REQUESTS=atomic)
    challenge = site.start(NUMBER).json()
    code = kaleyra.wait_for_message(NUMBER).code

    assert words(at_once(100, lambda _: site.verify(challenge["id"], code))) == {
        "verified": 1,
        "already_verified": 99,
    }


def test_parallel_twins_of_one_key_are_one_challenge(serve, kaleyra, at_once, atomic):
    site = serve(ATOMIC_REQUESTS=atomic)
    key = {"Idempotency-Key": "a-key-of-one-caller"}

    starts = at_once(50, lambda _: site.start(NUMBER, **key))

    assert {answer.status_code for answer in starts} == {201}
    assert len({answer.json()["id"] for answer in starts}) == 1
    assert len(kaleyra.messages) == OTPChallenge.objects.count() == 1


def test_a_global_limit_holds_across_processes(serve, kaleyra, at_once, atomic):
    """R-049, R-054, R-065."""
    site = serve(ATOMIC_REQUESTS=atomic, SERVER_GLOBAL_RATE="10/d")

    starts = at_once(100, lambda number: site.start(f"+9198765{number:05d}"))

    assert words(starts) == {"pending": 10, "rate_limited": 90}
    assert len(kaleyra.messages) == 10
