"""Send the code of an open challenge again."""

from __future__ import annotations

import uuid

import pytest
from django.utils.dateparse import parse_datetime

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import Expired, MaxSendsReached, NotFound
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER, code_in, wrong
from tests.playing import NO_LIMITS, later


def test_a_resend_sends_the_same_code_and_text(api, challenge, outbox):
    later(31)

    answer = api.resend(challenge.pk)

    assert answer.status_code == 200
    assert answer.json()["id"] == str(challenge.pk)
    assert answer.json()["sends_left"] == 3
    assert outbox[0].body == outbox[1].body
    assert outbox[0].message_id != outbox[1].message_id
    assert SendLog.objects.filter(challenge=challenge).count() == 2


def test_the_code_of_the_first_sms_stays_good_after_a_resend(api, challenge, code):
    later(31)
    api.resend(challenge.pk)

    assert api.verify(challenge.pk, code).status_code == 200


def test_a_resend_does_not_lengthen_the_life_of_a_code(api, challenge, code):
    """R-002."""
    later(290)
    before = OTPChallenge.objects.get().expires_at
    answer = api.resend(challenge.pk)

    assert parse_datetime(answer.json()["expires_at"]) == before == OTPChallenge.objects.get().expires_at
    later(11)
    assert api.verify(challenge.pk, code).json()["code"] == "expired"


def test_a_resend_gives_no_attempt_back(api, challenge, wrong_code):
    """R-014, V18."""
    for _ in range(4):
        api.verify(challenge.pk, wrong_code)
    later(31)

    assert api.resend(challenge.pk).json()["attempts_left"] == 1
    assert api.verify(challenge.pk, wrong_code).json()["attempts_left"] == 0


def test_a_resend_too_early_is_a_cool_down_and_counts_no_send(api, challenge, outbox):
    """R-048."""
    answer = api.resend(challenge.pk)

    assert (answer.status_code, answer.json()["code"]) == (429, "cooldown")
    assert 28 <= int(answer["Retry-After"]) <= 30
    assert len(outbox) == SendLog.objects.count() == 1
    assert api.look(challenge.pk).json()["sends_left"] == 4


def test_resend_at_moves_with_each_sms_to_the_number(api, challenge):
    first = parse_datetime(api.look(challenge.pk).json()["resend_at"])
    later(31)
    told = parse_datetime(api.resend(challenge.pk).json()["resend_at"])

    assert told > first
    assert told == parse_datetime(api.look(challenge.pk).json()["resend_at"])


def test_a_challenge_sends_so_many_sms_and_no_more(api, configure, challenge, outbox):
    """R-048."""
    configure(**NO_LIMITS)
    left = [api.resend(challenge.pk).json()["sends_left"] for _ in range(4)]

    answer = api.resend(challenge.pk)

    assert left == [3, 2, 1, 0]
    assert (answer.status_code, answer.json()["code"]) == (429, "max_sends_reached")
    assert "Retry-After" not in answer
    assert len(outbox) == 5


def test_a_refused_resend_charges_nothing(configure, challenge):
    """R-048."""
    configure(MAX_SENDS=1)
    OTPChallenge.objects.update(max_sends=1)
    later(31)
    before = sorted(RateLimit.objects.values_list("key", "tat"))

    with pytest.raises(MaxSendsReached):
        challenges.resend(challenge.pk)

    assert sorted(RateLimit.objects.values_list("key", "tat")) == before


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("verified", 409, "already_verified"),
        ("canceled", 409, "canceled"),
        ("max_attempts_reached", 429, "max_attempts_reached"),
        ("expired", 410, "expired"),
    ],
)
def test_a_challenge_that_is_over_sends_nothing_more(api, challenge, outbox, state, status, code):
    """R-031."""
    if state == "expired":
        later(301)
    else:
        later(31)
        OTPChallenge.objects.update(status=state)

    answer = api.resend(challenge.pk)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(outbox) == 1


def test_a_country_that_was_closed_since_gets_no_resend(api, configure, challenge, outbox):
    """R-058."""
    configure(ALLOWED_COUNTRIES=["US"])
    later(31)

    assert api.resend(challenge.pk).json()["code"] == "country_not_allowed"
    assert len(outbox) == 1


def test_a_prefix_that_was_closed_since_gets_no_resend(api, challenge, outbox):
    BlockedPrefix.objects.create(prefix="+91")
    later(31)

    assert api.resend(challenge.pk).json()["code"] == "prefix_blocked"
    assert len(outbox) == 1


def test_a_code_whose_key_was_taken_out_is_not_sent_again(challenge, settings, outbox):
    """R-005."""
    settings.SECRET_KEY = "another-secret-key-" * 3
    later(31)

    with pytest.raises(Expired):
        challenges.resend(challenge.pk)
    assert len(outbox) == 1


@pytest.mark.parametrize("backend", ["Refusing", "Away"])
def test_a_resend_that_fails_leaves_the_code_good(api, configure, challenge, code, backend):
    """S4, S5."""
    later(31)
    configure(BACKEND=f"tests.playing.{backend}")

    assert api.resend(challenge.pk).status_code == {"Refusing": 502, "Away": 503}[backend]
    assert api.verify(challenge.pk, code).status_code == 200


def test_a_failed_start_may_be_sent_again_after_the_cool_down(api, configure, outbox):
    """R-082."""
    configure(BACKEND="tests.playing.Refusing")
    assert api.start().status_code == 502
    challenge = OTPChallenge.objects.get()
    configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend")
    assert api.resend(challenge.pk).json()["code"] == "cooldown"
    later(31)

    assert api.resend(challenge.pk).json()["delivery"]["status"] == "sent"
    assert api.verify(challenge.pk, code_in(outbox[0])).status_code == 200


def test_a_resend_counts_for_the_caller_of_the_start(db, configure, user, outbox):
    """R-021: a known caller's resend meets no stranger's cool-down."""
    mine = challenges.start(NUMBER, user=user, known=True)
    later(31)
    challenges.start(NUMBER)

    assert challenges.resend(mine.pk).sends == 2


def test_a_resend_is_charged_to_the_address_that_asks_for_it(db, configure):
    configure(LIMITS=[{"scope": "ip", "rate": "1/h"}], RESEND_COOLDOWN=0)
    challenge = challenges.start(NUMBER, ip="1.1.1.1")

    assert challenges.resend(challenge.pk, ip="1.1.1.2").sends == 2
    assert RateLimit.objects.count() == 2


def test_the_context_of_a_start_stands_in_the_resend(db, configure, outbox):
    """R-027: the text is copied; nobody need give the context again."""
    configure(MESSAGES=[{"BODY": "{code} pays {amount}"}], **NO_LIMITS)
    challenge = challenges.start(NUMBER, bind={"amount": 10})
    challenges.resend(challenge.pk)

    assert outbox[0].body == outbox[1].body
    assert not challenges.verify(challenge.pk, wrong(code_in(outbox[1])), bind={"amount": 10}).ok
    assert challenges.verify(challenge.pk, code_in(outbox[1]), bind={"amount": 10}).ok


@pytest.mark.parametrize("value", [uuid.UUID(int=0), "x", None])
def test_an_unknown_challenge_is_not_found(db, value):
    with pytest.raises(NotFound):
        challenges.resend(value)
