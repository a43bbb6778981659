"""Give up an open challenge."""

from __future__ import annotations

import uuid

import pytest

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import AlreadyVerified, NotFound
from django_kaleyra_otp.models import OTPChallenge
from tests.playing import later


def test_a_canceled_challenge_takes_no_code(api, challenge, code):
    """R-031."""
    answer = api.cancel(challenge.pk)

    assert (answer.status_code, answer.content) == (204, b"")
    assert api.look(challenge.pk).json()["status"] == "canceled"
    refused = api.verify(challenge.pk, code)
    assert (refused.status_code, refused.json()["code"]) == (409, "canceled")
    assert OTPChallenge.objects.get().attempts == 0


def test_a_challenge_may_be_canceled_twice(api, challenge):
    assert api.cancel(challenge.pk).status_code == 204
    first = OTPChallenge.objects.get().canceled_at

    assert api.cancel(challenge.pk).status_code == 204
    assert OTPChallenge.objects.get().canceled_at == first is not None


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("verified", 409, "already_verified"),
        ("max_attempts_reached", 429, "max_attempts_reached"),
        ("expired", 410, "expired"),
    ],
)
def test_a_challenge_that_is_over_cannot_be_canceled(api, challenge, state, status, code):
    """R-031."""
    if state == "expired":
        later(301)
    else:
        OTPChallenge.objects.update(status=state)

    answer = api.cancel(challenge.pk)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert OTPChallenge.objects.get().canceled_at is None


def test_a_cancel_does_not_take_back_a_success(challenge, code):
    """R-031: the token stays good."""
    token = challenges.verify(challenge.pk, code).token

    with pytest.raises(AlreadyVerified):
        challenges.cancel(challenge.pk)
    assert challenges.redeem(token, purpose="verify") == challenge


def test_in_python_the_challenge_comes_back(challenge):
    canceled = challenges.cancel(str(challenge.pk))

    assert (canceled.pk, canceled.status) == (challenge.pk, "canceled")
    assert canceled.canceled_at is not None


def test_a_cancel_keeps_the_guesses_that_were_made(challenge, wrong_code):
    """R-014: giving up washes nothing off."""
    challenges.verify(challenge.pk, wrong_code)
    challenges.cancel(challenge.pk)

    assert OTPChallenge.objects.get().attempts == 1


def test_canceled_challenges_count_as_failures_of_their_number(api, configure, challenge, wrong_code):
    """R-014, V18."""
    configure(MAX_FAILURES=3)
    for _ in range(3):
        challenges.verify(challenge.pk, wrong_code)
    challenges.cancel(challenge.pk)
    later(31)

    assert api.start().json()["code"] == "max_failures_reached"


@pytest.mark.parametrize("value", [uuid.UUID(int=0), "x", None])
def test_an_unknown_challenge_is_not_found(db, value):
    with pytest.raises(NotFound):
        challenges.cancel(value)
