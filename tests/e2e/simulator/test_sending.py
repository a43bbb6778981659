"""A send that is accepted, and what is kept of it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from django_kaleyra_otp.simulator import API_KEY, CALLBACK_SECRET, SID
from tests.e2e.simulator.sink import KEY, NUMBER, TEXT, send, sent


def test_an_accepted_send_is_answered_as_documented(kaleyra):
    answer = send(kaleyra, template_id="1007160000000012345")

    (message,) = kaleyra.messages
    created = message.created_at.strftime("%Y-%m-%d %H:%M:%S")
    assert answer.status_code == 202
    assert answer.content.decode() == (
        f'{{"id":"{message.id}","sender":"KLRHXA","type":"OTP","template_id":"1007160000000012345",'
        f'"body":"{TEXT}","createdDateTime":"{created}+00:00","totalCount":1,'
        f'"data":[{{"message_id":"{message.id}:1","recipient":"919999900001"}}],"dlrurl":null,"error":{{}}}}'
    )
    assert message.message_id == f"{message.id}:1"


@pytest.mark.parametrize("path", ["sms", "messages"])
def test_in_a_form_a_leading_space_is_a_plus(kaleyra, path):
    url = f"{kaleyra.base_url}/v1/{SID}/{path}"
    form = "to=+919999900001&sender=KLRHXA&type=OTP&body=Code+4821"
    headers = {**KEY, "Content-Type": "application/x-www-form-urlencoded"}

    answer = requests.post(url, data=form, headers=headers, timeout=5)

    assert answer.status_code == 202
    assert "template_id" not in answer.json()
    assert [(message.number, message.body) for message in kaleyra.messages] == [(NUMBER, "Code 4821")]


def test_a_number_without_plus_is_the_same_number(kaleyra):
    send(kaleyra, NUMBER.removeprefix("+"))

    assert kaleyra.messages_to(NUMBER)


def test_a_transactional_send_may_have_several_recipients(kaleyra):
    answer = send(kaleyra, ["+919999900001", "+919999900002"], type="TXN")

    id_ = answer.json()["id"]
    assert [one["message_id"] for one in answer.json()["data"]] == [f"{id_}:1", f"{id_}:2"]
    assert [message.number for message in kaleyra.messages] == ["+919999900001", "+919999900002"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("482913 is your code. Valid for 5 minutes.", "482913"),
        ("Order 77120: 482913 is your code", "482913"),
        ("Pay 500 to Bob: 7712345678", "7712345678"),
        ("0042 is it\n\n@example.com #0042", "0042"),
        ("Order 12345678901, no code", ""),
    ],
)
def test_the_code_is_the_last_run_of_four_to_ten_digits(kaleyra, text, code):
    assert sent(kaleyra, body=text).code == code


def test_parallel_sends_get_ids_of_their_own(kaleyra):
    gate = threading.Barrier(200, timeout=20)

    def one(index):
        gate.wait()
        return send(kaleyra, f"+9198765{index:05}").json()["data"][0]["message_id"]

    with ThreadPoolExecutor(200) as pool:
        ids = set(pool.map(one, range(200)))
    kaleyra.wait_until_idle(20)

    assert len(ids) == 200
    assert {message.message_id for message in kaleyra.messages} == ids
    assert Counter(callback.status for callback in kaleyra.callbacks_fired) == {"SENT": 200, "DELIVRD": 200}


def test_a_message_is_waited_for_and_handed_out_once(kaleyra):
    threading.Timer(0.1, send, [kaleyra]).start()
    first = kaleyra.wait_for_message(NUMBER)
    send(kaleyra, body="Code 771234")

    assert first.code == "482913"
    assert kaleyra.wait_for_message(NUMBER).code == "771234"
    with pytest.raises(TimeoutError, match="0001"):
        kaleyra.wait_for_message(NUMBER, timeout=0.05)


def test_nothing_personal_stands_in_a_repr(kaleyra):
    """R-104."""
    message = sent(kaleyra)
    kaleyra.set_fate(NUMBER, "get")
    sent(kaleyra)
    shown = repr([message, kaleyra.requests, kaleyra.callbacks_fired, kaleyra.profiles, kaleyra])

    for secret in (NUMBER[1:], "482913", API_KEY, CALLBACK_SECRET):
        assert secret not in shown
