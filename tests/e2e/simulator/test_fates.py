"""What becomes of an SMS, and who decides it."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import phonenumbers
import pytest
import requests

from django_kaleyra_otp.simulator import SID, fates
from tests.e2e.simulator.sink import KEY, NUMBER, send, sent


def test_each_magic_number_is_a_valid_mobile_number_of_its_own():
    assert len(fates.BY_SUFFIX) == len(fates.BY_WORD) == len(fates.TABLE)
    for fate in fates.TABLE:
        number = phonenumbers.parse(fate.number)
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE


def test_each_number_meets_the_delivery_it_stands_for_and_kaleyra_tells_it(kaleyra, sink):
    kaleyra.knobs(time_scale=0.01)
    deliveries = [fate for fate in fates.TABLE if fate.part == "delivery"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda fate: send(kaleyra, fate.number), deliveries))
    kaleyra.wait_until_idle(10)

    for fate in deliveries:
        (message,) = kaleyra.messages_to(fate.number)
        expected = [(step.status, step.trace) for step in fate.steps]
        assert [(step.status, step.trace) for step in message.history] == expected
        assert [(callback.status, callback.trace) for callback in message.callbacks] == expected
    told = Counter((call["status"], call["status_trace"]) for call in (json.loads(c.body) for c in sink.seen))
    assert told["NOT-SENT", "TEMPLATE-NOT-FOUND"] == told["UNDELIVERED", "FAILED"] == 1
    assert (
        told["SENT - NO DLR", "SENT - NO DLR"] == told["PARKED", "PARKED"] == told["EXPIRED", "EXPIRED"] == 1
    )


def test_the_pull_tells_the_same_state(kaleyra):
    words = {
        "delivered": ("Delivered", "DELIVERED"),
        "absent-sub": ("UnDelivered", "ABSENT-SUB"),
        "no-credits": ("NotSent", "NO-CREDITS"),
        "never-final": ("Sent", "SENT"),
        "sent-no-dlr": ("SENT - No DLR", "SENT - NO DLR"),
        "no-callback": ("Delivered", "DELIVERED"),
        "lost": ("Submitted", "SUBMITTED"),
        "unknown-status": ("PARKED", "PARKED"),
    }
    messages = [sent(kaleyra, fates.BY_WORD[word].number) for word in words]
    ids = [message.message_id for message in messages]
    url = f"{kaleyra.base_url}/v1/{SID}/sms/status?message_ids="

    answer = requests.get(url + ",".join([*ids, "unknown:1"]), headers=KEY, timeout=5)
    bare = requests.get(url + messages[0].id, headers=KEY, timeout=5)

    expected = [
        {"campaign_id": id_, "status": status, "status_details": details}
        for id_, (status, details) in zip(ids, words.values(), strict=True)
    ]
    assert answer.json() == {"data": expected, "error": {}}
    assert (
        bare.content
        == (
            f'{{"data":[{{"campaign_id":"{ids[0]}","status":"Delivered","status_details":"DELIVERED"}}],"error":{{}}}}'
        ).encode()
    )
    assert requests.get(url + "unknown:1", headers=KEY, timeout=5).content == b'{"data":[],"error":{}}'
    assert requests.get(url + ids[0], timeout=5).status_code == 401


def test_what_is_set_for_a_number_beats_the_next_calls_and_these_the_magic_number(kaleyra):
    magic = fates.BY_WORD["absent-sub"].number
    kaleyra.set_fate(None, "expired")
    kaleyra.set_fate(None, "failed", times=1)
    kaleyra.set_fate(NUMBER, "mob-off", "duplicate", times=1)

    statuses = [sent(kaleyra, number).trace for number in (NUMBER, magic, magic, NUMBER, "+14155550123")]

    assert statuses == ["MOB-OFF", "ABSENT-SUB", "ABSENT-SUB", "EXPIRED", "EXPIRED"]


def test_fates_for_the_next_calls_queue_up(kaleyra):
    kaleyra.set_fate(None, "429", times=1)
    kaleyra.set_fate(None, "500-unsent", times=2)

    assert [send(kaleyra).status_code for _ in range(4)] == [429, 500, 500, 202]


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("hang", "close"), ("failed", "expired"), ("delay=x",), ("hang=3",), ("status=99",)],
)
def test_words_that_mean_nothing_are_refused(kaleyra, words):
    with pytest.raises(ValueError, match=r"unknown|more than one|takes"):
        kaleyra.set_fate(NUMBER, *words)


@pytest.mark.parametrize(
    "knobs",
    [{"nonsense": 1}, {"time_scale": "1"}, {"retries": -1}, {"balance": 1}, {"pull": "duplicate"}],
)
def test_a_knob_that_is_none_is_refused(kaleyra, knobs):
    with pytest.raises(ValueError, match=r"knob|is a|answer"):
        kaleyra.knobs(**knobs)
