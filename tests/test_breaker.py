"""An account that does not answer is given a rest, and verify goes on."""

from __future__ import annotations

import logging

import pytest

from django_kaleyra_otp import breaker, challenges
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.types import Receipt
from tests.conftest import NUMBER, code_in

calls: list[str] = []
answer: list[Exception | None] = [None]


class Kaleyra(BaseBackend):
    """Answers as the test says."""

    def send(self, sms, route):
        calls.append(route.name)
        if answer[0] is not None:
            raise answer[0]
        return Receipt(message_id=f"message-{len(calls)}")


@pytest.fixture(autouse=True)
def fresh(configure):
    configure(BACKEND="tests.test_breaker.Kaleyra", LIMITS=[], RESEND_COOLDOWN=0, RETRIES=0)
    breaker.reset()
    calls.clear()
    answer[0] = None
    yield
    breaker.reset()


def start_many(count, error):
    answer[0] = error
    for _ in range(count):
        try:
            challenges.start(NUMBER)
        except DeliveryFailed:
            continue


AWAY = [DeliveryUnavailable(error_class="network"), DeliveryUnknown(error_class="network")]


@pytest.mark.parametrize("error", AWAY, ids=["no connection", "no answer"])
def test_after_ten_failures_in_a_row_a_start_fails_fast_and_charges_nothing(api, error):
    """R-081."""
    start_many(10, error)

    refused = api.start(NUMBER)

    assert (refused.status_code, refused.json()["code"]) == (503, "delivery_unavailable")
    assert 1 <= int(refused["Retry-After"]) <= 31
    assert len(calls) == 10


def test_an_answer_between_failures_begins_the_count_anew(db):
    """R-081."""
    start_many(9, AWAY[0])
    start_many(1, None)
    start_many(9, AWAY[0])

    start_many(1, None)

    assert len(calls) == 20


def test_a_refusal_never_opens_the_breaker(db):
    """R-081: Kaleyra answers, though it says no."""
    start_many(20, DeliveryFailed(http_status=400, error_class="recipient"))

    assert len(calls) == 20


def rest_is_over():
    """Move the end of every rest into the past."""
    for account in breaker._accounts.values():
        account.closed_until = 0.0


def test_one_probe_goes_out_after_the_rest_and_its_answer_ends_it(db):
    """R-081."""
    start_many(11, AWAY[0])
    assert len(calls) == 10

    rest_is_over()
    start_many(5, None)

    assert len(calls) == 15


def test_a_probe_that_fails_begins_the_rest_anew(db):
    """R-081."""
    start_many(10, AWAY[0])

    rest_is_over()
    start_many(5, AWAY[0])

    assert len(calls) == 11


def test_codes_that_were_issued_verify_all_the_same(api, outbox, configure):
    """R-068, R-081."""
    configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend")
    challenge = challenges.start(NUMBER)
    code = code_in(outbox[-1])
    configure(BACKEND="tests.test_breaker.Kaleyra")
    start_many(10, AWAY[0])

    assert api.verify(challenge.pk, code).json()["status"] == "verified"


def test_another_account_of_the_same_prefix_is_tried_while_one_rests(db, configure):
    configure(
        ROUTES=[
            {"PREFIXES": ["+91"], "NAME": "first", "SID": "HXFIRST000000000IN"},
            {"PREFIXES": ["+91"], "NAME": "second", "SID": "HXSECOND00000000IN"},
        ]
    )
    start_many(10, AWAY[1])  # lost answers: the second is not tried
    assert set(calls) == {"first"}

    answer[0] = None
    challenge = challenges.start(NUMBER)

    assert calls[-1] == "second"
    assert challenge.newest_send.route == "second"


def test_a_refused_key_is_one_alarm_and_no_storm(db, caplog):
    """R-084."""
    refused = DeliveryFailed(error_code="RBC001", http_status=401, error_class="configuration")
    with caplog.at_level(logging.ERROR, "django_kaleyra_otp"):
        start_many(5, refused)
        assert len(caplog.records) == 1
        start_many(1, None)
        start_many(5, refused)

    assert len(caplog.records) == 2
    assert "RBC001" in caplog.text
