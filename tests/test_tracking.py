"""What Kaleyra's words do to a row: only forward, whatever their order."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from django_kaleyra_otp import challenges, signals, tracking
from django_kaleyra_otp.kaleyra import callbacks
from django_kaleyra_otp.models import DeliveryStatus, SendLog, StatusUpdate
from tests.conftest import NUMBER
from tests.playing import NO_LIMITS, SCRIPTED, SECRET, Scripted, number

WORDS = {
    "SENT": "sent",
    "DELIVRD": "delivered",
    "UNDELIVERED": "undelivered",
    "FAILED": "failed",
    "EXPIRED": "expired",
}
TIMES = ("created_at", "claimed_at", "submitted_at", "delivered_at", "latency")
UUID = "0b0e1ae5-5b0c-4a6e-9a57-3d1a8c1b7f10"


def call(body, content_type="application/json"):
    body = json.dumps(body) if isinstance(body, dict | list) else body
    answer = Client().generic("POST", "/otp/webhook/", body, content_type, headers=SECRET)
    assert answer.status_code == 204
    return answer


@pytest.fixture
def send(challenge):
    SendLog.objects.update(message_id=f"{UUID}:1")
    return SendLog.objects.get()


def told(status, **more):
    return {"id": f"{UUID}:1", "status": status, "recipient": "919876543210", **more}


def outcome(send):
    """Return a row without its instants, and whether it says when it was delivered."""
    row = SendLog.objects.filter(pk=send.pk).values().get()
    return {name: value for name, value in row.items() if name not in TIMES} | {
        "told when delivered": row["delivered_at"] is not None
    }


def test_a_callback_moves_the_sms_and_tells_when(send):
    call(told("SENT"))
    send.refresh_from_db()
    assert (send.status, send.kaleyra_status, send.delivered_at) == ("sent", "SENT", None)

    call(told("DELIVRD", status_trace="DELIVRD", timestamp="2025-04-17 18:35:24"))

    send.refresh_from_db()
    assert (send.status, send.kaleyra_status, send.kaleyra_trace) == ("delivered", "DELIVRD", "DELIVRD")
    assert send.delivered_at <= timezone.now()
    update = StatusUpdate.objects.order_by("pk").last()
    assert (update.send_log, update.status, update.delivery_status) == (send, "DELIVRD", "delivered")
    assert (update.occurred, update.source, update.trace) == ("2025-04-17 18:35:24", "callback", "DELIVRD")


SHAPES = {
    "1": {
        "description": "Message has been sent",
        "id": f"{UUID}:1",
        "kid": str(uuid.uuid4()),
        "recipient": "+919876543210",
        "source": "KLRHXA",
        "status": "DELIVRD",
        "status_trace": "X",
        "timestamp": "2025-04-17 18:35:20",
    },
    "2": {
        "message_id": f"{UUID}:1",
        "status": "DELIVRD",
        "to": "919876543210",
        "sent_time": "2025-04-17 18:35:20",
        "delivered_time": "2025-04-17 18:35:24",
    },
    "3": {
        "id": f"{UUID}:1",
        "status": "DELIVRD",
        "status_trace": "DELIVRD",
        "recipient": "919876543210",
        "timestamp": "2025-04-17 18:35:24",
    },
    "kid alone": {"kid": f"{UUID}:1", "status": "DELIVRD"},
    "mobile": {"id": f"{UUID}:1", "status": "DELIVRD", "mobile": "919876543210"},
    "capitals": {"ID": f"{UUID}:1", "Status": "DELIVRD", "Recipient": "919876543210"},
    "in a list": [{"id": f"{UUID}:1", "status": "DELIVRD"}],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_seen_is_understood_as_json(send, shape):
    call(SHAPES[shape])
    assert outcome(send)["status"] == "delivered"


@pytest.mark.parametrize("shape", [name for name, body in SHAPES.items() if isinstance(body, dict)])
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "application/json", "text/plain"]
)
def test_every_shape_seen_is_understood_as_a_form_too(send, shape, content_type):
    """Its header is the profile's owner's to get wrong."""
    call(urlencode(SHAPES[shape]), content_type)

    assert outcome(send)["status"] == "delivered"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("DELIVERED", "delivered"), ("Delivered", "delivered"), ("delivered", "delivered"),
        (" DELIVRD ", "delivered"),
        ("UnDelivered", "undelivered"), ("UNDELIV", "undelivered"), ("Failed", "failed"),
        ("EXPIRED", "expired"),
        ("NOT-SENT", "rejected"), ("Not Sent", "rejected"), ("NotSent", "rejected"),
        ("REJECTED", "rejected"),
        ("SENT - NO DLR", "sent"), ("SENT - No DLR", "sent"), ("ENROUTE", "submitted"),
        ("SUBMITTED", "submitted"),
    ],
)  # fmt: skip
def test_each_spelling_of_a_status_is_read(send, word, status):
    call(told(word))
    assert outcome(send)["status"] == status


@pytest.mark.parametrize(
    "word", ["WHATEVER", "", "<status>", "{status}", "<script>x</script>", "x" * 10_000, "😀", None]
)
def test_a_status_that_is_not_known_is_kept_and_moves_nothing(send, word):
    """R-098."""
    before = outcome(send)
    call(told(word))

    assert outcome(send) == before
    update = StatusUpdate.objects.get()
    assert (update.send_log, update.delivery_status) == (send, "")
    assert len(update.status) <= 64


@pytest.mark.parametrize("name", [f"{UUID}:1", UUID, f"{UUID}:0"])
@pytest.mark.parametrize("ours", [f"{UUID}:1", UUID])
def test_a_message_is_known_with_and_without_its_suffix(send, name, ours):
    SendLog.objects.update(message_id=ours)
    call({"id": name, "status": "DELIVRD"})

    assert outcome(send)["status"] == "delivered"


def test_another_recipients_suffix_is_another_message(send):
    call({"id": f"{UUID}:2", "status": "DELIVRD"})

    assert outcome(send)["status"] == "submitted"


@pytest.mark.parametrize("recipient", ["919876501234", "+919876501234", "1", "9876543210"])
def test_a_callback_that_names_another_number_is_kept_and_ignored(send, recipient):
    """R-096."""
    before = outcome(send)
    call(told("DELIVRD", recipient=recipient))

    assert outcome(send) == before
    assert StatusUpdate.objects.get().send_log is None


@pytest.mark.parametrize(
    "recipient",
    ["919876543210", "+919876543210", "+91 98765-43210", 919876543210, "", None, "<recipient>", "{to}"],
)
def test_a_number_that_fits_or_is_not_told_is_no_obstacle(send, recipient):
    """R-096."""
    call(told("DELIVRD", recipient=recipient))
    assert outcome(send)["status"] == "delivered"


def test_the_text_of_the_sms_is_never_kept(send, code):
    """R-097, R-004."""
    text = f"Your Kirana code is {code}."
    names = ("message", "body", "text", "description", "status_trace", "operator", "circle", "error", "x")
    call(told("DELIVRD", error_code=code, **dict.fromkeys(names, text)))
    call(told(text))
    call(told("SENT", status_details=code))

    rows = [*StatusUpdate.objects.values(), *SendLog.objects.values()]
    assert len(rows) == 4
    assert not any(code in str(value) for row in rows for value in row.values())


@pytest.mark.parametrize("name", ["message", "body", "text", "sms", "custom_response"])
def test_what_no_field_of_ours_names_is_not_kept(send, name):
    """R-097: not even masked."""
    call(told("SENT", **{name: "a canary in the text"}))

    assert "canary" not in str([*StatusUpdate.objects.values(), *SendLog.objects.values()])


def test_a_repeat_is_stored_once_and_announced_once(send, heard):
    """R-091, W8."""
    for _ in range(10):
        call(told("DELIVRD"))

    assert StatusUpdate.objects.count() == 1
    assert heard == [("submitted", "delivered")]


def test_a_repeat_is_applied_again(send):
    """A row that lost its move, say to a restored backup, gets it by the next call."""
    call(told("DELIVRD"))
    SendLog.objects.update(status="submitted", rank=DeliveryStatus.SUBMITTED.rank)
    call(told("DELIVRD"))

    assert outcome(send)["status"] == "delivered"
    assert StatusUpdate.objects.count() == 1


@pytest.fixture
def heard():
    """The moves that were announced, oldest first."""
    moves = []

    def listen(send, previous, **kwargs):
        moves.append((previous, send.status))

    signals.delivery_updated.connect(listen)
    yield moves
    signals.delivery_updated.disconnect(listen)


def reset(send):
    StatusUpdate.objects.all().delete()
    SendLog.objects.filter(pk=send.pk).update(
        status="submitted",
        rank=DeliveryStatus.SUBMITTED.rank,
        kaleyra_status="",
        kaleyra_trace="",
        delivered_at=None,
    )


def test_every_order_of_all_statuses_ends_in_the_same_row(send, heard):
    """R-091, W6, W7: each with repeats; one announcement for each true move."""
    ends = set()
    for order in itertools.permutations(WORDS):
        reset(send)
        heard.clear()
        for word in (*order, order[0], order[2]):
            body = json.dumps(told(word, status_trace=word)).encode()
            tracking.record_status(callbacks.parse(body))
        ends.add(json.dumps(outcome(send), default=str, sort_keys=True))
        ranks = [DeliveryStatus(after).rank for _, after in heard]
        assert ranks == sorted(set(ranks))
        assert heard[-1][1] == "delivered"

    assert len(ends) == 1
    assert json.loads(ends.pop())["status"] == "delivered"


@pytest.mark.parametrize("size", range(1, 6))
def test_the_end_depends_on_the_set_alone(send, size):
    """R-091: of every subset the highest rank."""
    for some in itertools.combinations(WORDS, size):
        highest = max((DeliveryStatus(WORDS[word]) for word in some), key=lambda status: status.rank)
        for order in (some, some[::-1]):
            reset(send)
            for word in order:
                call(told(word))
            assert outcome(send)["status"] == highest


def test_of_two_reasons_for_one_status_the_same_one_stays_in_either_order(send):
    """R-091: the row, and not its status alone, depends on the set of updates."""
    ends = set()
    for order in itertools.permutations(["ABSENT-SUB", "HANDSET-ERR", "NET-ERR"]):
        reset(send)
        for trace in (*order, order[0]):
            call(told("UNDELIVERED", status_trace=trace))
        ends.add(json.dumps(outcome(send), default=str, sort_keys=True))

    assert len(ends) == 1
    assert json.loads(ends.pop())["kaleyra_trace"] == "NET-ERR"


def test_words_that_differ_in_case_alone_end_in_the_same_row_in_either_order(send):
    """R-091: a callback and a pull do spell so, and MariaDB takes both for one word."""
    ends = set()
    for order in itertools.permutations(["DELIVERED", "Delivered", "delivered"]):
        reset(send)
        for word in order:
            call(told(word, status_trace=word))
        ends.add(json.dumps(outcome(send), default=str, sort_keys=True))

    assert len(ends) == 1


def test_callbacks_in_parallel_end_in_the_same_row(configure, together):
    """R-091, R-102: five SMS, every status three times over, from fifty threads."""
    configure(**NO_LIMITS)
    sends = [challenges.start(number(n)).newest_send for n in range(5)]
    bodies = [
        {"id": send.message_id, "status": word, "recipient": send.phone_number}
        for send in sends
        for word in WORDS
        for _ in range(3)
    ]
    random.Random(7).shuffle(bodies)
    together(len(bodies), lambda n: call(bodies[n]))

    assert set(SendLog.objects.values_list("status", "kaleyra_status")) == {("delivered", "DELIVRD")}
    assert StatusUpdate.objects.count() == 25
    assert not StatusUpdate.objects.waiting().exists()


def test_a_callback_that_comes_before_the_answer_is_kept_and_applied(db, configure, heard):
    """R-092, V28, W9."""
    configure(**SCRIPTED)

    def hasty(sms):
        call(told("DELIVRD"))
        call({"id": UUID, "status": "SENT"})
        call({"id": f"{UUID}:0", "status": "FAILED", "to": "919876501234"})
        return f"{UUID}:1"

    Scripted.script = [hasty]
    challenge = challenges.start(NUMBER)

    send = SendLog.objects.get()
    assert (send.status, challenge.newest_send.status) == ("delivered", "delivered")
    assert send.submitted_at is not None
    assert StatusUpdate.objects.filter(send_log=send).count() == 2
    assert StatusUpdate.objects.waiting().get().phone_number == "919876501234"
    assert heard[-1][1] == "delivered"


def test_an_unknown_id_is_kept_and_harms_nothing(send):
    """R-093, W10."""
    before = outcome(send)
    call({"id": str(uuid.uuid4()), "status": "DELIVRD"})
    call({"status": "DELIVRD"})
    call({})

    assert StatusUpdate.objects.waiting().count() == 3
    assert outcome(send) == before


def test_updates_that_nobody_waits_for_are_bounded(send):
    """R-093: the oldest go, those of known sends stay."""
    call(told("SENT"))
    StatusUpdate.objects.bulk_create(
        StatusUpdate(message_id=f"m{n}", status="SENT", fingerprint=f"f{n}") for n in range(10_003)
    )
    call({"id": "the newest", "status": "DELIVRD"})

    waiting = StatusUpdate.objects.waiting()
    assert waiting.count() == 10_000
    assert waiting.filter(message_id="the newest").exists()
    assert not waiting.filter(message_id__in=["m0", "m3"]).exists()
    assert waiting.filter(message_id="m4").exists()
    assert StatusUpdate.objects.filter(send_log=send).count() == 1


def test_a_receiver_that_raises_loses_and_repeats_nothing(send, heard, caplog):
    """R-101."""

    def raising(**kwargs):
        raise RuntimeError("a receiver fails")

    signals.delivery_updated.connect(raising)
    try:
        call(told("DELIVRD"))
        call(told("DELIVRD"))
    finally:
        signals.delivery_updated.disconnect(raising)

    assert outcome(send)["status"] == "delivered"
    assert heard == [("submitted", "delivered")]
    assert caplog.text.count("RuntimeError: a receiver fails") == 1


def test_two_sms_of_one_challenge_are_told_apart(configure, challenge, send):
    configure(**NO_LIMITS)
    second = challenges.resend(challenge.pk).newest_send
    call({"id": second.message_id, "status": "DELIVRD"})

    assert outcome(send)["status"] == "submitted"
    assert outcome(second)["status"] == "delivered"
