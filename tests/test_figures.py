"""The figures of days: counted right, kept, counted again, and what they survive."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_kaleyra_otp import figures, retention
from django_kaleyra_otp.days import day_of
from django_kaleyra_otp.figures import BOUNDS, KEPT_DAYS, MOST_VALUES, RUN_DAYS, Figures
from django_kaleyra_otp.models import ChallengeStatus, DailyFigures, DeliveryStatus, SendLog
from tests.reported import REPORT, TABLES, arrived, missed, noon, rows_of, viewer
from tests.staff import sent, started, told

pytestmark = pytest.mark.django_db


def test_a_day_that_is_kept_has_the_figures_that_it_had_when_it_was_counted_live():
    at = noon(1)
    told("DELIVRD", arrived(at, 7), operator="Airtel")
    missed(at, kaleyra_trace="ABSENT-SUB")
    arrived(at, 3000, country="AE")
    client = viewer()
    live = {table: rows_of(table, client=client) for table in TABLES}
    assert not DailyFigures.objects.exists()

    figures.settle(timezone.now())

    assert DailyFigures.objects.get().sent == 3
    assert {table: rows_of(table, client=client) for table in TABLES} == live


def test_what_can_never_be_verified_is_sent_but_has_no_share_in_the_verified():
    """Codes of other libraries have no challenge; a test number gets no SMS. A resend is verified as well."""
    at = noon(3)
    first = arrived(at, 5)
    sent(DeliveryStatus.DELIVERED, first.challenge, at + timedelta(seconds=40))
    missed(at)
    sent(DeliveryStatus.DELIVERED, None, at)
    sent(DeliveryStatus.SUBMITTED, started(ChallengeStatus.VERIFIED, at, verified_at=at), at, route="test")
    figures.settle(timezone.now())

    row = rows_of("country")["IN"]

    assert (row["sent"], row["can_be_verified"], row["verified"]) == ("5", "3", "2")
    assert rows_of("route")["test numbers"]["verified_percent"] == ""


def test_a_wait_past_an_hour_is_an_hour_and_one_under_a_second_is_under_a_second():
    arrived(noon(1), 7200)
    assert rows_of("country")["IN"]["p50_seconds"] == "3600.0"

    SendLog.objects.all().delete()
    arrived(noon(1), 0.4)
    assert 0 < float(rows_of("country")["IN"]["p50_seconds"]) <= 1


@pytest.mark.parametrize("wait", [*BOUNDS, 0.5, 11, 45, 700])
def test_a_percentile_is_off_by_less_than_the_width_of_its_class(wait):
    arrived(noon(1), wait)

    p50 = figures.count([noon(2), noon(0)])[0].by("")[""].seconds(0.5)

    low = max((bound for bound in BOUNDS if bound < wait), default=0)
    assert low < p50 <= min(bound for bound in BOUNDS if bound >= wait)


def test_days_are_those_of_the_time_zone_also_where_one_has_25_hours(settings):
    """In Berlin, 25 October 2026 begins at 22:00 UTC and ends at 23:00 UTC of the next evening."""
    settings.TIME_ZONE = "Europe/Berlin"
    for hour, minute in ((21, 59), (22, 0), (46, 59), (47, 0)):
        arrived(datetime(2026, 10, 24, tzinfo=UTC) + timedelta(hours=hour, minutes=minute), 5)
    now = datetime(2026, 10, 26, 12, tzinfo=UTC)

    figures.settle(now)
    found, unknown = figures.of_days(figures.days_between(date(2026, 10, 24), date(2026, 10, 26)), now)

    assert [each.sent for each in found] == [1, 2, 1]
    assert unknown == []


def test_without_time_zones_days_are_those_of_the_clock(settings):
    settings.USE_TZ = False
    at = datetime(2026, 3, 1, 23, 59, 59)
    arrived(at, 5)
    arrived(at + timedelta(seconds=1), 5)
    now = datetime(2026, 3, 3, 8)

    figures.settle(now)
    found, _unknown = figures.of_days(figures.days_between(date(2026, 3, 1), date(2026, 3, 3)), now)

    assert [each.sent for each in found] == [1, 1, 0]
    assert len(viewer().get(f"{REPORT}?window=24h").context["report"].slots) == 24


def test_reconcile_counts_the_days_that_are_over_a_few_in_each_run():
    for days_ago in range(1, RUN_DAYS + 3):
        arrived(noon(days_ago), 5)
    printed = io.StringIO()

    call_command("kaleyra_otp_reconcile", "--no-pull", stdout=printed)

    assert f"{RUN_DAYS} counted" in printed.getvalue()
    days = set(DailyFigures.objects.values_list("day", flat=True))
    assert days == {day_of(noon(n)) for n in range(1, RUN_DAYS + 1)}
    call_command("kaleyra_otp_reconcile", "--no-pull", stdout=printed)
    call_command("kaleyra_otp_reconcile", "--no-pull", stdout=printed)
    assert DailyFigures.objects.count() == RUN_DAYS + 2


def test_a_day_is_counted_again_each_hour_while_receipts_may_come_in():
    send, over = missed(noon(1)), figures.start_of(day_of(noon(0)))

    def delivered_at(now: datetime) -> int:
        figures.settle(now)
        row = DailyFigures.objects.get(day=day_of(noon(1)))
        return Figures.of_json(row.figures).by("")[""].delivered

    assert delivered_at(over + timedelta(minutes=1)) == 0
    SendLog.objects.filter(pk=send.pk).update(
        status=DeliveryStatus.DELIVERED, rank=9, delivered_at=send.created_at
    )
    assert delivered_at(over + timedelta(minutes=30)) == 0
    assert delivered_at(over + timedelta(minutes=61)) == 1
    assert delivered_at(over + timedelta(days=2, minutes=1)) == 1
    SendLog.objects.filter(pk=send.pk).update(status=DeliveryStatus.FAILED, delivered_at=None)
    assert delivered_at(over + timedelta(days=3)) == 1


def test_a_day_outlives_its_rows():
    """What the purge deleted stays counted."""
    over = figures.start_of(day_of(noon(0)))
    arrived(noon(1), 5)
    missed(noon(1))
    figures.settle(over)

    retention.purge(days=0)
    figures.settle(over + timedelta(hours=4))
    assert not SendLog.objects.exists()
    assert sum(int(row["sent"]) for row in rows_of("time").values()) == 2


def test_a_number_that_is_forgotten_does_not_keep_late_receipts_of_others_out_of_its_day():
    over = figures.start_of(day_of(noon(0)))
    arrived(noon(2), 5)
    missed(noon(1), phone_number="+971501234567")
    late = missed(noon(1))
    figures.settle(over)
    assert rows_of("country")["IN"]["delivered"] == "1"

    retention.forget("+971501234567")
    SendLog.objects.filter(pk=late.pk).update(status=DeliveryStatus.DELIVERED, rank=9)
    figures.settle(over + timedelta(hours=2))

    assert rows_of("country")["IN"]["delivered"] == "2"


def test_days_that_lost_rows_to_the_purge_are_not_counted(configure):
    configure(RETENTION=10)
    arrived(noon(9), 5)
    arrived(noon(10), 5)
    arrived(noon(11), 5)

    figures.settle(timezone.now(), most=99)

    assert min(DailyFigures.objects.values_list("day", flat=True)) == day_of(noon(9))


def test_figures_are_kept_for_400_days():
    now = timezone.now()
    for days_ago in (KEPT_DAYS, KEPT_DAYS + 1):
        DailyFigures.objects.create(day=day_of(noon(days_ago)), sent=0, figures={}, counted_at=now)
    arrived(noon(1), 5)

    figures.settle(now)

    assert DailyFigures.objects.filter(day=day_of(noon(KEPT_DAYS))).exists()
    assert not DailyFigures.objects.filter(day=day_of(noon(KEPT_DAYS + 1))).exists()


def test_a_day_keeps_the_operators_with_the_most_sends_and_adds_up_the_others():
    """A name that callbacks make up cannot swell a row without end."""
    for n in range(MOST_VALUES + 5):
        told("SENT", missed(noon(1)), operator=f"op{n}")
    told("SENT", missed(noon(1)), operator="op1")

    figures.settle(timezone.now())

    rows = rows_of("operator")
    assert len(rows) == MOST_VALUES + 1
    assert rows["op1"]["sent"] == "2"
    assert sum(int(row["sent"]) for row in rows.values()) == MOST_VALUES + 6
    assert rows["all others"]["sent"] == "5"
