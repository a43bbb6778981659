"""What the client asks of Kaleyra, and what it hands back."""

import json
import pickle
import re
from urllib.parse import urlsplit

import pytest
import responses
from responses import matchers

from django_kaleyra_otp.kaleyra import client
from django_kaleyra_otp.kaleyra.errors import ErrorClass
from tests.kaleyra import ACCEPTED, KEY, TEXT, URL, UUID, Veil, account, send


@pytest.fixture
def kaleyra():
    return account()


@pytest.fixture
def wire():
    with responses.RequestsMock() as mock:
        yield mock


def test_an_sms_is_one_json_object_with_the_key_in_a_header(kaleyra, wire):
    wire.post(
        f"{URL}/sms",
        json=ACCEPTED,
        status=202,
        match=[
            matchers.header_matcher({"api-key": KEY, "Content-Type": "application/json"}),
            matchers.json_params_matcher(
                {
                    "to": "+919876543210",
                    "sender": "KLRHXA",
                    "type": "OTP",
                    "body": TEXT,
                    "template_id": "1107160000000012345",
                    "callback_profile_id": "IN_09b3dfa7",
                    "ref_custom": ["send-17"],
                }
            ),
        ],
    )

    sent = send(
        kaleyra,
        template_id="1107160000000012345",
        callback_profile_id="IN_09b3dfa7",
        reference="send-17",
    )

    assert sent == client.Sent(message_id=f"{UUID}:1", http_status=202)


def test_what_is_empty_is_left_out(kaleyra, wire):
    wire.post(f"{URL}/sms", json=ACCEPTED)

    send(kaleyra)

    assert sorted(json.loads(wire.calls[0].request.body)) == ["body", "sender", "to", "type"]


def test_the_key_stands_in_no_url(kaleyra, wire):
    wire.get(f"{URL}/messages/identifier", json={"data": []})

    kaleyra.identifiers()

    assert KEY not in wire.calls[0].request.url


@pytest.mark.parametrize("key", ["Ac0ffee\r\nX-Evil: 1", "Ac0ffée", " Ac0ffee"])
def test_a_key_that_is_no_header_is_refused_before_anything_leaves(wire, key):
    """R-085."""
    kaleyra = account(key=key)

    with pytest.raises(client.Refused) as caught:
        send(kaleyra)

    assert caught.value.error_class is ErrorClass.CONFIGURATION
    assert "ffee" not in str(caught.value)
    assert len(wire.calls) == 0


@pytest.mark.parametrize("sid", ["../../x", "a/b", "a?b=c", "a b", "a\r\nb"])
def test_a_sid_cannot_lead_elsewhere(wire, sid):
    """R-085."""
    wire.get(url=re.compile(".*"), json={"data": []})

    client.KaleyraClient(sid, Veil(KEY), "https://api.in.kaleyra.io").identifiers()

    path = urlsplit(wire.calls[0].request.url).path
    assert path.startswith("/v1/")
    assert path.endswith("/messages/identifier")
    assert path.count("/") == 4


def test_the_client_and_its_exceptions_show_no_secret_and_travel_through_pickle(kaleyra):
    assert KEY not in repr(kaleyra)
    failures = [
        client.NotConnected("x"),
        client.Refused("E1", "x", 400, ErrorClass.CALLER),
        client.RateLimited("E1", "x", 429, ErrorClass.VENDOR, 7),
        client.AnswerLost(500, "E1", "x", UUID),
    ]
    for failure in failures:
        copy = pickle.loads(pickle.dumps(failure))

        assert type(copy) is type(failure)
        assert vars(copy) == vars(failure)
        assert str(copy) == str(failure)


def test_statuses_are_asked_for_by_id_and_come_back_under_campaign_id(kaleyra, wire):
    wire.get(
        f"{URL}/sms/status",
        json={
            "data": [
                {"campaign_id": f"{UUID}:1", "status": "Delivered", "status_details": "DELIVERED"},
                {"message_id": "b", "status": "UnDelivered", "status_trace": "ABSENT-SUB\n"},
                {"id": "c", "status": "Sent"},
                {"campaign_id": "d"},
                {"campaign_id": 5.5, "status": "Sent"},
                None,
                "x",
            ],
            "error": {},
        },
        match=[
            matchers.query_param_matcher({"message_ids": f"{UUID}:1,b,c"}),
            matchers.header_matcher({"api-key": KEY}),
        ],
    )

    assert kaleyra.statuses([f"{UUID}:1", "b", "c"]) == [
        client.PulledStatus(f"{UUID}:1", "Delivered", "DELIVERED"),
        client.PulledStatus("b", "UnDelivered", "ABSENT-SUB"),
        client.PulledStatus("c", "Sent", ""),
    ]


def test_no_ids_ask_nothing_and_too_many_are_an_error(kaleyra, wire):
    assert kaleyra.statuses([]) == []
    with pytest.raises(ValueError, match="100"):
        kaleyra.statuses(["a"] * 101)


@pytest.mark.parametrize("data", [None, [], {}, "x", [[]], 3])
def test_messages_that_kaleyra_does_not_know_are_left_out(kaleyra, wire, data):
    wire.get(f"{URL}/sms/status", json={"data": data, "error": {}})

    assert kaleyra.statuses(["a"]) == []


def test_senders_are_listed(kaleyra, wire):
    wire.get(
        f"{URL}/messages/identifier", json={"data": [{"identifier": "KLRHXA"}, {"identifier": None}, {}]}
    )

    assert kaleyra.identifiers() == ["KLRHXA"]


def test_a_wrong_key_is_told_by_the_harmless_check(kaleyra, wire):
    wire.get(f"{URL}/messages/identifier", status=401, json={"code": "RBC001", "message": "Incorrect"})

    with pytest.raises(client.Refused) as caught:
        kaleyra.identifiers()

    assert (caught.value.http_status, caught.value.code) == (401, "RBC001")


PROFILE = {
    "profile_id": "IN_09b3dfa7",
    "title": "otp",
    "url": "https://example.com/hook",
    "status": 2,
    "headers": "{}",
}


def test_a_callback_profile_tells_whether_kaleyra_switched_it_off(kaleyra, wire):
    wire.get(f"{URL}/callback/profiles/IN_09b3dfa7", json={"code": "RBC024", "data": PROFILE, "error": {}})

    profile = kaleyra.callback_profile("IN_09b3dfa7")

    assert profile == client.CallbackProfile("IN_09b3dfa7", "otp", 2, "https://example.com/hook")


@pytest.mark.parametrize("data", [[PROFILE, {"title": "no id"}], {"profiles": [PROFILE]}, PROFILE])
def test_callback_profiles_are_listed_in_any_shape(kaleyra, wire, data):
    wire.get(
        f"{URL}/callback/profiles",
        json={"data": data},
        match=[matchers.query_param_matcher({"limit": 5, "offset": 10, "title": "my otp"})],
    )

    profiles = kaleyra.callback_profiles(title="my otp", limit=5, offset=10)

    assert [profile.id for profile in profiles] == ["IN_09b3dfa7"]


def test_an_unknown_callback_profile_is_refused(kaleyra, wire):
    answer = {
        "code": "RBC302",
        "message": "No such profile",
        "data": {},
        "error": [{"params": "id"}],
        "status": 404,
    }
    wire.get(f"{URL}/callback/profiles/IN_x", json=answer, status=200)

    with pytest.raises(client.Refused) as caught:
        kaleyra.callback_profile("IN_x")

    assert caught.value.code == "RBC302"


def test_a_callback_profile_is_made_with_the_secret_in_its_headers(kaleyra, wire):
    wire.post(f"{URL}/callback/profiles", json={"code": "RBC103", "data": PROFILE}, status=201)

    profile = kaleyra.create_callback_profile(
        title="otp", url="https://example.com/hook", headers={"X-Secret": Veil("s" * 40)}, channel="SMS"
    )

    asked = json.loads(wire.calls[0].request.body)
    assert profile.id == "IN_09b3dfa7"
    assert asked["headers"] == {"X-Secret": "s" * 40}
    assert asked["body"]["status"] == "<status>"
    assert (asked["http_method"], asked["channel"]) == ("POST", "SMS")


def test_a_made_profile_that_is_not_told_is_lost(kaleyra, wire):
    wire.post(f"{URL}/callback/profiles", json={"code": "RBC103", "data": {}})

    with pytest.raises(client.AnswerLost):
        kaleyra.create_callback_profile(title="otp", url="https://example.com/", headers={})
