"""Callbacks that are early, doubled, out of order, forged or endless."""

import base64
import json

import pytest

from django_kaleyra_otp.simulator import CALLBACK_SECRET, DEFAULT_PROFILE_ID, SHAPE_2_PROFILE_ID
from tests.e2e.simulator.sink import NUMBER, send, sent


@pytest.fixture
def told(kaleyra, sink):
    """``told("duplicate")``: a message with that fate, and the JSON of each call."""

    def tell(word, profile_id=DEFAULT_PROFILE_ID):
        kaleyra.set_fate(NUMBER, word)
        message = sent(kaleyra, callback_profile_id=profile_id)
        return message, [json.loads(call.body) for call in sink.seen]

    return tell


@pytest.mark.parametrize(
    ("word", "statuses"),
    [
        ("no-callback", []),
        ("before-answer", ["SENT", "DELIVRD"]),
        ("duplicate", ["SENT", "SENT", "DELIVRD", "DELIVRD"]),
        ("out-of-order", ["DELIVRD", "SENT"]),
        ("two-finals", ["SENT", "DELIVRD", "UNDELIVERED"]),
        ("other-spelling", ["Sent", "delivered"]),
    ],
)
def test_statuses_come_as_the_word_says(told, word, statuses):
    message, calls = told(word)

    assert [call["status"] for call in calls] == statuses
    assert message.status == "DELIVRD"


def test_a_callback_can_come_before_the_answer(kaleyra, sink):
    """R-092."""
    kaleyra.knobs(time_scale=100)
    kaleyra.set_fate(NUMBER, "before-answer")

    send(kaleyra)

    assert [json.loads(call.body)["status"] for call in sink.seen] == ["SENT", "DELIVRD"]


@pytest.mark.parametrize(
    ("word", "shape_1", "shape_2"),
    [("bare-uuid", "", ""), ("suffix-0", ":0", ":0"), ("suffix-1", ":1", ":1"), ("post", "", ":1")],
)
def test_the_id_comes_as_the_word_says(told, sink, word, shape_1, shape_2):
    message, calls = told(word)
    assert calls[0]["id"] == message.id + shape_1
    sink.seen.clear()
    message, calls = told(word, SHAPE_2_PROFILE_ID)
    assert calls[0]["message_id"] == message.id + shape_2


def test_a_wrong_number_and_variables_without_a_value(told, sink):
    assert told("wrong-number")[1][0]["recipient"] == "+919999900002"
    assert told("placeholder")[1][2]["status_trace"] == "<status_trace>"
    assert told("placeholder-braces")[1][4]["timestamp"] == "{timestamp}"


@pytest.mark.parametrize(
    ("word", "header", "value"),
    [
        ("no-auth", "X-Kaleyra-Otp-Secret", None),
        ("wrong-auth", "X-Kaleyra-Otp-Secret", "x" * len(CALLBACK_SECRET)),
        (
            "basic-auth",
            "Authorization",
            "Basic " + base64.b64encode(f"kaleyra:{CALLBACK_SECRET}".encode()).decode(),
        ),
        (
            "wrong-basic",
            "Authorization",
            "Basic " + base64.b64encode(b"kaleyra:" + b"x" * len(CALLBACK_SECRET)).decode(),
        ),
    ],
)
def test_credentials_come_as_the_word_says(told, sink, word, header, value):
    told(word)

    assert sink.seen[0].headers.get(header) == value
    assert "X-Kaleyra-Otp-Secret" not in sink.seen[0].headers or word == "wrong-auth"


def test_a_bearer_token_is_fetched_first(kaleyra, sink):
    kaleyra.set_fate(NUMBER, "bearer", "never-final")
    sent(kaleyra)
    kaleyra.set_fate(NUMBER, f"bearer={sink.url}other/token/", "never-final")
    sent(kaleyra)

    asked, told, other, _ = sink.seen
    assert asked.path == "/webhook/token/"
    assert asked.body == b"grant_type=client_credentials&client_id=simulator&client_secret=simulator"
    assert told.headers["Authorization"] == "Bearer t0ken"
    assert other.path == "/webhook/other/token/"


@pytest.mark.parametrize(("word", "method"), [("get", "GET"), ("post", "POST"), ("put", "PUT")])
def test_the_method_is_the_words(kaleyra, sink, word, method):
    kaleyra.set_fate(NUMBER, word)
    message = sent(kaleyra)

    assert sink.seen[0].method == method
    assert (sink.seen[0].body == b"") == (word == "get")
    assert (f"id={message.id}:1&status=SENT&" in sink.seen[0].path) == (word == "get")


def test_a_body_can_be_chunked_slow_big_or_garbage(kaleyra, sink):
    kaleyra.set_fate(NUMBER, "chunked-body", "never-final")
    sent(kaleyra)
    kaleyra.set_fate(NUMBER, "slow-body=0.3", "never-final")
    slow = sent(kaleyra)
    kaleyra.set_fate(NUMBER, "big-body", "never-final")
    sent(kaleyra)
    kaleyra.set_fate(NUMBER, "garbage-body", "never-final")
    sent(kaleyra)

    chunked, dripped, big, garbage = sink.seen
    assert chunked.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in chunked.headers
    assert json.loads(chunked.body)["status"] == json.loads(dripped.body)["status"] == "SENT"
    assert 0.25 < slow.callbacks[0].seconds < 3
    assert len(big.body) > 128 * 1024
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(garbage.body)


def test_an_endless_body_ends_when_the_receiver_hangs_up(kaleyra, sink):
    kaleyra.knobs(retries=0)
    kaleyra.set_fate(NUMBER, "endless-body", "never-final")

    (callback,) = sent(kaleyra).callbacks

    assert (callback.http_status, callback.error) == (None, "ConnectionError")
    assert sink.seen == []
