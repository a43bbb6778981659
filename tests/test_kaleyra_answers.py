"""What the client makes of Kaleyra's answers: a yes, a no, or neither."""

import email.utils
import json
import logging
import re
import time

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from django_kaleyra_otp.kaleyra import client
from django_kaleyra_otp.kaleyra.errors import ErrorClass
from tests.kaleyra import ACCEPTED, KEY, TEXT, URL, UUID, account, send


@pytest.fixture
def kaleyra():
    return account()


@pytest.fixture
def wire():
    with responses.RequestsMock() as mock:
        yield mock


def outcome(kaleyra, wire, **answer):
    """What sending raises when Kaleyra answers so."""
    wire.post(f"{URL}/sms", **answer)
    with pytest.raises(client.KaleyraError) as caught:
        send(kaleyra)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_with_an_id_and_no_error_is_accepted(kaleyra, wire, status):
    wire.post(f"{URL}/sms", json=ACCEPTED, status=status)

    assert send(kaleyra).http_status == status


@pytest.mark.parametrize("error", [{}, [], "", None, False])
def test_an_error_may_be_empty_in_any_type(kaleyra, wire, error):
    wire.post(f"{URL}/sms", json=ACCEPTED | {"error": error}, status=202)

    assert send(kaleyra).message_id == f"{UUID}:1"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        [None],
        ["x"],
        [{}],
        [{"message_id": None}],
        [{"message_id": "a b"}],
        [{"message_id": "é"}],
    ],
)
def test_without_a_message_id_the_request_id_serves(kaleyra, wire, data):
    wire.post(f"{URL}/sms", json=ACCEPTED | {"data": data}, status=202)

    assert send(kaleyra).message_id == UUID


@pytest.mark.parametrize("told", [None, "", 0.5, [], {"a": 1}, "x" * 101, "a\nb", True])
def test_a_2xx_without_a_usable_id_is_lost(kaleyra, wire, told):
    """R-083."""
    loss = outcome(kaleyra, wire, json={"id": told, "data": [], "error": {}}, status=202)

    assert type(loss) is client.AnswerLost
    assert (loss.http_status, loss.message_id) == (202, "")


@pytest.mark.parametrize(
    "body",
    ["", "null", "17", '"ok"', "[]", "<html>ok</html>", '{"id": "a"', "{" * 70, "[" * 60_000, "\ufffd"],
)
def test_a_2xx_that_is_no_json_object_is_lost(kaleyra, wire, body):
    """R-083."""
    loss = outcome(kaleyra, wire, body=body, status=200)

    assert type(loss) is client.AnswerLost
    assert loss.http_status == 200


def test_a_2xx_with_an_error_and_no_id_is_refused(kaleyra, wire):
    answer = {"code": "X601", "message": "Bad number.", "error": {"to": "Bad number."}}

    refusal = outcome(kaleyra, wire, json=answer, status=202)

    assert type(refusal) is client.Refused
    assert (refusal.code, refusal.message, refusal.http_status) == ("X601", "Bad number.", 202)
    assert refusal.error_class is ErrorClass.RECIPIENT


def test_a_2xx_whose_code_is_a_known_error_is_refused_though_its_error_is_empty(kaleyra, wire):
    refusal = outcome(kaleyra, wire, json={"code": "E110", "message": "Insufficient Balance.", "error": {}})

    assert type(refusal) is client.Refused
    assert refusal.error_class is ErrorClass.BALANCE


def test_a_2xx_with_an_id_and_an_error_is_lost_and_its_id_kept(kaleyra, wire):
    """R-079."""
    loss = outcome(kaleyra, wire, json=ACCEPTED | {"error": {"x": "odd"}}, status=202)

    assert type(loss) is client.AnswerLost
    assert loss.message_id == f"{UUID}:1"
    assert loss.message == "x: odd"


@pytest.mark.parametrize(
    ("status", "answer", "code", "message", "error_class"),
    [
        (
            400,
            {"code": "E404", "message": "One number only.", "error": {"time": "One number only."}},
            "E404",
            "One number only.",
            "caller",
        ),
        (
            400,
            {"code": "X604", "message": "Invalid.", "error": {"template_id": "12 digits"}},
            "X604",
            "Invalid.; template_id: 12 digits",
            "dlt",
        ),
        (
            401,
            {"code": "RBC001", "message": "Incorrect SID or API Key.", "error": {"error": "Incorrect"}},
            "RBC001",
            "Incorrect SID or API Key.; error: Incorrect",
            "configuration",
        ),
        (404, {"code": "X1", "error": [{"to": "bad"}], "status": 404}, "X1", "to: bad", "recipient"),
        (
            422,
            {"error": {"code": "E910", "type": "validation_error", "parameter": "", "message": "Done."}},
            "E910",
            "Done.",
            "caller",
        ),
        (400, {"error": "plain"}, "", "plain", "configuration"),
        (400, {"code": 17, "message": ["x"], "error": None}, "17", "", "configuration"),
        (402, {}, "", "", "balance"),
        (
            403,
            {"code": "X403", "message": "IP not allowed.", "error": {}},
            "X403",
            "IP not allowed.",
            "configuration",
        ),
    ],
)
def test_a_4xx_is_refused_in_each_shape_of_error(kaleyra, wire, status, answer, code, message, error_class):
    """R-083, R-084."""
    refusal = outcome(kaleyra, wire, json=answer, status=status)

    assert type(refusal) is client.Refused
    assert (refusal.code, refusal.message, refusal.http_status) == (code, message, status)
    assert refusal.error_class == error_class


@pytest.mark.parametrize("body", ["", "<html>Not found</html>", "x" * 70_000, "[1, 2]"])
def test_a_4xx_is_refused_whatever_its_body_is(kaleyra, wire, body):
    refusal = outcome(kaleyra, wire, body=body, status=404)

    assert type(refusal) is client.Refused
    assert "html" not in str(refusal)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_not_followed(kaleyra, wire, status):
    """R-075."""
    refusal = outcome(kaleyra, wire, status=status, headers={"Location": "https://evil.example/"})

    assert type(refusal) is client.Refused
    assert refusal.error_class is ErrorClass.CONFIGURATION
    assert len(wire.calls) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", ["", "<html>", '{"code": "E1", "message": "no", "error": {}}'])
def test_a_5xx_is_never_clear_and_never_tried_again(kaleyra, wire, status, body):
    """R-079."""
    loss = outcome(kaleyra, wire, body=body, status=status)

    assert type(loss) is client.AnswerLost
    assert loss.http_status == status
    assert loss.error_class is ErrorClass.VENDOR
    assert len(wire.calls) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("86400", 3600),
        ("9" * 5000, None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)
def test_a_429_says_how_long_to_wait_within_bounds(kaleyra, wire, header, seconds):
    refusal = outcome(kaleyra, wire, status=429, headers={"Retry-After": header})

    assert type(refusal) is client.RateLimited
    assert refusal.retry_after == seconds
    assert refusal.error_class is ErrorClass.VENDOR


def test_a_429_may_name_the_moment_to_come_back(kaleyra, wire):
    moment = email.utils.formatdate(time.time() + 90, usegmt=True)

    refusal = outcome(kaleyra, wire, status=429, headers={"Retry-After": moment})

    assert 85 <= refusal.retry_after <= 90


def test_a_429_without_the_header_does_not_say(kaleyra, wire):
    assert outcome(kaleyra, wire, status=429).retry_after is None


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (requests.ConnectTimeout("x"), client.NotConnected),
        (requests.ReadTimeout("x"), client.AnswerLost),
        (requests.ConnectionError("x"), client.AnswerLost),
        (requests.exceptions.ChunkedEncodingError("x"), client.AnswerLost),
        (requests.exceptions.SSLError("x"), client.AnswerLost),
        (OSError("x"), client.AnswerLost),
        (RuntimeError("x"), client.AnswerLost),
        (MemoryError("x"), client.AnswerLost),
    ],
)
def test_only_a_proven_failure_to_connect_is_not_connected(kaleyra, wire, raised, expected):
    """R-079."""
    failure = outcome(kaleyra, wire, body=raised)

    assert type(failure) is expected
    assert failure.http_status is None
    assert failure.error_class is ErrorClass.NETWORK


def test_an_unexpected_failure_is_logged_by_its_name_alone(kaleyra, wire, caplog):
    caplog.set_level(logging.DEBUG)

    outcome(kaleyra, wire, body=RuntimeError(f"{KEY} {TEXT} +919876543210"))

    records = [record for record in caplog.records if record.name.startswith("django_kaleyra_otp")]
    assert [record.getMessage() for record in records] == ["A call to Kaleyra broke: RuntimeError."]
    assert records[0].exc_info is None


def test_messages_are_one_short_line_with_digits_hidden(kaleyra, wire):
    """R-107."""
    said = "No\r\n\x1b[31m way\u2028 +919876543210, PIN 1234 but 123 " + "x" * 500

    refusal = outcome(kaleyra, wire, json={"message": said, "code": "A\n123456"}, status=400)

    assert refusal.message.startswith("No [31m way +••••, PIN •••• but 123 x")
    assert len(refusal.message) == 200
    assert refusal.code == "A ••••"
    assert str(refusal).startswith("HTTP 400 A ••••: No [31m way")
    assert str(refusal).isprintable()


@pytest.mark.parametrize(
    "echo", [TEXT, TEXT.replace(" ", "\n  "), TEXT[:20], TEXT[5:], f"({KEY})", KEY[3:], f"a{KEY}b{TEXT}c"]
)
@pytest.mark.parametrize("place", ["message", "code", "error", "parameter", "nested"])
@pytest.mark.parametrize("status", [202, 400, 500])
def test_an_answer_that_echoes_text_or_key_tells_neither(kaleyra, wire, echo, place, status):
    """R-104."""
    answer = {"message": "m", "code": "c", "error": {"to": "e"}}
    answer |= {
        "message": {"message": echo},
        "code": {"code": echo},
        "error": {"error": echo},
        "parameter": {"error": {echo: "bad", "parameter": echo}},
        "nested": {"error": [{"a": {"b": [echo]}}]},
    }[place]

    failure = outcome(kaleyra, wire, json=answer, status=status)

    shown = f"{failure!s} {failure!r} {failure.args} {vars(failure)}"
    for secret in (KEY, TEXT):
        assert not any(secret[at : at + 8] in shown for at in range(len(secret) - 7))
    assert "482913" not in shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEYS = st.sampled_from(["id", "data", "error", "code", "message", "message_id", "status", "campaign_id"])
LIKELY = st.dictionaries(KEYS, JSON | st.lists(st.dictionaries(KEYS, JSON)))
ANYWHERE = re.compile(".*")
STATUS = st.sampled_from([200, 202, 204, 302, 400, 401, 404, 429, 500, 503])
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Content-Encoding"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126)),
)


def failure_of(call):
    try:
        call()
    except client.KaleyraError as failure:
        return failure
    return None


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=500) | (LIKELY | JSON).map(lambda document: json.dumps(document).encode()),
    STATUS,
    HEADERS,
)
def test_no_answer_raises_anything_but_what_is_documented(body, status, headers):
    """R-083."""
    kaleyra = account()
    calls = [
        lambda: send(kaleyra),
        lambda: kaleyra.statuses(["a"]),
        kaleyra.identifiers,
        lambda: kaleyra.callback_profile("IN_x"),
        kaleyra.callback_profiles,
    ]
    allowed = {2: {None, client.Refused, client.AnswerLost}, 5: {client.AnswerLost}}
    expected = allowed.get(status // 100, {client.RateLimited if status == 429 else client.Refused})
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in (mock.get, mock.post):
            method(ANYWHERE, body=body, status=status, headers=headers)
        for call in calls:
            failure = failure_of(call)

            assert (failure and type(failure)) in expected
            assert str(failure).isprintable()
            assert failure is None or len(failure.message) <= 200
