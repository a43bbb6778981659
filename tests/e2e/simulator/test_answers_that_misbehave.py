"""Answers to a send that are late, wrong, half or none."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from django_kaleyra_otp.simulator import SID, Simulator, fates
from tests.e2e.simulator.sink import KEY, NUMBER, send, sms


@pytest.mark.parametrize(
    ("word", "status", "messages"),
    [
        ("429", 429, 0),
        ("429-retry-after", 429, 0),
        ("503-retry-after", 503, 0),
        ("500-unsent", 500, 0),
        ("500-sent", 500, 1),
        ("status", 400, 0),
        ("unauthorized", 401, 0),
        ("ip-refused", 403, 0),
        ("no-balance", 400, 0),
        ("html-200", 200, 0),
        ("html-502", 502, 0),
        ("redirect", 307, 0),
        ("truncated-json", 202, 1),
        ("huge", 202, 1),
        ("202-error", 202, 0),
        ("error-list", 202, 1),
        ("error-null", 202, 1),
        ("error-absent", 202, 1),
        ("no-id", 202, 1),
        ("200", 200, 1),
    ],
)
def test_a_whole_answer_is_wrong_as_its_word_says(kaleyra, word, status, messages):
    answer = send(kaleyra, fates.BY_WORD[word].number)

    assert (answer.status_code, len(kaleyra.messages)) == (status, messages)
    assert kaleyra.requests[0].http_status == status
    assert answer.headers.get("Retry-After") == ("1" if word.endswith("retry-after") else None)
    assert answer.headers["Content-Type"].startswith("text/html" if "html" in word else "application/json")


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("202-error", {"body": "Not accepted."}),
        ("error-list", []),
        ("error-null", None),
        ("error-absent", "absent"),
        ("no-id", {}),
    ],
)
def test_an_accepted_send_may_carry_an_odd_error(kaleyra, word, error):
    answer = send(kaleyra, fates.BY_WORD[word].number).json()

    assert answer.get("error", "absent") == error
    assert ("id" in answer, "message_id" in answer["data"][0]) == (word != "no-id",) * 2


def test_truncated_json_is_no_json_and_a_huge_answer_is_huge(kaleyra):
    with pytest.raises(requests.exceptions.JSONDecodeError):
        send(kaleyra, fates.BY_WORD["truncated-json"].number).json()
    assert len(send(kaleyra, fates.BY_WORD["huge"].number).content) > 8_000_000


def test_a_redirect_points_elsewhere_and_who_follows_is_seen(kaleyra):
    answer = send(kaleyra, fates.BY_WORD["redirect"].number)
    requests.post(answer.headers["Location"], timeout=5)
    kaleyra.set_fate(NUMBER, "redirect=https://other.invalid/x")

    assert kaleyra.requests[-1].path == "/elsewhere"
    assert send(kaleyra).headers["Location"] == "https://other.invalid/x"


def test_values_set_how_long_and_which(kaleyra):
    kaleyra.set_fate(NUMBER, "delay=0.3")
    began = time.monotonic()
    assert send(kaleyra).status_code == 202
    assert 0.3 <= time.monotonic() - began < 2
    kaleyra.set_fate(NUMBER, "status=418")
    assert (send(kaleyra).status_code, send(kaleyra).json()["code"]) == (418, "X418")
    kaleyra.set_fate(NUMBER, "429-retry-after=7")
    assert send(kaleyra).headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("word", "failure"),
    [
        ("hang", requests.ReadTimeout),
        ("close", requests.ConnectionError),
        ("close-mid-answer", requests.exceptions.ChunkedEncodingError),
    ],
)
def test_a_connection_that_breaks_has_let_the_sms_out(kaleyra, sink, word, failure):
    """R-079: one message, no answer."""
    number = fates.BY_WORD[word].number
    with pytest.raises(failure):
        send(kaleyra, number, timeout=0.3)
    sink.wait_for(2)

    assert [message.number for message in kaleyra.messages] == [number]
    assert kaleyra.requests[0].http_status is None


def test_an_answer_can_drip(kaleyra):
    kaleyra.set_fate(NUMBER, "drip=0.1")
    url = f"{kaleyra.base_url}/v1/{SID}/sms"
    with requests.post(url, json=sms(), headers=KEY, timeout=1, stream=True) as answer:
        began = time.monotonic()
        start = b"".join(answer.raw.read(1) for _ in range(4))

    assert start == b'{"id'
    assert time.monotonic() - began > 0.25


def test_a_stop_ends_answers_that_hang(sink):
    kaleyra = Simulator(callback_url=sink.url).start()
    kaleyra.set_fate(NUMBER, "hang")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send, kaleyra)
        kaleyra.wait_for_message(NUMBER)
        began = time.monotonic()
        kaleyra.stop()
        assert isinstance(answer.exception(3), requests.ConnectionError)
    assert time.monotonic() - began < 2


def test_pulls_misbehave_by_a_knob(kaleyra):
    url = f"{kaleyra.base_url}/v1/{SID}/sms/status?message_ids=x"
    kaleyra.knobs(pull="html-502")
    assert requests.get(url, headers=KEY, timeout=5).status_code == 502
    kaleyra.knobs(pull="close")
    with pytest.raises(requests.ConnectionError):
        requests.get(url, headers=KEY, timeout=5)
    kaleyra.knobs(pull="")
    assert requests.get(url, headers=KEY, timeout=5).status_code == 200
