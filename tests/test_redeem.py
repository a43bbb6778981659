"""Use up the proof of a success, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_kaleyra_otp import challenges, tokens
from django_kaleyra_otp.exceptions import InvalidToken
from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import NUMBER, OTHER, code_in
from tests.playing import later


@pytest.fixture
def token(challenge, code):
    return challenges.verify(challenge.pk, code).token


def refused(token, **arguments):
    with pytest.raises(InvalidToken) as refusal:
        challenges.redeem(token, **{"purpose": "verify", **arguments})
    assert refusal.value.code == "invalid_token"
    return True


def test_a_token_is_good_once(challenge, token):
    """R-022."""
    redeemed = challenges.redeem(token, purpose="verify")

    assert redeemed == challenge
    assert abs(redeemed.redeemed_at - timezone.now()) < timedelta(seconds=10)
    assert OTPChallenge.objects.get().redeemed_at == redeemed.redeemed_at
    assert refused(token)


def test_the_number_and_the_user_are_the_challenges_own(db, user, outbox):
    """R-026."""
    challenge = challenges.start(OTHER, user=user)
    token = challenges.verify(challenge.pk, code_in(outbox[0])).token

    redeemed = challenges.redeem(token, purpose="verify")

    assert (redeemed.phone_number, redeemed.user) == (OTHER, user)


def test_a_token_of_another_purpose_is_refused_and_not_used_up(token):
    """R-025, V28."""
    for purpose in ("login", "", "step_up", None):
        assert refused(token, purpose=purpose)

    assert challenges.redeem(token, purpose="verify")


@pytest.mark.parametrize("given", [None, {}, {"amount": 11}, {"amount": "10"}, {"amount": 10, "x": 1}, [10]])
def test_a_token_of_another_context_is_refused_and_not_used_up(db, outbox, given):
    """R-027."""
    bind = {"amount": 10}
    challenge = challenges.start(NUMBER, bind=bind)
    token = challenges.verify(challenge.pk, code_in(outbox[0]), bind=bind).token

    assert refused(token, bind=given)
    assert challenges.redeem(token, purpose="verify", bind=bind) == challenge


def test_a_context_where_none_was_given_is_refused(token):
    """R-027."""
    assert refused(token, bind={})


def test_a_token_ages_from_the_success(challenge, code):
    """R-022: max_age is seconds since the code was given, not since the start."""
    later(200)
    token = challenges.verify(challenge.pk, code).token
    later(290)

    assert challenges.redeem(token, purpose="verify")


def test_a_token_too_old_is_refused(token):
    """R-022."""
    later(301)

    assert refused(token)


def test_the_caller_chooses_how_old_a_token_may_be(token):
    """R-022."""
    later(60)
    assert refused(token, max_age=59)

    assert challenges.redeem(token, purpose="verify", max_age=62)


@pytest.mark.parametrize("state", ["pending", "canceled", "max_attempts_reached"])
def test_a_signed_id_of_a_challenge_without_a_success_is_worth_nothing(challenge, state):
    """R-022: the row decides, though the signature is ours."""
    OTPChallenge.objects.update(status=state)

    assert refused(tokens.issue(challenge.pk))


def test_a_forged_token_is_refused(challenge, token):
    """R-022."""
    for forged in (token[:-1] + ("A" if token[-1] != "A" else "B"), challenge.pk.hex, str(challenge.pk), ""):
        assert refused(forged)
    assert refused(None)
    assert challenges.redeem(token, purpose="verify")


def test_a_token_of_a_challenge_that_is_gone_is_refused(challenge, token):
    OTPChallenge.objects.all().delete()

    assert refused(token)


def test_a_token_ends_with_the_key_of_its_challenge(token, settings):
    """R-005: refused, no crash."""
    settings.SECRET_KEY = "another-secret-key-" * 3

    assert refused(token)


def test_a_token_is_not_redeemed_over_http(api, token):
    """R-022: the proof is for the server; no path takes it."""
    for path in ("redeem/", f"challenges/{token}/", "challenges/redeem/"):
        assert api.client.post(f"/otp/{path}", {"token": token}, "json").status_code in (404, 405)

    assert challenges.redeem(token, purpose="verify")
