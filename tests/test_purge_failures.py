"""Wrong guesses that still count outlive a purge, and no others do."""

from __future__ import annotations

import pytest
from django.utils import timezone

from django_kaleyra_otp import guard, phones
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import MaxFailuresReached
from django_kaleyra_otp.models import (
    ChallengeStatus,
    OTPChallenge,
)
from tests.aged import NUMBER, OLD, YOUNG, ago, left, purge, send, started, update


def is_closed(**caller) -> bool:
    """Whether a start would be refused for its wrong guesses."""
    rules, number, now = conf.purpose("login"), phones.parse(NUMBER), timezone.now()
    caller = {"known": False, "user_id": None, **caller}
    try:
        guard.admit_failures(number, guard.past(number, now), rules, **caller, now=now)
    except MaxFailuresReached:
        return True
    return False


@pytest.mark.parametrize("status", [ChallengeStatus.PENDING, ChallengeStatus.MAX_ATTEMPTS_REACHED])
def test_a_known_callers_wrong_guesses_stay_until_cleared_but_lose_their_sends(user, configure, status):
    """R-014, R-113."""
    configure(MAX_FAILURES=5)
    failure = started(OLD, status, attempts=5, known=True, user=user)
    update(OLD, of=send(OLD, of=failure))

    purge()

    assert left() == (0, 0, 1, 0)
    assert is_closed(known=True, user_id=user.pk)
    OTPChallenge.objects.update(failures_cleared_at=timezone.now())
    purge()
    assert not OTPChallenge.objects.exists()


def test_a_known_callers_wrong_guesses_go_after_a_later_success_of_the_same_caller(
    user, django_user_model, configure
):
    """R-017, R-113."""
    configure(MAX_FAILURES=5)
    other = django_user_model.objects.create_user("bina")
    started(OLD, attempts=5, known=True, user=user)
    # each of these is another caller, another purpose, or came before
    started(YOUNG, ChallengeStatus.VERIFIED, known=True, user=other)
    started(YOUNG, ChallengeStatus.VERIFIED, known=False, user=user)
    started(YOUNG, ChallengeStatus.VERIFIED, known=True, user=user, purpose="step_up")
    started(YOUNG, ChallengeStatus.VERIFIED, known=True, user=user, phone_number="+919876501234")
    started(OLD + 1, ChallengeStatus.VERIFIED, known=True, user=user)

    purge()
    assert OTPChallenge.objects.filter(attempts=5).exists()
    assert is_closed(known=True, user_id=user.pk)

    started(YOUNG, ChallengeStatus.VERIFIED, known=True, user=user)
    purge()
    assert not OTPChallenge.objects.filter(attempts=5).exists()


@pytest.mark.django_db
def test_a_known_callers_wrong_guesses_outlive_the_account(configure):
    """R-014."""
    started(OLD, attempts=5, known=True)
    started(YOUNG, ChallengeStatus.VERIFIED, known=False)

    purge()
    assert OTPChallenge.objects.filter(attempts=5).exists()

    started(YOUNG, ChallengeStatus.VERIFIED, known=True)
    purge()
    assert not OTPChallenge.objects.filter(attempts=5).exists()


def test_a_success_is_never_forgotten_before_the_wrong_guesses_that_it_cleared(user, configure):
    """R-014, R-017: a purge must not close a number that was open."""
    configure(MAX_FAILURES=5)
    started(OLD, attempts=5, known=True, user=user)
    started(OLD - 1, ChallengeStatus.VERIFIED, known=True, user=user)
    # started before the one it clears, and verified after that one was over
    first = started(
        95, ChallengeStatus.VERIFIED, attempts=1, phone_number="+919876501234", known=True, user=user
    )
    OTPChallenge.objects.filter(pk=first.pk).update(verified_at=ago(94))
    started(94.5, attempts=5, phone_number="+919876501234", known=True, user=user)
    assert not is_closed(known=True, user_id=user.pk)

    purge("--batch-size", "1")

    assert not OTPChallenge.objects.exists()


def test_a_success_stays_while_a_wrong_guess_before_it_is_not_old_yet(user, configure):
    """R-014, R-017."""
    configure(MAX_FAILURES=5)
    started(89.9999, attempts=5, known=True, user=user)
    success = started(90.0001, ChallengeStatus.VERIFIED, known=True, user=user, verified_at=ago(89.99))
    assert not is_closed(known=True, user_id=user.pk)

    purge()

    assert OTPChallenge.objects.filter(pk=success.pk).exists()
    assert not is_closed(known=True, user_id=user.pk)


@pytest.mark.django_db
def test_a_strangers_wrong_guesses_stay_for_the_30_days_that_they_count(configure):
    """R-014, R-113."""
    configure(RETENTION=5, MAX_FAILURES=5)
    started(31, attempts=5)
    started(29, attempts=5)
    started(29, phone_number="+919876501234", attempts=5)
    started(6, ChallengeStatus.VERIFIED, phone_number="+919876501234")

    purge()

    assert [row.phone_number for row in OTPChallenge.objects.all()] == [NUMBER]
    assert is_closed()
