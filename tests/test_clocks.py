"""Clocks that differ, are set back, or go to winter time; the other clock is played by stored instants."""

from __future__ import annotations

import pytest

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import Cooldown, RateLimited
from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import NUMBER, code_in
from tests.playing import later, number

SKEW = 120


def as_from_a_clock_ahead_by(seconds):
    """Move what was stored to where a server whose clock is ahead would have stored it."""
    later(-seconds)


@pytest.mark.parametrize("ahead", [SKEW, -SKEW, 2 * SKEW, -2 * SKEW])
def test_no_code_is_good_for_more_than_ten_minutes_between_two_servers(challenge, code, ahead):
    """R-123: one server is two minutes fast, the other two minutes slow, at most."""
    as_from_a_clock_ahead_by(ahead)
    later(600)

    assert challenges.verify(challenge.pk, code).error == "expired"


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
def test_a_code_is_good_for_less_or_more_by_as_much_as_clocks_differ(challenge, code, ahead):
    """R-123."""
    as_from_a_clock_ahead_by(ahead)
    later(300 + ahead - 5)

    assert challenges.verify(challenge.pk, code).ok


@pytest.mark.parametrize("ahead", [SKEW, -SKEW, 3600, -3600])
def test_a_cool_down_is_never_negative_and_ends(api, outbox, ahead):
    """R-123: also an hour apart, by a clock that was set wrong."""
    assert api.start().status_code == 201
    as_from_a_clock_ahead_by(ahead)

    answer = api.start()

    if ahead > 0:  # what was charged is still ahead of this clock
        assert answer.status_code == 429
        wait = int(answer["Retry-After"])
        assert ahead <= wait <= ahead + 30
        later(wait)
    else:  # this clock is past the cool-down
        assert answer.status_code == 201
        later(30)
    assert api.start().status_code == 201


def test_a_clock_that_was_set_back_opens_nothing(api, challenge, code, wrong_code):
    """R-123: spent is spent, whatever the clock says."""
    for _ in range(5):
        api.verify(challenge.pk, wrong_code)
    as_from_a_clock_ahead_by(3600)

    assert api.verify(challenge.pk, code).json()["code"] == "max_attempts_reached"
    assert api.start().status_code == 429


@pytest.mark.parametrize("years", [1, 50])
def test_what_a_server_in_the_far_future_charged_is_full_and_not_closed_for_years(
    db, configure, outbox, years
):
    """R-123: for the number, and for everybody where limits are shared."""
    configure(LIMITS=[{"scope": "phone", "rate": "5/h"}, {"scope": "country", "rate": "24/d"}])
    challenges.start(NUMBER)
    as_from_a_clock_ahead_by(years * 365 * 86_400)
    OTPChallenge.objects.all().delete()

    for wanted in (NUMBER, number(1)):
        with pytest.raises(RateLimited) as refused:
            challenges.start(wanted)
        assert refused.value.retry_after <= 3600
    later(3600)

    assert challenges.start(number(1)).pk
    with pytest.raises(RateLimited):  # the country's day is still used up
        challenges.start(NUMBER)
    later(3600)
    assert challenges.start(NUMBER).pk


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize("aware", [True, False])
def test_a_code_lives_as_long_in_every_zone_with_or_without_use_tz(
    transactional_db, settings, outbox, aware, zone
):
    """R-124."""
    settings.USE_TZ, settings.TIME_ZONE = aware, zone
    challenge = challenges.start(NUMBER)
    code = code_in(outbox[-1])
    with pytest.raises(Cooldown) as refusal:
        challenges.start(NUMBER)
    assert 28 <= refusal.value.retry_after <= 30
    assert (challenge.expires_at - challenge.created_at).total_seconds() == 300

    later(290)
    assert OTPChallenge.objects.get().effective_status == "pending"
    later(20)
    assert challenges.verify(challenge.pk, code).error == "expired"
