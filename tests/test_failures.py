"""How many wrong guesses a number may collect over all its challenges."""

from __future__ import annotations

import pytest
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import MaxFailuresReached
from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import NO_LIMITS, later

DAY = 86400


@pytest.fixture
def ten(configure, db):
    """Ten wrong guesses close a number; no limit is in the way."""
    configure(**NO_LIMITS, MAX_FAILURES=10)


@pytest.fixture
def fail(outbox):
    """``fail(5, NUMBER)``: start a challenge of the number and guess wrong so often."""

    def guess(times, number=NUMBER, **arguments):
        challenge = challenges.start(number, **arguments)
        for _ in range(times):
            result = challenges.verify(challenge.pk, wrong(code_in(outbox[-1])))
            assert result.error == "invalid_code"
        return challenge

    return guess


@pytest.fixture
def succeed(outbox):
    def give(number=NUMBER, **arguments):
        challenge = challenges.start(number, **arguments)
        assert challenges.verify(challenge.pk, code_in(outbox[-1])).ok

    return give


def closed(number=NUMBER, **arguments):
    try:
        challenges.start(number, **arguments)
    except MaxFailuresReached:
        return True
    return False


def test_enough_wrong_guesses_over_several_challenges_close_a_number(ten, fail):
    """R-014, V18, V19."""
    fail(5)
    fail(4)
    assert not closed()
    fail(1)

    assert closed()


def test_a_closed_number_is_429_and_gets_no_sms(ten, fail, api, outbox):
    """R-014."""
    fail(5)
    fail(5)
    sent = len(outbox)

    answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (429, "max_failures_reached")
    assert len(outbox) == sent
    assert OTPChallenge.objects.count() == 2


def test_by_default_a_hundred_wrong_guesses_close_a_number(db, configure, fail):
    """R-014."""
    configure(**NO_LIMITS)
    for _ in range(20):
        assert not closed()
        fail(5)

    assert closed()


def test_a_resend_keeps_the_guesses_that_were_made(ten, fail, outbox):
    """R-014, V18: four wrong, a resend, one wrong: closed."""
    challenge = fail(4)
    challenges.resend(challenge.pk)

    assert challenges.verify(challenge.pk, wrong(code_in(outbox[-1]))).attempts_left == 0
    assert challenges.verify(challenge.pk, code_in(outbox[-1])).error == "max_attempts_reached"


def test_other_numbers_and_other_purposes_stay_open(ten, fail):
    """R-017."""
    fail(5)
    fail(5)

    assert closed()
    assert not closed(OTHER)
    assert not closed(purpose="login")


def test_a_success_sets_the_count_back_for_its_number_and_purpose_alone(ten, fail, succeed):
    """R-017."""
    fail(5)
    fail(4)
    fail(5, purpose="login")
    fail(4, purpose="login")
    fail(5, OTHER)
    fail(4, OTHER)
    succeed()
    fail(5)

    assert not closed()
    fail(1, purpose="login")
    fail(1, OTHER)
    assert closed(purpose="login")
    assert closed(OTHER)
    fail(5)
    assert closed()


def test_wrong_guesses_after_a_success_stand_though_their_challenge_is_older(ten, succeed, outbox):
    """R-014: a challenge that was held back until somebody's success collects guesses like any other."""
    held = [(challenges.start(NUMBER), code_in(outbox[-1])) for _ in range(2)]
    succeed()
    for challenge, code in held:
        for _ in range(5):
            assert challenges.verify(challenge.pk, wrong(code)).error == "invalid_code"

    assert closed()


def test_wrong_guesses_before_the_right_one_of_a_challenge_do_not_stand(ten, fail, outbox):
    for _ in range(4):
        challenge = fail(4)
        assert challenges.verify(challenge.pk, code_in(outbox[-1])).ok

    assert not closed()


def test_a_known_caller_is_counted_apart_from_strangers(ten, fail, user, django_user_model):
    """R-021, S11: a stranger locks nobody out."""
    fail(5)
    fail(5)
    other = django_user_model.objects.create_user("binod")

    assert closed()
    assert closed(user=user)  # he did not show to be this user
    assert not closed(user=user, known=True)
    fail(5, user=user, known=True)
    fail(5, user=user, known=True)
    assert closed(user=user, known=True)
    assert not closed(user=other, known=True)


def test_a_signed_in_owner_gets_a_code_though_strangers_closed_his_number(ten, fail, api, user):
    """R-021."""
    fail(5)
    fail(5)
    api.client.force_authenticate(user)

    assert api.start().status_code == 201


def test_a_success_of_a_known_caller_clears_no_strangers_failures_nor_the_reverse(ten, fail, succeed, user):
    """R-017."""
    fail(5)
    fail(5)
    fail(5, user=user, known=True)
    succeed(user=user, known=True)
    assert closed()

    succeed(OTHER)
    fail(5, OTHER, user=user, known=True)
    fail(5, OTHER, user=user, known=True)
    succeed(OTHER)
    assert closed(OTHER, user=user, known=True)


def test_strangers_failures_lapse_after_thirty_days(ten, fail):
    """R-021."""
    fail(5)
    fail(5)
    later(30 * DAY - 60)
    assert closed()

    later(120)

    assert not closed()


def test_known_callers_failures_never_lapse(ten, fail, user):
    """R-014."""
    fail(5, user=user, known=True)
    fail(5, user=user, known=True)
    later(400 * DAY)

    with pytest.raises(MaxFailuresReached) as refusal:
        challenges.start(NUMBER, user=user, known=True)
    assert refusal.value.retry_after is None


def test_an_operator_opens_a_number(ten, fail, user):
    """R-014."""
    for _ in range(2):
        fail(5, user=user, known=True)
    assert closed(user=user, known=True)

    OTPChallenge.objects.filter(phone_number=NUMBER).update(failures_cleared_at=timezone.now())

    assert not closed(user=user, known=True)


def test_a_stranger_is_told_how_long_to_wait(ten, fail, api):
    """R-021, R-041: true within two seconds."""
    fail(5)
    later(10 * DAY)
    fail(5)

    answer = api.start()
    wait = int(answer["Retry-After"])

    assert abs(wait - 20 * DAY) <= 2
    later(wait - 2)
    assert closed()
    later(3)
    assert not closed()


def test_the_wait_holds_where_more_failures_stand_than_the_bound(ten, fail):
    """R-041: the oldest failures may lapse and the number be closed still."""
    fail(1)
    later(10 * DAY)
    fail(4)
    fail(4)
    fail(5)
    with pytest.raises(MaxFailuresReached) as refusal:
        challenges.start(NUMBER)

    later(refusal.value.retry_after + 1)

    assert not closed()


@pytest.mark.parametrize("limit", [None, 100])
def test_without_a_bound_nothing_closes(db, configure, fail, limit):
    configure(**NO_LIMITS, MAX_FAILURES=limit)
    for _ in range(3):
        fail(5)

    assert not closed()


def test_a_purpose_has_a_bound_of_its_own(ten, configure, fail):
    """R-029."""
    configure(PURPOSES={"transfer": {"MAX_FAILURES": 3}})
    fail(3, purpose="transfer")
    fail(3)

    assert closed(purpose="transfer")
    assert not closed()
