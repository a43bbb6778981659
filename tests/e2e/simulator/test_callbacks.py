"""How Kaleyra calls back: the bytes, the retries, the profile that is switched off."""

import json
import socket
from datetime import timedelta

import pytest
import requests

from django_kaleyra_otp.simulator import (
    CALLBACK_SECRET,
    DEFAULT_PROFILE_ID,
    FORM_PROFILE_ID,
    SHAPE_2_PROFILE_ID,
    SID,
    Simulator,
)
from tests.e2e.simulator.sink import KEY, NUMBER, at, send, sent

GET_PROFILE_ID = "IN_00000000-0000-4000-8000-00000000000a"


def test_shape_1_as_json_with_the_secret_in_a_header(kaleyra, sink):
    message = sent(kaleyra)

    bodies = [
        f'{{"description":"{description}","id":"{message.id}","kid":"{message.kid}",'
        f'"recipient":"+919999900001","source":"KLRHXA","status":"{status}","status_trace":"{status}",'
        f'"timestamp":"{at(message, status)}"}}'
        for status, description in (
            ("SENT", "Message has been sent"),
            ("DELIVRD", "Message has been delivered"),
        )
    ]
    assert [call.body.decode() for call in sink.seen] == bodies
    for call in sink.seen:
        assert (call.method, call.path) == ("POST", "/webhook/")
        assert call.headers["Content-Type"] == "application/json"
        assert call.headers["X-Kaleyra-Otp-Secret"] == CALLBACK_SECRET
    assert [callback.http_status for callback in message.callbacks] == [204, 204]


def test_shape_2_as_json(kaleyra, sink):
    message = sent(kaleyra, callback_profile_id=SHAPE_2_PROFILE_ID)

    assert sink.seen[1].body.decode() == (
        f'{{"message_id":"{message.id}:1","status":"DELIVRD","to":"919999900001",'
        f'"sent_time":"{at(message, "SENT")}","delivered_time":"{at(message, "DELIVRD")}"}}'
    )


def test_shape_1_as_a_form(kaleyra, sink):
    message = sent(kaleyra, callback_profile_id=FORM_PROFILE_ID)

    when = at(message, "DELIVRD").replace(" ", "+").replace(":", "%3A")
    assert sink.seen[1].headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert sink.seen[1].body.decode() == (
        f"description=Message+has+been+delivered&id={message.id}&kid={message.kid}"
        f"&recipient=%2B919999900001&source=KLRHXA&status=DELIVRD&status_trace=DELIVRD&timestamp={when}"
    )


def test_shape_3_in_the_query_of_a_get(sink):
    query = "id=<message_id>&status=<status>&status_trace=<status_trace>&recipient=<to>&timestamp=<timestamp>"
    profile = {
        "profile_id": GET_PROFILE_ID,
        "title": "By GET",
        "http_method": "GET",
        "url": f"{sink.url}?{query}",
    }
    with Simulator(profiles=[profile], time_scale=0.05) as kaleyra:
        message = sent(kaleyra, callback_profile_id=GET_PROFILE_ID)

    when = at(message, "DELIVRD").replace(" ", "+").replace(":", "%3A")
    assert (sink.seen[1].method, sink.seen[1].body) == ("GET", b"")
    assert sink.seen[1].path == (
        f"/webhook/?id={message.id}:1&status=DELIVRD&status_trace=DELIVRD&recipient=919999900001&timestamp={when}"
    )


def test_a_variable_that_kaleyra_does_not_know_stays_as_it_stands(sink):
    profile = {
        "profile_id": GET_PROFILE_ID,
        "title": "Odd",
        "url": sink.url,
        "body": {"a": {"b": ["<operator>", "<source>: <status>"]}},
    }
    with Simulator(profiles=[profile], time_scale=0.05) as kaleyra:
        sent(kaleyra, callback_profile_id=GET_PROFILE_ID)

    assert sink.seen[0].body == b'{"a":{"b":["<operator>","KLRHXA: SENT"]}}'


def test_a_call_that_fails_is_tried_three_times_more(kaleyra, sink):
    sink.statuses = [500, 302, 404, 401, 204]
    kaleyra.knobs(time_scale=0.01)
    kaleyra.set_fate(NUMBER, "never-final")

    message = sent(kaleyra)

    assert [(callback.attempt, callback.http_status) for callback in message.callbacks] == [
        (1, 500),
        (2, 302),
        (3, 404),
        (4, 401),
    ]
    assert {call.path for call in sink.seen} == {"/webhook/"}
    gaps = [
        later.at - earlier.at
        for earlier, later in zip(message.callbacks, message.callbacks[1:], strict=False)
    ]
    assert min(gaps) >= timedelta(seconds=0.09)
    assert kaleyra.profiles[DEFAULT_PROFILE_ID].failures == 1


def test_a_receiver_that_is_away_is_tried_again_until_it_is_there(kaleyra, sink):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        away = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    kaleyra.set_callback_url(away)
    kaleyra.set_fate(NUMBER, "never-final")
    send(kaleyra)
    kaleyra.state.wait_for(lambda: kaleyra.callbacks_fired, 5)
    kaleyra.set_callback_url(sink.url)
    kaleyra.wait_until_idle()

    first, second = kaleyra.callbacks_fired
    assert (first.http_status, first.error) == (None, "ConnectionError")
    assert second.http_status == 204


def test_a_profile_whose_calls_keep_failing_is_switched_off_until_its_owner_mends_it(kaleyra, sink):
    kaleyra.knobs(retries=0, disable_after=2)
    kaleyra.set_fate(NUMBER, "never-final")
    sink.statuses = [500, 204, 500, 500]
    for _ in range(5):
        sent(kaleyra)
    url = f"{kaleyra.base_url}/v1/{SID}/callback/profiles/{DEFAULT_PROFILE_ID}"

    assert len(sink.seen) == 4
    assert kaleyra.messages[-1].callbacks == ()
    assert requests.get(url, headers=KEY, timeout=5).json()["data"]["status"] == 2
    with pytest.raises(ValueError, match="no active callback profile"):
        kaleyra.fire(kaleyra.messages[-1])

    requests.patch(url, json={"status": 1}, headers=KEY, timeout=5)
    sent(kaleyra)

    assert len(sink.seen) == 5


def test_a_callback_can_be_fired_by_hand(kaleyra, sink):
    kaleyra.set_fate(NUMBER, "lost")
    message = sent(kaleyra)

    callback = kaleyra.fire(message, "UNDELIVERED", "ABSENT-SUB", "suffix-0")

    assert (callback.http_status, message.status, message.trace) == (204, "UNDELIVERED", "ABSENT-SUB")
    assert json.loads(sink.seen[0].body)["id"] == f"{message.id}:0"
    with pytest.raises(ValueError, match="only words for a callback"):
        kaleyra.fire(message, "DELIVRD", "", "hang")


def test_without_a_profile_nobody_is_called(kaleyra, sink):
    assert sent(kaleyra, callback_profile_id="").status == "DELIVRD"
    assert sink.seen == []


def test_a_reset_sweeps_everything_away(kaleyra, sink):
    kaleyra.knobs(time_scale=50, balance=False)
    kaleyra.set_fate(None, "429")
    kaleyra.knobs(balance=True)
    kaleyra.set_fate(None)
    send(kaleyra)
    kaleyra.reset()
    kaleyra.wait_until_idle(0.5)

    assert (kaleyra.messages, kaleyra.requests, kaleyra.callbacks_fired, sink.seen) == ([], [], [], [])
    assert kaleyra.knobs().time_scale == 0.05
    assert sent(kaleyra).status == "DELIVRD"
