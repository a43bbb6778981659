"""What is announced, when, and that no code is among it."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.test import Client

from django_kaleyra_otp import challenges, delivery, signals
from django_kaleyra_otp.exceptions import DeliveryFailed, KaleyraOTPError
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import NO_LIMITS, SECRET, Scripted, later

NAMES = (
    "challenge_started",
    "challenge_verified",
    "challenge_failed",
    "sms_submitted",
    "delivery_updated",
    "guard_tripped",
)


@pytest.fixture
def heard():
    """Every announcement, oldest first: its name and its arguments."""
    heard, receivers = [], []
    for name in NAMES:

        def listen(name=name, **arguments):
            del arguments["signal"]
            heard.append((name, arguments))

        getattr(signals, name).connect(listen)
        receivers.append((getattr(signals, name), listen))
    yield heard
    for signal, listen in receivers:
        signal.disconnect(listen)


def names(heard):
    return [name for name, _ in heard]


def test_a_start_is_announced_and_then_its_sms(db, heard):
    challenge = challenges.start(NUMBER)

    assert names(heard) == ["challenge_started", "sms_submitted"]
    (_, started), (_, submitted) = heard
    assert started == {"sender": OTPChallenge, "challenge": challenge}
    assert submitted == {"sender": SendLog, "send": SendLog.objects.get()}
    assert submitted["send"].message_id


def test_a_resend_announces_its_sms_alone(challenge, heard):
    later(31)
    challenges.resend(challenge.pk)

    assert names(heard) == ["sms_submitted"]


def test_each_guess_is_announced_with_what_is_left(challenge, wrong_code, heard):
    for _ in range(5):
        challenges.verify(challenge.pk, wrong_code)

    assert names(heard) == ["challenge_failed"] * 5
    assert [arguments["attempts_left"] for _, arguments in heard] == [4, 3, 2, 1, 0]
    assert {arguments["challenge"].pk for _, arguments in heard} == {challenge.pk}
    assert heard[-1][1]["challenge"].status == "max_attempts_reached"


def test_a_success_is_announced_once(challenge, code, heard):
    """R-012."""
    for _ in range(3):
        challenges.verify(challenge.pk, code)

    assert names(heard) == ["challenge_verified"]
    assert heard[0][1] == {"sender": OTPChallenge, "challenge": challenge}


def test_of_many_right_codes_at_once_one_is_announced(transactional_db, heard, together, outbox):
    """R-012."""
    challenge = challenges.start(NUMBER)
    code = code_in(outbox[0])
    together(12, lambda _: challenges.verify(challenge.pk, code).ok)

    assert names(heard).count("challenge_verified") == 1
    assert "challenge_failed" not in names(heard)


def test_what_decides_nothing_is_not_announced(challenge, code, heard, configure):
    """No code at all, a challenge that is over or not found, a refused start, a cancel, a look."""
    for guess in ("", "12345", "abcdef"):
        challenges.verify(challenge.pk, guess)
    challenges.verify(challenge.pk, code, purpose="login")
    challenges.look(challenge.pk)
    challenges.cancel(challenge.pk)
    challenges.verify(challenge.pk, code)
    for refused in (NUMBER, "+33612345678", "x"):
        with pytest.raises(KaleyraOTPError):
            challenges.start(refused)

    assert heard == []


def test_a_repeat_of_an_idempotent_start_is_not_announced(db, heard):
    for _ in range(3):
        challenges.start(NUMBER, idempotency_key="0123456789abcdef")

    assert names(heard) == ["challenge_started", "sms_submitted"]


@pytest.mark.parametrize("backend", ["Refusing", "Losing"])
def test_an_sms_that_was_not_surely_accepted_is_not_announced(db, configure, heard, backend):
    configure(BACKEND=f"tests.playing.{backend}")
    try:
        challenges.start(NUMBER)
    except DeliveryFailed:
        assert backend == "Refusing"

    assert names(heard) == ["challenge_started"]


def test_a_queued_sms_is_announced_when_it_left(db, configure, heard):
    configure(DISPATCH="tests.test_delivery.hold")
    challenges.start(NUMBER)
    assert names(heard) == ["challenge_started"]

    delivery.deliver(SendLog.objects.get().pk)

    assert names(heard) == ["challenge_started", "sms_submitted"]


def test_a_code_of_another_library_announces_its_sms(db, heard):
    send = delivery.send_code(NUMBER, "482913")

    assert heard == [("sms_submitted", {"sender": SendLog, "send": send})]


def test_a_move_of_a_delivery_is_announced_with_where_it_stood(challenge, heard):
    """R-091: and a repeat, or a word that comes too late, is not."""
    send = SendLog.objects.get()
    for status in ("SENT", "SENT", "DELIVRD", "DELIVRD", "FAILED", "SENT", "whatever"):
        Client().post(
            "/otp/webhook/", {"id": send.message_id, "status": status}, "application/json", headers=SECRET
        )

    assert names(heard) == ["delivery_updated"] * 2
    assert [(arguments["previous"], arguments["send"].pk) for _, arguments in heard] == [
        ("submitted", send.pk),
        ("sent", send.pk),
    ]
    assert heard[1][1]["send"].status == "delivered"
    assert heard[1][1]["send"].delivered_at is not None


def test_moves_that_waited_for_the_answer_are_announced_one_by_one(db, configure):
    """R-091: each with the send as it then stood, so that who counts arrivals counts one."""
    stood = []

    def listen(send, previous, **kwargs):
        stood.append((previous, send.status))

    def told_before_the_answer(sms):
        for status in ("SENT", "DELIVRD"):
            Client().post(
                "/otp/webhook/", {"id": "early:1", "status": status}, "application/json", headers=SECRET
            )
        return "early:1"

    configure(BACKEND="tests.playing.Scripted")
    Scripted.script[:] = [told_before_the_answer]
    signals.delivery_updated.connect(listen)
    try:
        challenges.start(NUMBER)
    finally:
        signals.delivery_updated.disconnect(listen)

    assert stood == [("submitted", "sent"), ("sent", "delivered")]


def test_when_a_signal_is_heard_its_rows_are_committed(transactional_db, together, outbox):
    """After commit: looked for from another connection."""
    seen = []

    def look(challenge, **kwargs):
        pk = challenge.pk
        seen.extend(together(1, lambda _: OTPChallenge.objects.filter(pk=pk).values_list("status").get()))

    signals.challenge_started.connect(look)
    signals.challenge_verified.connect(look)
    try:
        challenge = challenges.start(NUMBER)
        challenges.verify(challenge.pk, code_in(outbox[0]))
    finally:
        signals.challenge_started.disconnect(look)
        signals.challenge_verified.disconnect(look)

    assert seen == [("pending",), ("verified",)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_inside_a_transaction_signals_wait_for_its_commit(transactional_db, heard, outbox):
    first = challenges.start(NUMBER)
    code = code_in(outbox[0])
    heard.clear()
    with transaction.atomic():
        challenges.start(OTHER)
        challenges.verify(first.pk, wrong(code))
        challenges.verify(first.pk, code)
        assert heard == []

    assert names(heard) == ["challenge_started", "sms_submitted", "challenge_failed", "challenge_verified"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_of_a_transaction_that_is_rolled_back_nothing_is_announced(transactional_db, heard, outbox):
    first = challenges.start(NUMBER)
    heard.clear()
    with transaction.atomic():
        challenges.verify(first.pk, code_in(outbox[0]))
        transaction.set_rollback(True)

    assert heard == []


def test_no_signal_carries_a_code(db, configure, heard, outbox):
    """R-115, V12."""
    configure(**NO_LIMITS)
    codes = []
    for purpose in ("verify", "login"):
        challenge = challenges.start(NUMBER, purpose=purpose, bind={"a": 1})
        codes.append(code_in(outbox[-1]))
        challenges.resend(challenge.pk)
        challenges.verify(challenge.pk, wrong(codes[-1]), bind={"a": 1})
        result = challenges.verify(challenge.pk, codes[-1], bind={"a": 1})
        codes.append(result.token)
    delivery.send_code(NUMBER, "482913")
    assert len(heard) == 2 * 5 + 1

    told = []
    for _, arguments in heard:
        for value in arguments.values():
            told.append(repr(value))
            told += [f"{name}={shown!r}" for name, shown in getattr(value, "__dict__", {}).items()]
    told = "\n".join(told)
    assert not any(code in told for code in [*codes, "482913"])


@pytest.mark.parametrize("name", NAMES[:4])
def test_a_receiver_that_raises_stops_nobody(db, heard, outbox, caplog, name):
    """R-101."""

    def raising(**kwargs):
        raise RuntimeError("a receiver fails")

    signal = getattr(signals, name)
    signal.connect(raising)
    try:
        challenge = challenges.start(NUMBER)
        assert not challenges.verify(challenge.pk, wrong(code_in(outbox[0]))).ok
        assert challenges.verify(challenge.pk, code_in(outbox[0])).ok
    finally:
        signal.disconnect(raising)

    assert sorted(names(heard)) == sorted(NAMES[:4])
    assert caplog.text.count("RuntimeError: a receiver fails") == 1
