"""Which SMS count together: by number, caller, address, user, block, country, and in all."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from django_kaleyra_otp import challenges, delivery, limits
from django_kaleyra_otp.exceptions import Cooldown, DeliveryFailed, RateLimited
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER, OTHER, code_in
from tests.playing import later, number, only, passed

FAR = ["+12025550123", "+971501234567", "+447400123456"]


@pytest.mark.parametrize(
    ("scope", "arguments"),
    [
        ("phone", [{"phone_number": NUMBER}] * 3),
        ("ip", [{"phone_number": number(n), "ip": "198.51.100.7"} for n in range(3)]),
        ("user", [{"phone_number": number(n), "user": "him"} for n in range(3)]),
        ("block", [{"phone_number": number(n)} for n in range(3)]),
        ("country", [{"phone_number": f"+91987{n}500000"} for n in range(3)]),
        ("global", [{"phone_number": far} for far in FAR]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_scope_counts_its_own_and_tells_truly_how_long_to_wait(db, configure, user, scope, arguments):
    """R-041, R-053, R-054, R-063."""
    configure(**only(scope, "2/h"))
    calls = [{**each, "user": user} if "user" in each else each for each in arguments]
    for call in calls[:2]:
        challenges.start(**call)

    with pytest.raises(RateLimited) as refusal:
        challenges.start(**calls[2])
    wait = refusal.value.retry_after

    assert refusal.value.code == "rate_limited"
    assert 1795 <= wait <= 1800
    later(wait - 2)
    with pytest.raises(RateLimited):
        challenges.start(**calls[2])
    later(2)
    challenges.start(**calls[2])


@pytest.mark.parametrize(
    ("scope", "first", "second"),
    [
        ("phone", {"phone_number": NUMBER}, {"phone_number": OTHER}),
        ("ip", {"phone_number": NUMBER, "ip": "1.1.1.1"}, {"phone_number": NUMBER, "ip": "1.1.1.2"}),
        ("block", {"phone_number": number(1)}, {"phone_number": number(10_001)}),
        ("country", {"phone_number": NUMBER}, {"phone_number": FAR[0]}),
        ("user", {"phone_number": NUMBER}, {"phone_number": NUMBER}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_full_bucket_stops_nobody_else(db, configure, scope, first, second):
    configure(**only(scope, "1/d"))
    challenges.start(**first)

    assert challenges.start(**second).newest_send.status == "submitted"


def test_the_default_limits_of_a_number_are_those_of_the_docs(db):
    """R-048: 3 in 10 minutes, 5 an hour, 10 a day, whatever the purposes."""
    outcomes = []
    for purpose in ("verify", "login", "verify", "login"):
        outcomes += passed([NUMBER], purpose=purpose)
        later(31)
    assert outcomes == [True, True, True, False]

    total = 3
    for _ in range(24 * 3 - 1):
        later(1200)
        total += sum(passed([NUMBER]))
    assert total <= 19


def test_a_stranger_uses_up_no_limit_of_a_known_caller(db, configure, user, django_user_model):
    """R-021, S11: by number and user, in the phone buckets and the cool-down."""
    configure(LIMITS=[{"scope": "phone", "rate": "1/h"}])
    other = django_user_model.objects.create_user("binod")
    challenges.start(NUMBER)
    assert passed([NUMBER], user=user) == [False]

    assert passed([NUMBER, NUMBER], user=user, known=True) == [True, False]
    assert passed([NUMBER, NUMBER], user=other, known=True) == [True, False]


def test_a_signed_in_owner_gets_a_code_after_a_stranger_over_http(api, user):
    """R-021."""
    assert api.start().status_code == 201
    assert api.start().status_code == 429
    api.client.force_authenticate(user)

    assert api.start().status_code == 201


def test_a_text_of_two_segments_costs_two_where_money_counts(db, configure, outbox):
    """R-065."""
    body = "{code} " + "x" * 200
    configure(**only("global", "4/d"), MESSAGES=[{"BODY": body}])

    assert passed(number(n) for n in range(3)) == [True, True, False]
    assert SendLog.objects.first().segments == 2


@pytest.mark.parametrize("scope", ["country", "global"])
def test_a_text_longer_than_the_whole_limit_is_never_sent(db, configure, outbox, scope):
    """R-065."""
    configure(**only(scope, "1/d"), MESSAGES=[{"BODY": "{code} " + "x" * 200}])

    assert passed([NUMBER]) == [False]
    assert not outbox


def test_elsewhere_an_sms_counts_as_one_however_long(db, configure):
    configure(**only("phone", "2/h"), MESSAGES=[{"BODY": "{code} " + "x" * 200}])

    assert passed([NUMBER] * 3) == [True, True, False]


def test_a_number_with_a_success_is_free_of_the_limit_of_its_block(db, configure, outbox):
    """R-063."""
    configure(**only("block", "1/h"))
    challenge = challenges.start(number(1))
    challenges.verify(challenge.pk, code_in(outbox[-1]))

    assert passed([number(2), number(1), number(1)]) == [False, True, True]
    OTPChallenge.objects.filter(pk=challenge.pk).update(verified_at=F("verified_at") - timedelta(days=91))
    assert passed([number(1)]) == [False]


def test_a_success_refills_nothing(db, configure, outbox):
    """R-055, R-017, V8, S10."""
    configure(LIMITS=[{"scope": "phone", "rate": "2/d"}, {"scope": "ip", "rate": "3/d"}], RESEND_COOLDOWN=0)
    for _ in range(2):
        challenge = challenges.start(NUMBER, ip="1.1.1.1")
        assert challenges.verify(challenge.pk, code_in(outbox[-1])).ok

    assert passed([NUMBER], ip="1.1.1.1") == [False]
    assert passed([OTHER, number(1)], ip="1.1.1.1") == [True, False]


def test_a_purpose_has_limits_of_its_own(db, configure):
    """R-029."""
    own = {"LIMITS": [{"scope": "phone", "rate": "1/d"}]}
    configure(**only("phone", "2/d"), PURPOSES={"transfer": own})

    assert passed([NUMBER, NUMBER], purpose="transfer") == [True, False]
    assert passed([NUMBER] * 3, purpose="login") == [True, True, False]


def test_with_no_limits_at_all_nothing_is_counted(db, configure):
    configure(LIMITS=[], RESEND_COOLDOWN=0)

    assert passed([NUMBER] * 12) == [True] * 12
    assert not RateLimit.objects.exists()


MONEY_AND_OTHERS = [
    {"scope": scope, "rate": "2/d"} for scope in ("phone", "ip", "user", "block", "country", "global")
]


@pytest.mark.parametrize(("backend", "back"), [("Refusing", 2), ("Losing", 0)])
def test_a_refused_send_gives_back_its_money_alone_and_a_lost_one_nothing(db, configure, user, backend, back):
    """R-082."""
    configure(LIMITS=MONEY_AND_OTHERS, BACKEND=f"tests.playing.{backend}")
    try:
        challenges.start(NUMBER, ip="1.1.1.1", user=user)
    except DeliveryFailed:
        assert backend == "Refusing"

    now = limits.microseconds(OTPChallenge.objects.get().created_at)
    tats = list(RateLimit.objects.values_list("tat", flat=True))
    assert len(tats) == 7
    assert sum(tat <= now for tat in tats) == back
    configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend")
    with pytest.raises(Cooldown):
        challenges.start(NUMBER, ip="1.1.1.1", user=user)


def test_a_refused_send_gives_its_money_back_once(db, configure):
    """R-065, R-082: the bound holds for those that were accepted."""
    configure(**only("global", "3/d"))
    assert passed([number(1), number(2)]) == [True, True]
    for n in range(3):
        configure(BACKEND="tests.playing.Refusing")
        with pytest.raises(DeliveryFailed):
            challenges.start(number(10 + n))
    configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend")

    assert passed([number(3), number(4)]) == [True, False]


def test_a_code_of_another_library_gives_back_to_the_buckets_it_was_charged_to(db, configure):
    """R-065, R-082: never to those of another purpose, whose bound would not hold then."""
    configure(
        **only("global", "2/d"), PURPOSES={"transfer": {"LIMITS": [{"scope": "global", "rate": "3/d"}]}}
    )
    assert passed([number(1), number(2)]) == [True, True]
    configure(BACKEND="tests.playing.Refusing")
    for n in range(5):
        with pytest.raises(DeliveryFailed):
            delivery.send_code(number(n), "123456", purpose="transfer")
    configure(BACKEND="django_kaleyra_otp.backends.locmem.LocMemBackend")

    assert passed([number(3)]) == [False]
    assert passed([number(4)], purpose="transfer") == [True]
