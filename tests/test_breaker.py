"""An account that does not answer is given a rest, and verify goes on."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from django_kaleyra_otp import breaker, challenges, delivery
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.models import RateLimit, SendLog
from django_kaleyra_otp.types import Receipt
from tests.conftest import NUMBER, code_in
from tests.playing import number, only

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


def test_a_code_of_another_library_fails_fast_too_and_is_charged_to_nobody(db, configure):
    """R-081, R-019."""
    start_many(10, AWAY[0])
    configure(**only("phone", "1/d"))

    with pytest.raises(DeliveryUnavailable):
        delivery.send_code(NUMBER, "482913")

    assert len(calls) == 10
    assert not RateLimit.objects.exists()
    assert SendLog.objects.count() == 10


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


REFUSED = DeliveryFailed(error_code="RBC001", http_status=401, error_class="configuration")
MISMATCH = DeliveryFailed(error_code="X604", http_status=400, error_class="configuration")


@pytest.mark.parametrize("error", [REFUSED, DeliveryFailed(http_status=403, error_class="configuration")])
def test_a_refused_key_is_one_alarm_and_no_storm(db, caplog, error):
    """R-084: once, and again after it worked."""
    with caplog.at_level(logging.ERROR, "django_kaleyra_otp"):
        start_many(5, error)
        assert len(caplog.records) == 1
        start_many(1, None)
        start_many(5, error)

    assert len(caplog.records) == 2
    assert {record.event for record in caplog.records} == {"account_refused"}
    assert {record.error_code for record in caplog.records} == {error.error_code or "403"}


def test_an_account_that_asks_to_wait_has_not_got_over_its_fault(db, caplog):
    """R-084."""
    with caplog.at_level(logging.ERROR, "django_kaleyra_otp"):
        for error in (
            REFUSED,
            DeliveryUnavailable(http_status=429, error_class="vendor", retry_after=60),
        ) * 3:
            start_many(1, error)

    assert len(caplog.records) == 1


def test_a_setting_that_is_wrong_for_some_numbers_is_no_storm_while_others_get_their_sms(db, caplog):
    """R-084."""
    with caplog.at_level(logging.ERROR, "django_kaleyra_otp"):
        for error in (MISMATCH, None) * 5:
            start_many(1, error)

    assert [record.error_code for record in caplog.records] == ["X604"]


def test_a_number_s_own_fault_is_no_alarm(db, caplog):
    """R-084."""
    with caplog.at_level(logging.ERROR, "django_kaleyra_otp"):
        start_many(5, DeliveryFailed(error_code="X601", http_status=400, error_class="recipient"))

    assert caplog.records == []


def test_a_rest_is_told_once_when_it_begins_and_once_when_it_is_over(db, caplog):
    """R-066, R-081."""
    with caplog.at_level(logging.WARNING, "django_kaleyra_otp"):
        start_many(12, AWAY[0])
        rest_is_over()
        start_many(3, AWAY[0])
        rest_is_over()
        start_many(3, None)

    events = [getattr(record, "event", "") for record in caplog.records]
    assert [each for each in events if each.startswith("account_")] == ["account_silent", "account_answers"]


# How many requests may wait at once


class Hanging(BaseBackend):
    """Answers nobody until the test says so."""

    arrived = threading.Semaphore(0)
    go_on = threading.Event()
    ends: list[Exception | None] = []

    def send(self, sms, route):
        self.arrived.release()
        assert self.go_on.wait(30)
        if self.ends:
            raise self.ends[0]
        return Receipt(message_id=sms.to)


@pytest.fixture
def hanging(transactional_db, configure):
    """An account whose every slot is taken by a send that is not answered; they are let go at the end."""
    configure(BACKEND="tests.test_breaker.Hanging")
    Hanging.arrived = threading.Semaphore(0)  # the sends of the test before have counted theirs up
    Hanging.go_on.clear()
    Hanging.ends.clear()

    def start(n):
        try:
            return challenges.start(number(n)).newest_send.status
        except DeliveryFailed as failure:
            return failure.code
        finally:
            connections.close_all()

    stuck = []
    with ThreadPoolExecutor(40) as pool:
        while len(stuck) < breaker.slots():  # half of the threads, which grow in number meanwhile
            stuck.append(pool.submit(start, len(stuck)))
            assert Hanging.arrived.acquire(timeout=30)
        yield stuck
        Hanging.go_on.set()


def test_who_finds_every_slot_taken_and_no_answer_is_turned_away_within_a_second(hanging, api):
    """R-081: a site keeps threads for verify; the second one is not even charged."""
    began = time.monotonic()
    first = api.start(number(50))
    waited = time.monotonic() - began
    second = api.start(number(51))

    assert (first.status_code, first.json()["code"]) == (503, "delivery_unavailable")
    assert waited < 10
    assert second.status_code == 503
    assert 1 <= int(second["Retry-After"]) <= 31
    assert SendLog.objects.filter(phone_number=number(50)).get().error_code == "breaker"
    assert not SendLog.objects.filter(phone_number=number(51)).exists()


def test_who_waits_for_a_slot_gets_it_when_another_is_answered(hanging, configure):
    """R-081: in health nobody is turned away."""
    answered = threading.Timer(0.3, Hanging.go_on.set)
    answered.start()

    challenge = challenges.start(number(50))
    answered.join()

    assert challenge.newest_send.status == "submitted"
    assert [send.result(30) for send in hanging] == ["submitted"] * len(hanging)


def test_slots_are_given_back_however_a_send_ends(hanging, api):
    Hanging.ends.append(DeliveryUnknown(error_class="network"))
    Hanging.go_on.set()
    assert [send.result(30) for send in hanging] == ["unknown"] * len(hanging)

    Hanging.ends.clear()

    assert [challenges.start(number(n)).newest_send.status for n in range(60, 66)] == ["submitted"] * 6


def test_another_account_of_the_prefix_is_tried_where_every_slot_of_the_first_is_taken(hanging, configure):
    configure(
        BACKEND="tests.test_breaker.Kaleyra",
        ROUTES=[
            {"PREFIXES": ["+91"], "NAME": "first"},
            {"PREFIXES": ["+91"], "NAME": "second", "SID": "HXSECOND00000000IN"},
        ],
    )

    assert challenges.start(number(50)).newest_send.route == "second"


def test_a_worker_waits_for_no_slot(hanging, configure):
    """Its threads are there to wait."""
    configure(BACKEND="tests.test_breaker.Kaleyra", DISPATCH="django_kaleyra_otp.delivery.deliver")

    challenge = challenges.start(number(50))

    assert SendLog.objects.get(challenge=challenge).status == "submitted"


def test_a_server_of_many_threads_has_half_of_them_wait():
    """And three where there are few: a burst in health is to pass."""
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(20)]
    assert 3 <= breaker.slots() < 10
    for thread in threads:
        thread.start()
    try:
        assert 10 <= breaker.slots() < 20
    finally:
        stop.set()


def test_codes_verify_while_every_slot_is_taken(hanging, configure, outbox, api):
    """R-081."""
    configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend", SID="HXOTHER000000000IN")
    challenge = challenges.start(NUMBER)

    assert api.verify(challenge.pk, code_in(outbox[-1])).json()["status"] == "verified"


def test_a_rest_is_over_for_the_route_that_it_was_told_of(db, configure, caplog):
    """Two routes of one account: who watches the one must not wait for the other."""
    caplog.set_level(logging.WARNING, "django_kaleyra_otp")
    india = {"PREFIXES": ["+91"], "NAME": "india", "SENDER": "OTHERS"}
    configure(ROUTES=[india], ALLOWED_COUNTRIES=["IN", "FR"])
    start_many(10, AWAY[0])
    answer[0] = None
    for account in breaker._accounts.values():
        account.closed_until = 0.0

    challenges.start("+33612345678")

    told = [(record.event, record.route) for record in caplog.records if record.msg.startswith("account_")]
    assert told == [("account_silent", "india"), ("account_answers", "india")]
