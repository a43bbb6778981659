"""The way out of one SMS: how it leaves, what is tried again, and what is written down."""

from __future__ import annotations

import logging
import time

import pytest
import requests
import responses

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, SendLog
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import KALEYRA, NO_LIMITS, SCRIPTED, SMS_URL, Scripted, later, number, only, passed

HELD: list[object] = []


def hold(send_log_id):
    """A queue that keeps what it is given."""
    HELD.append(send_log_id)


def choke(send_log_id):
    raise ConnectionError("the broker is away")


@pytest.fixture
def queue(configure, db):
    """What the queue was given; the SMS leave by it."""
    HELD.clear()
    configure(DISPATCH="tests.test_delivery.hold")
    return HELD


@pytest.fixture
def script(configure, db):
    """``script(step, ...)``: what the provider does, one step a send; returns what it was given."""
    configure(**SCRIPTED, **NO_LIMITS)
    Scripted.seen = []

    def play(*steps):
        Scripted.script = list(steps)
        return Scripted.seen

    return play


@pytest.fixture
def clock(monkeypatch):
    """Time that only sleeping moves on; returns how long was slept."""
    slept, real = [], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + sum(slept))
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def away(retry_after=0):
    return DeliveryUnavailable(error_class="network", retry_after=retry_after)


def two_routes(**more):
    second = {"PREFIXES": ["+91"], "NAME": "second", "SENDER": "SECOND", **more}
    return {"ROUTES": [{"PREFIXES": ["+91"], "NAME": "first"}, second]}


def test_inline_an_sms_leaves_in_the_call_and_the_row_tells_how(challenge, outbox):
    send = SendLog.objects.get()

    assert (send.status, send.message_id) == ("submitted", outbox[0].message_id)
    assert (send.route, send.sender, send.channel, send.segments) == ("default", "KLRTST", "sms", 1)
    assert (send.country, send.block, send.phone_number) == ("IN", "+91987654", NUMBER)
    assert send.created_at <= send.claimed_at <= send.submitted_at
    assert send.latency is not None
    assert (send.error_code, send.delivered_at) == ("", None)


def test_an_sms_bears_the_id_of_its_row(script):
    seen = script()
    challenge = challenges.start(NUMBER)

    assert [sms.reference for sms, _ in seen] == [str(challenge.newest_send.pk)]


def test_a_queue_gets_the_id_of_the_row_and_no_code(queue, outbox):
    """R-086."""
    challenge = challenges.start(NUMBER)
    send = SendLog.objects.get()

    assert queue == [send.pk]
    assert type(queue[0]) is int
    assert (send.status, len(outbox)) == ("queued", 0)
    assert challenge.newest_send == send


def test_a_worker_derives_the_code_from_the_row(queue, outbox):
    challenge = challenges.start(NUMBER)
    delivery.deliver(queue[0])

    assert SendLog.objects.get().status == "submitted"
    assert challenges.verify(challenge.pk, code_in(outbox[0])).ok


def test_delivered_twice_an_sms_is_sent_once(queue, outbox):
    """R-079, R-080."""
    challenges.start(NUMBER)
    for _ in range(3):
        delivery.deliver(queue[0])

    assert len(outbox) == 1


def test_workers_that_take_one_row_at_once_send_one_sms(transactional_db, queue, outbox, together):
    """R-079, R-080."""
    challenges.start(NUMBER)
    together(8, lambda _: delivery.deliver(queue[0]))

    assert len(outbox) == 1


def test_a_worker_leaves_an_sms_alone_that_left_inline(challenge, outbox):
    """Nor does an unknown row trouble it."""
    SendLog.objects.update(status="sending", rank=1)
    delivery.deliver(SendLog.objects.get().pk)
    delivery.deliver(10**9)

    assert len(outbox) == 1


def after_a_change(change, challenge, configure):
    if change == "prefix":
        BlockedPrefix.objects.create(prefix="+91")
    elif change == "switch":
        configure(SENDING=False)
    elif change == "expired":
        later(301)
    else:
        OTPChallenge.objects.filter(pk=challenge.pk).update(status=change)


@pytest.mark.parametrize(
    "change", ["prefix", "switch", "expired", "verified", "canceled", "max_attempts_reached"]
)
def test_a_worker_asks_again_what_may_have_changed(configure, queue, outbox, change):
    """R-068, R-079: nothing is sent, the row says why, the money comes back."""
    configure(**only("global", "1/d"))
    challenge = challenges.start(NUMBER)
    after_a_change(change, challenge, configure)

    delivery.deliver(queue[0])

    send = SendLog.objects.get()
    assert (send.status, len(outbox)) == ("failed", 0)
    assert send.error_code
    BlockedPrefix.objects.all().delete()
    configure(SENDING=True)
    assert passed([OTHER]) == [True]


@pytest.mark.parametrize("backend", ["Refusing", "Away"])
def test_a_worker_raises_nothing_for_an_sms_that_was_not_accepted(configure, queue, backend):
    challenges.start(NUMBER)
    configure(BACKEND=f"tests.playing.{backend}")
    delivery.deliver(queue[0])

    assert SendLog.objects.get().status == "failed"


def test_a_worker_without_the_key_sends_nothing(settings, queue, outbox):
    """R-005."""
    challenges.start(NUMBER)
    settings.SECRET_KEY = "another-secret-key-" * 3
    delivery.deliver(queue[0])

    assert (SendLog.objects.get().status, len(outbox)) == ("failed", 0)


@pytest.mark.parametrize(
    "path", ["tests.test_delivery.choke", "tests.test_delivery.missing", "no_such.queue"]
)
def test_a_queue_that_takes_nothing_is_503_and_the_money_comes_back(api, configure, path, outbox, caplog):
    """R-056."""
    configure(DISPATCH=path, **only("global", "1/d"))

    answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")
    assert SendLog.objects.get().status == "failed"
    configure(DISPATCH="inline")
    assert passed([OTHER]) == [True]


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_a_provider_that_is_not_reached_is_tried_again_so_often(configure, script, retries):
    """R-079."""
    configure(RETRIES=retries)
    seen = script(*[away()] * 10)

    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)
    assert len(seen) == retries + 1
    assert SendLog.objects.get().status == "failed"


def test_a_try_that_is_accepted_ends_the_tries(script):
    seen = script(away(), away(), "accepted:1")
    challenges.start(NUMBER)

    send = SendLog.objects.get()
    assert (len(seen), send.status, send.message_id) == (3, "submitted", "accepted:1")
    assert (send.error_code, send.http_status) == ("", 202)


def test_a_clear_no_is_not_tried_again(script):
    """R-079, R-084."""
    seen = script(DeliveryFailed(error_code="RBC001", error_class="configuration", http_status=401))

    with pytest.raises(DeliveryFailed) as refusal:
        challenges.start(NUMBER)
    assert refusal.value.code == "delivery_failed"
    send = SendLog.objects.get()
    assert (len(seen), send.status, send.error_code, send.http_status) == (1, "failed", "RBC001", 401)


@pytest.mark.parametrize(
    "loss", [DeliveryUnknown(), RuntimeError("odd"), TimeoutError(), KeyError("id")], ids=repr
)
def test_a_send_whose_answer_was_lost_is_never_sent_again(configure, script, loss, caplog):
    """R-079: by no retry, no other route and no worker."""
    configure(RETRIES=5, **two_routes())
    seen = script(loss)
    challenges.start(NUMBER)
    delivery.deliver(SendLog.objects.get().pk)

    assert len(seen) == 1
    assert SendLog.objects.get().status == "unknown"


@pytest.mark.parametrize("first", ["no", "away"])
def test_the_next_route_is_tried_where_the_first_surely_did_not_accept(configure, script, first):
    configure(RETRIES=1, **two_routes())
    steps = [DeliveryFailed(error_code="E404")] if first == "no" else [away(), away()]
    seen = script(*steps, "accepted:1")
    challenges.start(NUMBER)

    send = SendLog.objects.get()
    assert [route.name for _, route in seen] == ["first"] * len(steps) + ["second"]
    assert (send.status, send.route, send.sender) == ("submitted", "second", "SECOND")
    assert send.error_code == ""


def test_the_money_of_a_send_is_charged_once_over_all_its_tries_and_routes(configure, script):
    """R-065, R-082."""
    configure(**only("global", "2/d"), **two_routes())
    script(away(), away(), "accepted:1")

    assert passed([NUMBER, OTHER, number(1)]) == [True, True, False]


def test_a_wait_that_the_provider_asks_for_is_kept(script, clock):
    """R-079."""
    script(away(3), "accepted:1")
    challenges.start(NUMBER)

    assert clock == [3]


def test_a_wait_beyond_the_time_that_is_left_is_not_begun(script, clock):
    """R-077: 15 seconds in all."""
    seen = script(away(16), "accepted:1")

    with pytest.raises(DeliveryUnavailable) as refusal:
        challenges.start(NUMBER)
    assert (len(seen), clock, refusal.value.retry_after) == (1, [], 16)


def test_all_tries_and_routes_share_fifteen_seconds(configure, script, clock):
    """R-077: and no try is given longer than what is left."""
    configure(RETRIES=5, TIMEOUT=(3.05, 10), **two_routes())
    given = []

    def slow(sms):
        given.append((time.monotonic(), Scripted.seen[-1][1].timeout))
        clock.append(1.5)
        return away(1)

    script(*[slow] * 20)
    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)

    assert 5 <= len(given) <= 7
    assert given[0][1] == (3.05, 10)
    assert all(begun - given[0][0] + connect + answer <= 15.01 for begun, (connect, answer) in given)
    assert all(connect <= answer for _, (connect, answer) in given)


def test_the_providers_words_are_kept_without_the_code(script, caplog):
    """R-004, R-097."""
    caplog.set_level(logging.DEBUG)
    steps = [
        lambda sms: DeliveryFailed(
            error_code=code_in_text(sms), error_message=f"No: {sms.body.reveal()}, {code_in_text(sms)}!"
        ),
        lambda sms: DeliveryUnknown(
            error_code=code_in_text(sms), error_message="?" * 190 + code_in_text(sms)
        ),
        lambda sms: RuntimeError(f"{sms.body.reveal()} {code_in_text(sms)}"),
    ]
    codes = []

    def code_in_text(sms):
        codes.append(code_in(type("Text", (), {"body": sms.body.reveal()})))
        return codes[-1]

    script(*steps)
    with pytest.raises(DeliveryFailed) as refusal:
        challenges.start(number(0))
    challenges.start(number(1))
    challenges.start(number(2))

    kept = [f"{send.error_code} {send.error_message}" for send in SendLog.objects.order_by("pk")]
    assert not any(code in told for code in codes for told in [*kept, caplog.text, str(refusal.value)])
    assert "No: Your Kirana code is" in kept[0]
    assert len(kept[1]) < 240
    assert "RuntimeError" in kept[2]


def test_long_words_of_a_provider_fit_their_columns(script):
    """R-083: also an id of a project's own backend."""
    script(
        DeliveryFailed(error_code="E" * 500, error_message="m" * 5000, error_class="c" * 100),
        DeliveryUnknown(error_code="E" * 500, error_message="\U0001f600" * 5000),
        "i" * 300,
    )
    with pytest.raises(DeliveryFailed):
        challenges.start(number(1))
    challenges.start(number(2))
    challenges.start(number(3))

    assert list(SendLog.objects.order_by("pk").values_list("status", flat=True)) == [
        "failed", "unknown", "submitted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["no_such.Backend", "tests.playing.Missing", "django_kaleyra_otp.backends.base.BaseBackend"]
)
def test_a_backend_that_cannot_be_made_sent_nothing(api, configure, path, caplog):
    """R-056: 503, and the row does not stay as if somebody were at it."""
    configure(BACKEND=path)

    answer = api.client.post("/otp/challenges/", {"phone_number": NUMBER}, "json")

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")
    assert SendLog.objects.get().status == "failed"


def test_after_ten_failures_to_connect_in_a_row_nothing_is_tried_for_a_while(db, configure):
    """R-081."""
    configure(**KALEYRA, **NO_LIMITS, RETRIES=0)
    with responses.RequestsMock() as kaleyra:
        kaleyra.post(SMS_URL, body=requests.exceptions.ConnectTimeout())
        for n in range(12):
            with pytest.raises(DeliveryUnavailable):
                challenges.start(number(n))

        assert len(kaleyra.calls) == 10


@pytest.mark.parametrize(
    ("status", "error"), [(400, DeliveryFailed), (401, DeliveryFailed), (429, DeliveryUnavailable)]
)
def test_refusals_never_stop_the_sending(db, configure, status, error):
    """R-081: a no to one caller is none to the others."""
    configure(**KALEYRA, **NO_LIMITS, RETRIES=0)
    with responses.RequestsMock() as kaleyra:
        kaleyra.post(SMS_URL, json={"code": "E1", "message": "no", "error": {}}, status=status)
        for n in range(12):
            with pytest.raises(error):
                challenges.start(number(n))

        assert len(kaleyra.calls) == 12


def test_a_failed_send_leaves_the_challenge_open(script):
    """S4: the code may come by a resend."""
    script(DeliveryFailed(), "accepted:1")
    with pytest.raises(DeliveryFailed):
        challenges.start(NUMBER)
    challenge = OTPChallenge.objects.get()
    assert challenge.status == "pending"
    challenges.resend(challenge.pk)
    code = code_in(type("Text", (), {"body": Scripted.seen[-1][0].body.reveal()}))

    assert not challenges.verify(challenge.pk, wrong(code)).ok
    assert challenges.verify(challenge.pk, code).ok
