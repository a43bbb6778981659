"""Pumping, outages, silent callbacks, limits that fill: what is raised, once, and what ends it."""

from __future__ import annotations

import io
import logging
import os
import random
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_kaleyra_otp import challenges, signals
from django_kaleyra_otp.conversion import wilson
from django_kaleyra_otp.exceptions import PrefixBlocked
from django_kaleyra_otp.models import (
    Alarm,
    AlarmKind,
    BlockedPrefix,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    StatusUpdate,
)
from tests.conftest import NUMBER

SERIES = "+919876"
FAR_SERIES = "+919911"


def history(
    n,
    *,
    verified=0,
    of=SERIES,
    country="IN",
    status=DeliveryStatus.DELIVERED,
    minutes=30.0,
    challenge=True,
    route="default",
    told=True,
):
    """Write n sends of some minutes ago, each to its own number; the first ``verified`` of them were used."""
    at = timezone.now() - timedelta(minutes=minutes)
    started, sends = [], []
    for i in range(n):
        number = f"{of}{random.randrange(10**6):06d}"
        pk = uuid.uuid4()
        used = at + timedelta(seconds=20) if i < verified else None
        if challenge:
            started.append(
                OTPChallenge(
                    pk=pk,
                    phone_number=number,
                    purpose="verify",
                    language="en",
                    nonce=os.urandom(16),
                    key_fingerprint="f",
                    code_length=6,
                    max_attempts=5,
                    max_sends=5,
                    created_at=at,
                    last_sent_at=at,
                    expires_at=at + timedelta(seconds=300),
                    verified_at=used,
                    status="verified" if used else "pending",
                )
            )
        sends.append(
            SendLog(
                challenge_id=pk if challenge else None,
                phone_number=number,
                country=country,
                block=number[:-4],
                body="{code}",
                status=status,
                rank=DeliveryStatus(status).rank,
                route=route,
                created_at=at,
                submitted_at=None if status == "failed" else at,
            )
        )
    OTPChallenge.objects.bulk_create(started)
    SendLog.objects.bulk_create(sends)
    if told:
        StatusUpdate.objects.bulk_create(
            StatusUpdate(send_log=send, received_at=at, fingerprint=uuid.uuid4().hex)
            for send in SendLog.objects.filter(created_at=at)
        )


def reconcile():
    call_command("kaleyra_otp_reconcile", "--no-pull", stdout=io.StringIO())


def standing(kind=None):
    alarms = Alarm.objects.filter(cleared_at=None)
    return [(a.kind, a.subject) for a in (alarms.filter(kind=kind) if kind else alarms).order_by("pk")]


@pytest.fixture
def enforce(db, configure):
    configure(GUARD={"MODE": "enforce"})


def test_codes_that_arrive_and_are_never_used_close_their_series(enforce):
    """R-060, S20."""
    history(25)

    reconcile()

    [block] = BlockedPrefix.objects.all()
    assert (block.prefix, block.automatic) == (SERIES, True)
    assert timedelta(minutes=59) < block.until - timezone.now() <= timedelta(hours=1)
    with pytest.raises(PrefixBlocked):
        challenges.start(NUMBER)
    assert challenges.start("+919911112222").pk


def test_under_monitor_the_series_is_written_down_and_stays_open(db, configure):
    """R-060."""
    configure(GUARD={"MODE": "monitor"})
    history(25)

    reconcile()

    assert BlockedPrefix.objects.get().prefix == SERIES
    assert standing() == [("pumping", SERIES)]
    assert challenges.start(NUMBER).pk


def test_an_off_guard_sees_nothing(db, configure):
    configure(GUARD={"MODE": "off"})
    history(100)

    reconcile()

    assert not standing(AlarmKind.PUMPING)
    assert not BlockedPrefix.objects.exists()


def test_switching_the_guard_off_ends_what_it_had_to_say_of_a_country(enforce, configure):
    for i in range(10):
        history(10, of=f"+9198{i}6", verified=1)
    reconcile()
    assert standing() == [("conversion", "IN")]

    configure(GUARD={"MODE": "off"})
    age(minutes=16)
    reconcile()

    assert not standing()


@pytest.mark.parametrize("status", ["undelivered", "expired", "rejected", "failed", "unknown", "sending"])
def test_what_did_not_arrive_never_closes_a_series(enforce, status):
    """R-060: that is an outage."""
    history(200, status=status)

    reconcile()

    assert not BlockedPrefix.objects.exists()


def test_codes_in_their_time_do_not_count_yet(enforce):
    """R-060: in-flight sends do not count."""
    history(200, minutes=1)

    reconcile()

    assert not BlockedPrefix.objects.exists()


@pytest.mark.parametrize(("minutes", "closed"), [(30, 0), (70, 1)])
def test_accepted_and_never_reported_as_failed_counts_after_an_hour(enforce, minutes, closed):
    history(25, status="submitted", minutes=minutes)

    reconcile()

    assert BlockedPrefix.objects.count() == closed


def test_codes_of_other_libraries_do_not_count(enforce):
    history(200, challenge=False)

    reconcile()

    assert not BlockedPrefix.objects.exists()


def test_test_numbers_do_not_count(enforce):
    history(200, route="test")

    reconcile()

    assert not BlockedPrefix.objects.exists()


@pytest.mark.parametrize(
    ("sends", "verified", "closed"),
    [(19, 0, 0), (20, 1, 1), (20, 2, 0), (50, 8, 1), (50, 9, 0), (200, 47, 1), (200, 48, 0)],
)
def test_the_guard_trips_where_conversion_is_surely_below_the_least(enforce, sends, verified, closed):
    """R-060: at 20 sends by one success, at 50 by eight, at 200 by forty-seven."""
    history(sends, verified=verified)

    reconcile()

    assert BlockedPrefix.objects.count() == closed


def test_honest_traffic_almost_never_trips_the_guard():
    """R-060: at 60 % verified, at most one of a thousand runs, each judged after every send."""
    chance, trips = random.Random(60), 0
    for _ in range(1000):
        verified = 0
        for sends in range(1, 201):
            verified += chance.random() < 0.6
            if sends >= 20 and wilson(verified, sends)[1] < 0.30:
                trips += 1
                break

    assert trips <= 1


def test_series_are_counted_apart(enforce):
    history(15)
    history(15, of=FAR_SERIES)

    reconcile()

    assert not BlockedPrefix.objects.exists()


def test_a_series_that_two_countries_share_is_judged_as_a_whole(enforce):
    """R-060: +44 7911 has numbers of Guernsey and of Great Britain, and a block closes it for both."""
    history(25, of="+447911", country="GG")
    history(60, of="+447911", country="GB", verified=50)

    reconcile()

    assert not BlockedPrefix.objects.exists()


def test_a_series_is_pumped_whichever_of_its_countries_the_codes_went_to(enforce):
    """R-060."""
    history(12, of="+447911", country="GG")
    history(12, of="+447911", country="GB")

    reconcile()

    assert standing() == [("pumping", "+447911")]
    assert Alarm.objects.get().figures["sends"] == 24


def test_an_alarm_stands_for_as_long_as_somebody_keeps_its_series_closed(enforce, heard):
    """R-061: a block of the guard's that is given no end is a block still."""
    history(40, minutes=200)
    reconcile()
    BlockedPrefix.objects.update(until=None)

    reconcile()
    history(25, minutes=20)
    reconcile()

    assert standing() == [("pumping", SERIES)]
    assert BlockedPrefix.objects.count() == 1
    assert heard == ["alarm_raised", "guard_tripped"]


def test_a_block_lapses_and_only_what_came_since_counts(enforce):
    """R-061: trip, an hour, lapse, and a trip again."""
    history(40, minutes=200)
    reconcile()
    age(hours=2)

    reconcile()

    assert BlockedPrefix.objects.count() == 1
    assert not standing()
    assert challenges.start(NUMBER).pk

    history(25, minutes=20)
    reconcile()

    assert BlockedPrefix.objects.count() == 2
    assert standing() == [("pumping", SERIES)]


def age(**time):
    """Have blocks and alarms be that much older."""
    past = timedelta(**time)
    for block in BlockedPrefix.objects.all():
        BlockedPrefix.objects.filter(pk=block.pk).update(until=block.until - past)
    for alarm in Alarm.objects.all():
        Alarm.objects.filter(pk=alarm.pk).update(
            raised_at=alarm.raised_at - past, seen_at=alarm.seen_at - past
        )


def test_a_block_that_was_lifted_by_hand_does_not_come_back_by_the_same_sends(enforce):
    """R-061."""
    history(40)
    reconcile()

    BlockedPrefix.objects.all().delete()
    reconcile()
    reconcile()

    assert not BlockedPrefix.objects.exists()
    assert not standing()


def test_a_series_that_is_pinned_open_is_never_closed(db, configure):
    """R-061."""
    configure(GUARD={"MODE": "enforce", "ALLOW": ["+9198"]})
    history(200)

    reconcile()

    assert not BlockedPrefix.objects.exists()


def test_a_trip_is_announced_once_however_often_it_is_looked_at(enforce, caplog, heard):
    """R-061, R-066: all changes are logged."""
    history(25)

    with caplog.at_level(logging.INFO, "django_kaleyra_otp"):
        for _ in range(3):
            reconcile()

    assert heard == ["alarm_raised", "guard_tripped"]
    [record] = [r for r in caplog.records if getattr(r, "event", "") == "alarm_raised"]
    assert (record.kind, record.subject, record.figures["sends"]) == ("pumping", SERIES, 25)
    assert Alarm.objects.get().figures == {
        "sends": 25,
        "min_sends": 20,
        "verified": 0,
        "upper_bound": 0.1332,
        "min_conversion": 0.3,
        "window": 86400,
        "mode": "enforce",
    }


@pytest.fixture
def heard():
    """The names of the signals that came, in order."""
    names = []
    receivers = []
    for name in ("alarm_raised", "alarm_cleared", "guard_tripped"):

        def receiver(name=name, **sent):
            names.append(name)

        receivers.append(receiver)
        getattr(signals, name).connect(receiver)
    yield names
    for name, receiver in zip(("alarm_raised", "alarm_cleared", "guard_tripped"), receivers, strict=True):
        getattr(signals, name).disconnect(receiver)


def test_of_many_that_look_at_once_one_closes_the_series(transactional_db, configure, together, heard):
    configure(GUARD={"MODE": "enforce"})
    history(25)

    together(8, lambda _: reconcile())

    assert BlockedPrefix.objects.count() == 1
    assert Alarm.objects.count() == 1
    assert heard.count("guard_tripped") == 1


def test_a_country_of_few_successes_alarms_and_stays_open(enforce):
    """R-060, R-066: countries only alarm."""
    for i in range(10):
        history(10, of=f"+9198{i}6", verified=1)

    reconcile()

    assert standing() == [("conversion", "IN")]
    assert not BlockedPrefix.objects.exists()


def test_a_pumped_series_does_not_make_its_country_look_ill(enforce):
    history(100)
    history(40, of=FAR_SERIES, verified=30)

    reconcile()

    assert standing() == [("pumping", SERIES)]


def healthy_week():
    for day in range(1, 7):
        history(10, minutes=day * 1440, verified=8)
        history(10, minutes=day * 1440, verified=8, of="+33612", country="FR")


def test_many_that_do_not_arrive_are_one_alarm(enforce):
    healthy_week()
    history(30, status="undelivered")
    history(30, verified=20, of="+33612", country="FR", minutes=31)

    reconcile()
    reconcile()

    assert standing() == [("outage", "IN")]
    judged = {
        "sends": 30,
        "missed": 30,
        "lower_bound": 0.8865,
        "week_sends": 60,
        "week_missed": 0,
        "threshold": 0.2,
    }
    assert Alarm.objects.get().figures == {**judged, "series": {SERIES: judged}}
    assert not BlockedPrefix.objects.exists()


def test_one_operator_among_many_is_one_alarm_of_its_country(enforce):
    healthy_week()
    history(30, status="expired")
    for i in range(5):
        history(30, verified=25, of=f"+9199{i}1", minutes=31 + i)

    reconcile()

    assert standing() == [("outage", "IN")]
    assert list(Alarm.objects.get().figures["series"]) == [SERIES]


def test_a_route_that_fails_in_several_countries_is_one_alarm_of_the_route(enforce):
    healthy_week()
    history(30, status="undelivered")
    history(30, status="undelivered", of="+33612", country="FR", minutes=31)

    reconcile()

    assert standing() == [("outage", "route default")]
    assert Alarm.objects.get().figures["countries"] == ["FR", "IN"]


def test_who_never_gets_receipts_is_not_out_of_order(enforce):
    """An outage is judged by the week before, not by a perfect network."""
    for day in range(1, 7):
        history(10, minutes=day * 1440, status="undelivered", verified=8)
    history(30, status="undelivered", verified=20)

    reconcile()

    assert not standing(AlarmKind.OUTAGE)


def test_an_outage_that_is_over_ends_once_after_a_calm_time(enforce, heard):
    healthy_week()
    history(30, status="undelivered", verified=20)
    reconcile()
    SendLog.objects.filter(status="undelivered").update(status="delivered")

    reconcile()
    assert standing() == [("outage", "IN")]

    age(minutes=16)
    reconcile()
    reconcile()

    assert not standing()
    assert Alarm.objects.get().cleared_at is not None
    assert heard == ["alarm_raised", "alarm_cleared"]


def test_a_new_outage_after_an_old_one_is_a_new_alarm(enforce, heard):
    healthy_week()
    history(30, status="undelivered")
    reconcile()
    Alarm.objects.update(open_key=None, cleared_at=timezone.now())

    reconcile()

    assert Alarm.objects.count() == 2
    assert heard == ["alarm_raised", "alarm_raised"]


def test_sends_without_any_callback_raise_one_alarm_and_no_outage(enforce):
    """W16, R-103."""
    healthy_week()
    history(30, status="submitted", told=False)

    reconcile()

    assert standing() == [("silence", "default")]


@pytest.mark.parametrize(("sends", "minutes", "told"), [(2, 30, False), (30, 10, False), (30, 30, True)])
def test_few_sends_fresh_sends_and_told_sends_are_no_silence(enforce, sends, minutes, told):
    history(sends, minutes=minutes, told=told, status="submitted")

    reconcile()

    assert not standing(AlarmKind.SILENCE)


def test_a_limit_that_fills_alarms_once_at_each_level(db, configure, heard):
    """R-066: 50, 80 and 100 %."""
    configure(LIMITS=[{"scope": "global", "rate": "10/d"}], RESEND_COOLDOWN=0)
    levels = []
    for i in range(10):
        challenges.start(f"+9198765{i:05d}")
        reconcile()
        levels.append(len(standing(AlarmKind.SPENDING)))

    assert levels == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    assert [subject for _, subject in standing()] == [
        "global 10/86400s 50 %",
        "global 10/86400s 80 %",
        "global 10/86400s 100 %",
    ]
    assert heard == ["alarm_raised"] * 3


def test_each_country_fills_its_own_limit(db, configure):
    configure(LIMITS=[{"scope": "country", "rate": "4/d"}], ALLOWED_COUNTRIES=["IN", "AE"])
    for i in range(2):
        challenges.start(f"+9198765{i:05d}")

    reconcile()

    assert standing() == [("spending", "country IN 4/86400s 50 %")]


def test_no_alarm_of_ours_holds_a_number(enforce, caplog):
    """R-106."""
    history(40)
    history(40, status="undelivered", minutes=31)

    with caplog.at_level(logging.DEBUG):
        reconcile()

    numbers = SendLog.objects.values_list("phone_number", flat=True)
    kept = "".join(f"{a.subject}{a.figures}" for a in Alarm.objects.all()) + caplog.text
    assert not [number for number in numbers if number in kept]
