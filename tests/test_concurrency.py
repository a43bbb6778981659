"""Threads and a gate, on the database of the run."""

from __future__ import annotations

from collections import Counter

import pytest
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import InvalidToken, KaleyraOTPError, RateLimited
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import API, NUMBER, OTHER, code_in, wrong

NO_LIMITS = {"LIMITS": [], "RESEND_COOLDOWN": 0}


@pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def requests_atomic(request, transactional_db):
    """Whether each request of the project is one transaction."""
    from django.db import connections

    databases = connections["default"].settings_dict
    before = databases["ATOMIC_REQUESTS"]
    databases["ATOMIC_REQUESTS"] = request.param
    connections.settings["default"]["ATOMIC_REQUESTS"] = request.param
    yield request.param
    databases["ATOMIC_REQUESTS"] = connections.settings["default"]["ATOMIC_REQUESTS"] = before


@pytest.fixture
def challenge(transactional_db, outbox):
    return challenges.start(NUMBER)


def body(answer):
    assert answer.status_code < 500, answer.content
    return answer.json()


def test_of_a_hundred_wrong_guesses_at_once_five_are_looked_at(
    requests_atomic, challenge, wrong_code, together
):
    """R-011, R-018, V3."""
    answers = together(100, lambda _: body(API(APIClient()).verify(challenge.pk, wrong_code))["code"])

    assert Counter(answers) == {"invalid_code": 5, "max_attempts_reached": 95}
    challenge.refresh_from_db()
    assert (challenge.attempts, challenge.status) == (5, "max_attempts_reached")


def test_of_a_hundred_right_codes_at_once_one_succeeds(requests_atomic, challenge, code, together):
    """R-012, V17."""
    answers = together(100, lambda _: body(API(APIClient()).verify(challenge.pk, code)))

    assert Counter(answer.get("status", answer.get("code")) for answer in answers) == {
        "verified": 1,
        "already_verified": 99,
    }
    challenge.refresh_from_db()
    assert (challenge.attempts, challenge.status) == (1, "verified")


def test_wrong_guesses_and_the_right_one_at_once_never_pass_the_cap(challenge, code, together):
    """R-011: the right code wins only as one of the five."""
    guesses = [wrong(code)] * 39 + [code]
    results = together(40, lambda number: challenges.verify(challenge.pk, guesses[number]))

    looked_at = [result for result in results if result.ok or result.error == "invalid_code"]
    assert 1 <= len(looked_at) <= 5
    challenge.refresh_from_db()
    assert challenge.attempts == len(looked_at)


def test_fifty_starts_of_one_number_at_once_send_one_sms(requests_atomic, transactional_db, outbox, together):
    """R-048, S19."""
    answers = together(50, lambda _: body(API(APIClient()).start(NUMBER)))

    assert Counter(answer.get("code", answer.get("status")) for answer in answers) == {
        "pending": 1,
        "cooldown": 49,
    }
    assert len(outbox) == SendLog.objects.count() == OTPChallenge.objects.count() == 1


def test_fifty_starts_with_one_idempotency_key_give_one_challenge(
    requests_atomic, transactional_db, outbox, together
):
    key = "parallel-twins-0001"
    answers = together(50, lambda _: body(API(APIClient()).start(NUMBER, key=key)))

    assert {answer["status"] for answer in answers} == {"pending"}
    assert len({answer["id"] for answer in answers}) == 1
    assert len(outbox) == OTPChallenge.objects.count() == 1


def test_twins_that_no_limit_stops_are_one_challenge_all_the_same(configure, outbox, together):
    configure(**NO_LIMITS)
    ids = together(20, lambda _: challenges.start(NUMBER, idempotency_key="parallel-twins-0002").pk)

    assert len(set(ids)) == 1
    assert len(outbox) == 1


def test_of_fifty_redeems_at_once_one_gets_the_challenge(challenge, code, together):
    """R-022."""
    token = challenges.verify(challenge.pk, code).token

    def redeem(_):
        try:
            return challenges.redeem(token, purpose="verify").pk
        except InvalidToken:
            return None

    assert Counter(together(50, redeem)) == {challenge.pk: 1, None: 49}


def test_a_global_limit_of_ten_lets_ten_of_a_hundred_starts_through(
    requests_atomic, configure, outbox, together
):
    """R-054, R-065."""
    configure(LIMITS=[{"scope": "global", "rate": "10/d"}])
    answers = together(100, lambda number: body(API(APIClient()).start(f"+9198765{number:05d}")))

    assert Counter(answer.get("code", answer.get("status")) for answer in answers) == {
        "pending": 10,
        "rate_limited": 90,
    }
    assert len(outbox) == SendLog.objects.count() == 10


def test_resends_at_once_send_once_in_a_cool_down_and_never_beyond_the_bound(configure, outbox, together):
    """R-048."""
    configure(**NO_LIMITS, MAX_SENDS=4)
    challenge = challenges.start(NUMBER)

    def resend(_):
        try:
            challenges.resend(challenge.pk)
        except KaleyraOTPError as error:
            return error.code
        return "sent"

    assert Counter(together(30, resend)) == {"sent": 3, "max_sends_reached": 27}
    assert len(outbox) == SendLog.objects.count() == 4


def test_starts_and_resends_of_hot_numbers_at_once_never_deadlock(outbox, together):
    """R-118, R-121: every charge locks its rows in one order."""

    def start(number):
        try:
            challenges.start((NUMBER, OTHER)[number % 2])
        except RateLimited:
            return "limited"
        return "sent"

    assert Counter(together(40, start)) == {"sent": 2, "limited": 38}
    assert RateLimit.objects.count() > 0


def test_a_cancel_and_a_right_code_at_once_have_one_winner(configure, outbox, together):
    """R-031."""
    configure(**NO_LIMITS)
    for _ in range(5):
        challenge = challenges.start(NUMBER)
        code = code_in(outbox[-1])

        def act(number, challenge=challenge, code=code):
            if number % 2:
                return challenges.verify(challenge.pk, code).ok
            try:
                challenges.cancel(challenge.pk)
            except KaleyraOTPError:
                return False
            return True

        outcomes = together(2, act)
        challenge.refresh_from_db()
        assert Counter(outcomes) == {True: 1, False: 1}
        assert challenge.status in ("verified", "canceled")
