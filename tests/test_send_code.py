"""Send a code that another library made."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.exceptions import (
    Cooldown,
    CountryNotAllowed,
    DeliveryFailed,
    DeliveryUnavailable,
    Invalid,
    InvalidPhoneNumber,
    PrefixBlocked,
    RateLimited,
    Refused,
)
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog
from django_kaleyra_otp.types import Secret
from tests.conftest import NUMBER, OTHER
from tests.playing import SECRET, later, only


def test_the_code_stands_in_our_text_and_nowhere_else(db, outbox):
    """R-004."""
    send = delivery.send_code(NUMBER, "482913", ttl=600)
    send.refresh_from_db()

    assert outbox[0].body.startswith("Your Kirana code is 482913. It is good for 10 minutes.")
    assert (send.status, send.challenge, send.message_id) == ("submitted", None, outbox[0].message_id)
    assert "482913" not in send.body
    assert "{code}" in send.body
    assert not OTPChallenge.objects.exists()


@pytest.mark.parametrize("ip", ["[2001:db8::1]:443", "192.0.2.1:80", "nobody's"])
def test_an_address_is_taken_in_any_spelling(db, configure, outbox, ip):
    configure(**only("ip", "1/d"))

    assert delivery.send_code(NUMBER, "482913", ip=ip).status == "submitted"
    with pytest.raises(RateLimited):
        delivery.send_code(OTHER, "482913", ip=ip)


@pytest.mark.parametrize("code", ["1234", "0000", "1234567890", Secret("482913")], ids=repr)
def test_a_code_has_four_to_ten_digits(db, outbox, code):
    assert delivery.send_code(NUMBER, code).status == "submitted"


@pytest.mark.parametrize(
    "code",
    ["", "123", "12345678901", "12a4", "１２３４", "12 34", "-123", "12\n34", Secret("1"), 482913, None],
)
def test_what_is_no_code_is_refused(db, outbox, code):
    """R-039: and its text is not shown."""
    with pytest.raises(Invalid) as refusal:
        delivery.send_code(NUMBER, code)

    assert set(refusal.value.errors) == {"code"}
    assert not outbox
    assert not RateLimit.objects.exists()


def test_a_purpose_must_exist(db, outbox):
    with pytest.raises(Invalid):
        delivery.send_code(NUMBER, "482913", purpose="nothing")
    assert not outbox


def test_a_context_may_stand_in_the_text(db, configure, outbox):
    configure(MESSAGES=[{"BODY": "{code} pays {amount}"}])
    delivery.send_code(NUMBER, "482913", bind={"amount": 10})

    assert outbox[0].body == "482913 pays 10"


def test_it_meets_the_limits_of_starts_and_they_meet_its_own(db, configure, outbox):
    """S8, R-048: one choke point."""
    delivery.send_code(NUMBER, "482913")
    with pytest.raises(Cooldown):
        delivery.send_code(NUMBER, "482913")
    with pytest.raises(Cooldown):
        challenges.start(NUMBER)
    challenges.start(OTHER)
    with pytest.raises(Cooldown):
        delivery.send_code(OTHER, "482913")
    later(31)
    configure(**only("ip", "1/h"))
    delivery.send_code(NUMBER, "482913", ip="1.1.1.1")
    with pytest.raises(RateLimited):
        delivery.send_code(OTHER, "482913", ip="1.1.1.1")

    assert len(outbox) == 3


def test_a_known_caller_is_counted_apart(db, user, outbox):
    """R-021."""
    delivery.send_code(NUMBER, "482913")

    assert delivery.send_code(NUMBER, "482913", user=user, known=True)


@pytest.mark.parametrize(
    ("keys", "number", "error"),
    [
        ({}, "+33612345678", CountryNotAllowed),
        ({}, "98765", InvalidPhoneNumber),
        ({"SENDING": False}, NUMBER, DeliveryUnavailable),
        ({"RISK": "tests.test_send_code.no"}, NUMBER, Refused),
        ({"TEST_NUMBERS": {NUMBER: {"code": "123456", "until": "2020-01-01"}}}, NUMBER, Refused),
    ],
)
def test_it_goes_through_every_gate_of_a_start(db, configure, outbox, keys, number, error):
    """S8."""
    configure(**keys)

    with pytest.raises(error):
        delivery.send_code(number, "482913")
    assert not outbox
    assert not SendLog.objects.exists()


def test_a_closed_prefix_is_closed_to_it_too(db, outbox):
    """S8."""
    BlockedPrefix.objects.create(prefix="+91")

    with pytest.raises(PrefixBlocked):
        delivery.send_code(NUMBER, "482913")
    assert not outbox


def no(**arguments):
    return False


def test_it_leaves_inline_whatever_the_dispatch(db, configure, outbox):
    """R-086: no worker could derive the code."""
    configure(DISPATCH="tests.test_delivery.choke")
    delivery.send_code(NUMBER, "482913")

    assert len(outbox) == 1


def test_a_test_number_is_never_sent_to(db, configure, outbox):
    """R-117."""
    until = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=9)).isoformat()
    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": until}})

    assert delivery.send_code(NUMBER, "482913").status == "submitted"
    assert not outbox


@pytest.mark.parametrize(("backend", "error"), [("Refusing", DeliveryFailed), ("Away", DeliveryUnavailable)])
def test_a_send_that_surely_failed_raises(db, configure, backend, error):
    configure(BACKEND=f"tests.playing.{backend}")

    with pytest.raises(error):
        delivery.send_code(NUMBER, "482913")
    assert SendLog.objects.get().status == "failed"


@pytest.mark.parametrize("backend", ["Losing", "Breaking"])
def test_a_lost_answer_raises_nothing(db, configure, backend, caplog):
    """R-079, R-004."""
    configure(BACKEND=f"tests.playing.{backend}")

    assert delivery.send_code(NUMBER, "482913").status == "unknown"
    assert "482913" not in caplog.text
    assert "482913" not in f"{SendLog.objects.values().get()}"


def test_callbacks_follow_it_to_the_handset(db, outbox):
    send = delivery.send_code(NUMBER, "482913")
    told = {"id": send.message_id, "status": "DELIVRD", "recipient": NUMBER}
    Client().post("/otp/webhook/", told, "application/json", headers=SECRET)

    send.refresh_from_db()
    assert send.status == "delivered"


def test_a_decoy_is_charged_like_any_other_and_not_sent(db, outbox):
    """R-032."""
    delivery.send_code(NUMBER, "482913")
    charged = RateLimit.objects.count()
    RateLimit.objects.all().delete()
    SendLog.objects.all().delete()

    decoy = delivery.send_code(NUMBER, "482913", decoy=True)

    assert RateLimit.objects.count() == charged
    assert (decoy.pk, SendLog.objects.count(), len(outbox)) == (None, 0, 1)
    with pytest.raises(Cooldown):
        delivery.send_code(NUMBER, "482913", decoy=True)
    with pytest.raises(Cooldown):
        delivery.send_code(NUMBER, "482913")


def test_a_decoy_is_refused_where_a_code_would_be(db, configure):
    """R-032."""
    BlockedPrefix.objects.create(prefix="+91")

    with pytest.raises(PrefixBlocked):
        delivery.send_code(NUMBER, "482913", decoy=True)
