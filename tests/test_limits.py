"""How many SMS: bursts, refills, and what a refusal says."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction

from django_kaleyra_otp import challenges, limits
from django_kaleyra_otp.exceptions import Cooldown, KaleyraOTPError, RateLimited
from django_kaleyra_otp.limits import Bucket
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER, OTHER
from tests.playing import later, only, passed

T0 = datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


def granted(bucket, at, *others):
    try:
        with transaction.atomic():
            limits.charge([bucket, *others], T0 + timedelta(seconds=at))
    except limits.Full:
        return False
    return True


def bucket(count, period, units=1, key="a"):
    unit = period * 1_000_000 // count
    return Bucket("phone", key, units * unit, count * unit)


def test_a_burst_of_n_passes_and_no_more(db):
    assert [granted(bucket(5, 100), 0) for _ in range(7)] == [True] * 5 + [False] * 2


def test_a_full_bucket_refills_evenly(db):
    """One unit of 5 in 100 s comes back every 20 s."""
    for _ in range(5):
        granted(bucket(5, 100), 0)

    assert [granted(bucket(5, 100), at) for at in (19.999, 20, 20.001, 39.999, 40)] == [
        False, True, False, False, True,
    ]  # fmt: skip


def test_an_idle_bucket_holds_one_burst_and_never_two(db):
    granted(bucket(5, 100), 0)

    assert sum(granted(bucket(5, 100), 10_000) for _ in range(12)) == 5


def test_in_any_period_at_most_twice_n_less_one_pass(db):
    through = [
        at for at in range(100, 420) if at % 200 >= 100 for _ in range(2) if granted(bucket(5, 100), at)
    ]

    assert max(sum(start <= at < start + 100 for at in through) for start in through) == 9


@pytest.mark.parametrize("seed", range(3))
def test_charges_agree_with_the_arithmetic_all_or_none(db, seed):
    """R-048: random arrivals at three buckets that are charged together."""
    dice = random.Random(seed)
    buckets = [bucket(3, 60, key="a"), bucket(5, 300, key="b"), bucket(4, 100, units=2, key="c")]
    tats, at = dict.fromkeys("abc", 0.0), 0.0
    for _ in range(60):
        at += dice.choice([0, 1, 10, 40])
        after = {each.key: max(tats[each.key], at) + each.cost / 1_000_000 for each in buckets}
        room = all(after[each.key] <= at + each.size / 1_000_000 + 1e-9 for each in buckets)

        assert granted(buckets[0], at, *buckets[1:]) == room
        if room:
            tats = after
    stored = dict(RateLimit.objects.values_list("key", "tat"))
    assert stored == {key: round((T0.timestamp() + tat) * 1_000_000) for key, tat in tats.items()}


def test_a_clock_that_was_set_back_locks_nobody_for_ever(db):
    """R-123: an hour back, the wait is an hour longer and no more."""
    for _ in range(5):
        granted(bucket(5, 100), 3600)

    assert not granted(bucket(5, 100), 0)
    assert granted(bucket(5, 100), 3620)


def test_a_second_sms_within_the_cool_down_is_refused_and_told_when(api, outbox):
    """R-048, R-041, S1."""
    assert api.start().status_code == 201

    answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (429, "cooldown")
    wait = int(answer["Retry-After"])
    assert 28 <= wait <= 30
    later(wait - 2)
    assert api.start().json()["code"] == "cooldown"
    later(2)
    assert api.start().status_code == 201
    assert len(outbox) == 2


def test_a_resend_meets_the_cool_down_of_a_start_and_a_start_that_of_a_resend(db, challenge, outbox):
    """R-048."""
    with pytest.raises(Cooldown):
        challenges.resend(challenge.pk)
    later(30)
    challenges.resend(challenge.pk)

    with pytest.raises(Cooldown):
        challenges.start(NUMBER, purpose="login")
    assert len(outbox) == 2


def test_a_limit_beside_the_cool_down_is_told_with_the_longer_wait(db, configure):
    """R-041."""
    configure(LIMITS=[{"scope": "phone", "rate": "1/h"}])
    challenges.start(NUMBER)

    with pytest.raises(RateLimited) as refusal:
        challenges.start(NUMBER)

    assert refusal.value.code == "rate_limited"
    assert 3595 <= refusal.value.retry_after <= 3600


def test_a_short_limit_beside_the_cool_down_never_promises_too_early(db, configure):
    configure(LIMITS=[{"scope": "phone", "rate": "1/5s"}])
    challenges.start(NUMBER)

    with pytest.raises(RateLimited) as refusal:
        challenges.start(NUMBER)

    assert refusal.value.retry_after >= 28


def test_a_refused_start_charges_nothing(db, configure):
    """R-048: the bucket with room keeps its room."""
    configure(LIMITS=[{"scope": "phone", "rate": "1/h"}, {"scope": "ip", "rate": "2/h"}], RESEND_COOLDOWN=0)
    challenges.start(NUMBER, ip="1.1.1.1")
    before = sorted(RateLimit.objects.values_list("key", "tat"))

    assert passed([NUMBER] * 5, ip="1.1.1.1") == [False] * 5

    assert sorted(RateLimit.objects.values_list("key", "tat")) == before
    assert passed([OTHER], ip="1.1.1.1") == [True]
    assert OTPChallenge.objects.count() == SendLog.objects.count() == 2


def test_a_limit_may_reach_over_a_month(db, configure):
    configure(**only("phone", "2/31d"))
    assert passed([NUMBER] * 3) == [True, True, False]

    later(15.5 * 86400)

    assert passed([NUMBER] * 2) == [True, False]


def test_a_limiter_that_fails_sends_nothing_and_leaves_nothing(api, outbox):
    """R-056: 503, and it recovers by itself."""

    def broken(execute, sql, params, many, context):
        if RateLimit._meta.db_table in sql:
            raise OperationalError("the limiter is away")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(broken):
        answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")
    assert not outbox
    assert not OTPChallenge.objects.exists()
    assert api.start().status_code == 201


def test_a_number_of_a_closed_country_leaves_no_row(db):
    """R-057."""
    for n in range(50):
        with pytest.raises(KaleyraOTPError):
            challenges.start(f"+3361234{n:04d}")

    assert not RateLimit.objects.exists()
    assert not OTPChallenge.objects.exists()


def test_buckets_hold_no_number_and_no_address(db, user):
    """R-106: keys are HMACs."""
    challenges.start(NUMBER, ip="198.51.100.7", user=user)

    for key in RateLimit.objects.values_list("key", flat=True):
        assert "98765" not in key
        assert "198.51" not in key
        assert len(key) == 32


def test_limits_are_kept_in_the_database_whatever_the_cache(settings, db):
    """R-049."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

    assert passed([NUMBER, NUMBER]) == [True, False]


def test_what_a_country_spent_outlives_a_new_secret_key(db, configure, settings, outbox):
    """R-065: the limits of single people begin anew."""
    configure(RESEND_COOLDOWN=0, LIMITS=[{"scope": "country", "rate": "1/d"}])
    challenges.start(NUMBER)

    settings.SECRET_KEY = "another-key-of-32-characters-or-more"

    with pytest.raises(RateLimited):
        challenges.start(OTHER)
    assert len(outbox) == 1
