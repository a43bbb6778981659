"""What happened to other packages between a guess and its answer; each test says what, by its V number.

The rows that go through the sign-in pages are in ``test_verify_path_login``.
"""

from __future__ import annotations

import hmac
import logging
import re
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.core import checks
from django.utils import timezone
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges, codes
from django_kaleyra_otp.conf import known
from django_kaleyra_otp.exceptions import MaxFailuresReached, RateLimited
from django_kaleyra_otp.models import OTPChallenge
from django_kaleyra_otp.types import Secret
from tests.conftest import API, NUMBER, OTHER, code_in, wrong
from tests.playing import NO_LIMITS, SECRET, later
from tests.visitor import Visitor

EMPTY = (None, "", " ", "-", 0, False, [], {}, "0", "000000")


def said(*answers):
    """Return what each answer says, in one word."""
    return [answer.json().get("code", answer.json().get("status")) for answer in answers]


def row(challenge):
    return OTPChallenge.objects.filter(pk=challenge.pk).values().get()


@pytest.fixture
def one_code_for_two(configure):
    """Two numbers whose code is the same one."""
    until = f"{timezone.now() + timedelta(days=30):%Y-%m-%d}"
    configure(TEST_NUMBERS={each: {"code": "012345", "until": until} for each in (NUMBER, OTHER)})


def test_three_hundred_guesses_are_five(api, challenge, code, wrong_code):
    """V2: three hundred wrong guesses, then the right one, were all let through."""
    answers = Counter(said(*(api.verify(challenge.pk, wrong_code) for _ in range(300))))

    assert answers == {"invalid_code": 5, "max_attempts_reached": 295}
    assert said(api.verify(challenge.pk, code)) == ["max_attempts_reached"]


def test_parallel_guesses_do_not_all_read_the_same_count(transactional_db, outbox, together):
    """V3: twenty parallel guesses were all looked at, against a limit of five."""
    challenge = challenges.start(NUMBER)
    guess = wrong(code_in(outbox[0]))

    answers = together(20, lambda _: said(API(APIClient()).verify(challenge.pk, guess))[0])

    assert Counter(answers) == {"invalid_code": 5, "max_attempts_reached": 15}


@pytest.mark.parametrize(
    "keys",
    [
        {"SINGLE_USE": False},
        {"ONE_TIME": False, "CODE_REUSE": True},
        {"CODE_TTL": 600, "MAX_ATTEMPTS": 10, "MAX_SENDS": 10, "MAX_FAILURES": None, **NO_LIMITS},
        {"PURPOSES": {"verify": {"MAX_ATTEMPTS": 10, "CODE_TTL": 600}}},
    ],
    ids=repr,
)
def test_no_setting_makes_a_code_good_twice(api, configure, outbox, keys):
    """V4: with the settings of the README, one code verified twice."""
    configure(**keys)
    challenge = challenges.start(NUMBER)
    code = code_in(outbox[0])

    first, *again = said(*(api.verify(challenge.pk, code) for _ in range(3)))

    assert (first, set(again)) == ("verified", {"already_verified"})
    found = [each.id for each in checks.run_checks(tags=["kaleyra_otp"])]
    assert found.count("kaleyra_otp.E002") == len(set(keys) - set(known()))


def test_a_code_is_not_good_again_within_its_window(api, challenge, code):
    """V5: the same code was taken again and again within some two and a half minutes."""
    assert said(api.verify(challenge.pk, code)) == ["verified"]

    for _ in range(6):
        later(30)
        assert said(api.verify(challenge.pk, code)) == ["already_verified"]


def test_what_int_would_read_as_the_code_is_no_code(api, challenge, code, user, outbox):
    """V6: " 123_456 " and full-width digits were taken, for int() takes them."""

    def others(code):
        foreign = ["".join(chr(zero + int(digit)) for digit in code) for zero in (0xFF10, 0x0660, 0x0966)]
        return [f" {code[:3]}_{code[3:]} ", f"+{code}", f"{code}\n", f"{code}.0", *foreign]

    assert set(said(*(api.verify(challenge.pk, each) for each in others(code)))) == {"invalid"}
    later(31)
    visitor = Visitor().give_number(NUMBER)
    for each in others(code_in(outbox[1])):
        assert visitor.give_code(each).signed_in_as is None
    assert set(OTPChallenge.objects.values_list("attempts", flat=True)) == {0}


def test_the_set_up_of_a_number_counts_its_guesses_too(user, outbox):
    """V7: setting a number up, four hundred guesses were let through: the counter was never saved."""
    api = API(APIClient())
    api.client.force_authenticate(user)
    started = api.start(OTHER).json()
    code = code_in(outbox[0])
    seen = []

    for _ in range(400):
        api.verify(started["id"], wrong(code))
        seen.append(OTPChallenge.objects.get().attempts)

    assert seen == [1, 2, 3, 4] + [5] * 396
    assert said(api.verify(started["id"], code)) == ["max_attempts_reached"]


def test_two_who_hold_the_same_row_do_not_both_verify(configure, outbox, together):
    """V8: two loaded copies of one device both took the code."""
    configure(**NO_LIMITS)
    for _ in range(10):
        challenge, code = challenges.start(NUMBER), code_in(outbox[-1])
        results = together(2, lambda _, mine=challenge.pk, code=code: challenges.verify(mine, code).ok)
        assert sorted(results) == [False, True]


def test_a_code_without_its_challenge_is_worth_nothing(api, outbox):
    """V9: the code alone was looked up, and whoever's it was, he was signed in."""
    first, second = challenges.start(NUMBER), challenges.start(OTHER)
    code = code_in(outbox[0])

    for path in ("verify/", "challenges/verify/", f"challenges/{code}/verify/", "challenges//verify/"):
        assert api.client.post(f"/otp/{path}", {"code": code}, "json").status_code in (404, 405)
    assert said(api.verify(uuid.uuid4(), code), api.verify(second.pk, code)) == ["not_found", "invalid_code"]
    assert said(api.verify(first.pk, code)) == ["verified"]


def test_the_same_code_of_two_numbers_disturbs_neither(api, one_code_for_two):
    """V10: a code that two people had at once was an error 500, or used up the other's."""
    first, second = challenges.start(NUMBER), challenges.start(OTHER)

    assert said(api.verify(first.pk, "012345")) == ["verified"]
    assert row(second)["status"] == "pending"
    assert said(api.verify(second.pk, "012345")) == ["verified"]


@pytest.mark.parametrize("state", ["pending", "verified", "canceled", "expired", "max_attempts_reached"])
def test_nothing_is_no_code_in_any_state(api, challenge, code, state):
    """V11: a code that was used was set to 0, and an empty field was read as 0."""
    OTPChallenge.objects.update(
        status="pending" if state == "expired" else state,
        attempts=5 if state == "max_attempts_reached" else 0,
        expires_at=timezone.now() + timedelta(seconds=-1 if state == "expired" else 300),
    )

    for guess in EMPTY:
        if guess != code:
            assert api.verify(challenge.pk, guess).status_code >= 400, ascii(guess)
    assert row(challenge)["verified_at"] is None


def test_a_code_is_text_and_nothing_else(api, one_code_for_two):
    """V13: a JSON true passed a loose comparison, and a number lost its leading zero."""
    challenge = challenges.start(NUMBER)

    for guess in (True, False, 12345, 12345.0, [], ["012345"], {"code": "012345"}, None, "12345", "0x3039"):
        assert said(api.verify(challenge.pk, guess)) == ["invalid"], ascii(guess)
    assert said(api.verify(challenge.pk, "012345")) == ["verified"]


def test_another_person_cannot_use_a_code_that_he_read(user, outbox, django_user_model):
    """V14: a code was taken without a look at whose it was."""
    owner, thief, stranger = API(APIClient()), API(APIClient()), API(APIClient())
    owner.client.force_authenticate(user)
    thief.client.force_authenticate(django_user_model.objects.create_user("binod"))
    started, code = owner.start().json(), code_in(outbox[0])

    assert said(thief.verify(started["id"], code), stranger.verify(started["id"], code)) == ["not_found"] * 2
    assert OTPChallenge.objects.get().attempts == 0
    assert said(owner.verify(started["id"], code)) == ["verified"]


def test_debug_opens_no_door(api, settings, challenge, code):
    """V15: with DEBUG on, 123456 was always right."""
    settings.DEBUG = True
    for guess in {"123456", "000000", "111111", "654321", "999999"} - {code}:
        assert said(api.verify(challenge.pk, guess))[0] in ("invalid_code", "max_attempts_reached")


def test_numbers_for_tests_are_told_before_a_deployment(one_code_for_two):
    """V15: a code for testing was in production, and nothing said so."""
    found = checks.run_checks(tags=["kaleyra_otp"], include_deployment_checks=True)

    assert "kaleyra_otp.W012" in [each.id for each in found]


def test_a_test_code_is_good_for_nobody_without_a_challenge(api, one_code_for_two):
    """V16: the sandbox's code was right for a number that had never asked for one."""
    other = challenges.start("+919876500000")

    assert said(api.verify(uuid.uuid4(), "012345")) == ["not_found"]
    assert said(api.verify(other.pk, "012345")) == ["invalid_code"]


def test_many_requests_at_once_use_one_code_once(configure, outbox, together):
    """V17: many requests at once used one code."""
    configure(**NO_LIMITS)
    for _ in range(3):
        challenge, code = challenges.start(NUMBER), code_in(outbox[-1])
        results = together(40, lambda _, mine=challenge.pk, code=code: challenges.verify(mine, code).ok)
        assert sum(results) == 1


def test_a_resend_gives_no_guess_back(api, configure, challenge, code, wrong_code, outbox):
    """V18: a resend reset the attempt counter."""
    configure(RESEND_COOLDOWN=0)
    for _ in range(4):
        api.verify(challenge.pk, wrong_code)
        assert api.resend(challenge.pk).status_code in (200, 429)

    assert said(api.verify(challenge.pk, wrong_code), api.verify(challenge.pk, code)) == [
        "invalid_code",
        "max_attempts_reached",
    ]


def test_a_hundred_challenges_are_not_five_hundred_guesses(db, outbox):
    """V19: five guesses for each flow, and as many flows as one liked."""
    guesses = 0
    for _ in range(100):
        try:
            challenge = challenges.start(NUMBER)
        except MaxFailuresReached:
            break
        except RateLimited as refusal:
            later(refusal.retry_after)  # the attacker has time, and wears the limits out
            continue
        while challenges.verify(challenge.pk, wrong(code_in(outbox[-1]))).error == "invalid_code":
            guesses += 1

    assert guesses == 100
    with pytest.raises(MaxFailuresReached):
        challenges.start(NUMBER)


@pytest.mark.parametrize("age", [295, 299, 301, 330, 600])
def test_a_code_that_was_used_is_not_good_in_the_next_interval(api, challenge, code, age):
    """V21: a code that was used was good again in the interval after it."""
    later(290)
    assert said(api.verify(challenge.pk, code)) == ["verified"]

    later(age - 290)

    assert said(api.verify(challenge.pk, code)) == ["already_verified"]


def test_a_wait_is_a_wait_whatever_the_day(api, configure, challenge):
    """V23: timedelta.seconds was asked for the cool-down, and began anew each day."""
    configure(LIMITS=[])
    later(25 * 3600 + 3)
    assert api.start().status_code == 201  # no wait after 25 hours, though 3 s past a whole one
    later(-3600)  # as if by a host whose clock is an hour fast

    answer = api.start()

    assert said(answer) == ["cooldown"]
    assert 3600 <= int(answer["Retry-After"]) <= 3630
    later(3631)
    assert api.start().status_code == 201


def test_codes_are_drawn_evenly_and_keep_their_zeros():
    """V24: randint(0, 1000000) drew the codes: guessable, and one has seven digits. 50,000 of them here."""
    key = Secret("a key of thirty-two characters, at least")
    rest = {"purpose": "login", "bind_digest": "", "key": key, "length": 6}

    drawn = [codes.derive(uuid.uuid4(), codes.new_nonce(), **rest).reveal() for _ in range(50_000)]

    assert all(re.fullmatch("[0-9]{6}", code) for code in drawn)
    assert 4_500 < sum(code[0] == "0" for code in drawn) < 5_500


def test_a_leading_zero_goes_all_the_way(api, configure, outbox):
    """V25: a code went through a URL as a number, and 012345 became 12345."""
    configure(**NO_LIMITS)
    while not outbox or not code_in(outbox[-1]).startswith("0"):
        challenge = challenges.start(NUMBER)
    code = code_in(outbox[-1])

    assert (
        said(api.verify(challenge.pk, code[1:])) == said(api.verify(challenge.pk, int(code))) == ["invalid"]
    )
    assert api.client.post(f"/otp/challenges/{challenge.pk}/verify/{code}/").status_code == 404
    assert said(api.verify(challenge.pk, code)) == ["verified"]


def test_a_code_is_not_that_of_any_recent_session(db, configure, outbox):
    """V26: any recent code of the same person or address would do, and IPv6 addresses were split at dots."""
    configure(RESEND_COOLDOWN=0)
    api = API(APIClient(REMOTE_ADDR="2001:db8::7"))
    first, second = (api.start().json()["id"] for _ in range(2))

    for challenge, code in ((first, code_in(outbox[1])), (second, code_in(outbox[0]))):
        assert said(api.verify(challenge, code)) == ["invalid_code"]


def test_secrets_are_compared_in_constant_time(api, challenge, code, monkeypatch):
    """V27: secrets were compared by ==, which tells how far they agree."""
    compared = []
    true = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append({a, b}) or true(a, b))

    api.verify(challenge.pk, code)
    assert {code.encode()} in compared
    api.client.post("/otp/webhook/", {}, "json", headers=SECRET)
    assert {SECRET["X-Kaleyra-Otp-Secret"].encode()} in compared


def test_no_answer_and_no_log_has_the_code(configure, outbox, caplog, user):
    """V32: the code stood in the answer, or in a token that anybody can read."""
    caplog.set_level(logging.DEBUG)
    configure(CODE_LENGTH=10)
    api, visitor = API(APIClient()), Visitor()
    started = api.start(OTHER)
    code = code_in(outbox[0])
    answers = [started, *(api.verify(started.json()["id"], guess) for guess in (wrong(code), code, code))]
    answers += [api.look(started.json()["id"]), visitor.give_number(NUMBER).answer]
    answers += [visitor.follow().answer, visitor.give_code(code_in(outbox[1])).answer]

    told = [f"{a.content!r} {a.headers} {a.cookies} {a.wsgi_request.session.items()}" for a in answers]
    for secret in (code, code_in(outbox[1])):
        assert [n for n, text in enumerate([*told, caplog.text]) if secret in text] == []


def test_nothing_that_happens_lengthens_a_codes_life(api, configure, challenge, code, wrong_code):
    """V33: each use moved the time from which a code's age was counted."""
    configure(RESEND_COOLDOWN=0)
    before = [row(challenge)[name] for name in ("created_at", "expires_at")]
    api.verify(challenge.pk, wrong_code)
    api.resend(challenge.pk)
    api.look(challenge.pk)
    token = api.verify(challenge.pk, code).json()["token"]
    challenges.redeem(token, purpose="verify")

    assert [row(challenge)[name] for name in ("created_at", "expires_at")] == before
