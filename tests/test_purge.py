"""``kaleyra_otp_purge``: what goes, what stays, and that nobody waits for it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core.management import CommandError
from django.db import connection, models

from django_kaleyra_otp import retention
from django_kaleyra_otp.models import (
    Alarm,
    BlockedPrefix,
    ChallengeStatus,
    OTPChallenge,
    RateLimit,
    SendLog,
    StatusUpdate,
)
from tests.aged import OLD, YOUNG, ago, left, limit, purge, send, started, update


@pytest.fixture
def history(db) -> None:
    """An old and a young story of each kind."""
    for days in (OLD, YOUNG):
        for status in (ChallengeStatus.VERIFIED, ChallengeStatus.CANCELED, ChallengeStatus.PENDING):
            sent = send(days, of=started(days, status))
            update(days, of=sent)
            update(days, of=sent)
        send(days)
    limit(1)
    limit(-1)


@pytest.mark.usefixtures("history")
def test_what_is_past_its_time_goes_and_the_rest_stays():
    """R-113."""
    printed = purge()

    assert left() == (6, 4, 3, 1)
    assert (
        "6 status updates, 4 sends, 3 challenges, 0 alarms, 0 lapsed blocks; and 1 empty rate limits"
        in printed
    )
    assert not SendLog.objects.filter(created_at__lt=ago(90)).exists()
    assert not OTPChallenge.objects.filter(created_at__lt=ago(90)).exists()


@pytest.mark.usefixtures("history")
def test_a_second_run_deletes_nothing():
    """R-113."""
    purge()

    assert "0 status updates, 0 sends, 0 challenges, 0 alarms, 0 lapsed blocks; and 0 empty" in purge()
    assert left() == (6, 4, 3, 1)


@pytest.mark.usefixtures("history")
def test_a_dry_run_says_what_would_go_and_deletes_nothing():
    """R-113."""
    before = left()
    said = purge("--dry-run")
    assert left() == before

    done = purge()

    assert said.replace("Would delete", "Deleted") == done


def test_alarms_and_blocks_by_the_guard_go_when_they_have_long_been_over(db):
    """R-113."""
    for days, cleared in ((OLD, ago(OLD)), (OLD, ago(YOUNG)), (OLD, None), (YOUNG, ago(YOUNG))):
        Alarm.objects.create(
            kind="outage", subject="IN", raised_at=ago(days), seen_at=ago(days), cleared_at=cleared
        )
    for until, automatic in ((ago(OLD), True), (ago(YOUNG), True), (None, True), (ago(OLD), False)):
        BlockedPrefix.objects.create(prefix="+919876", until=until, automatic=automatic)

    assert "1 alarms, 1 lapsed blocks" in purge("--dry-run")
    assert "1 alarms, 1 lapsed blocks" in purge()
    assert "0 alarms, 0 lapsed blocks" in purge()
    assert Alarm.objects.count() == BlockedPrefix.objects.count() == 3


@pytest.mark.usefixtures("history")
def test_the_days_can_be_named(configure):
    """R-113."""
    configure(RETENTION=3650)
    purge()
    assert SendLog.objects.count() == 8

    purge("--days", "5")

    assert left() == (0, 0, 0, 1)


@pytest.mark.parametrize(
    "option",
    ["--days=0", "--days=3651", "--days=x", "--batch-size=0", "--batch-size=20001", "--rest=-1", "--rest=11"],
)
def test_an_option_out_of_range_is_refused(option):
    with pytest.raises(CommandError, match="must be a whole number"):
        purge(option)


@pytest.mark.usefixtures("history")
def test_others_have_the_database_between_two_batches_for_as_long_as_is_named():
    times = []

    def progress(_purged):
        times.append(time.monotonic())
        time.sleep(0.02)
        times.append(time.monotonic())

    retention.purge(batch_size=1, rest=5, progress=progress)

    gaps = [begins - ended for ended, begins in itertools.pairwise(times)][1::2]
    assert len(gaps) > 2
    assert min(gaps) >= 0.1


@pytest.mark.django_db
def test_an_update_that_no_send_claimed_lives_a_day():
    """R-093."""
    update(1.1)
    waiting = update(0.9)
    theirs = update(1.1, of=send(2))

    purge()

    assert set(StatusUpdate.objects.all()) == {waiting, theirs}


@pytest.mark.django_db
def test_a_late_update_goes_with_its_old_send():
    """R-113."""
    update(YOUNG, of=send(OLD))

    purge()

    assert left() == (0, 0, 0, 0)


@pytest.mark.django_db
def test_a_challenge_with_a_send_that_is_not_old_yet_waits_for_it():
    """R-113."""
    send(89.9999, of=started(90.0001))

    purge()

    assert left() == (0, 1, 1, 0)


@contextmanager
def just_before(statement: str, happens: Callable[[], object]) -> Iterator[None]:
    """Have something happen once, between what the purge read and the statement that begins so."""
    waiting = [happens]

    def watch(execute, sql, params, many, context):
        if waiting and sql.replace("`", '"').startswith(statement):
            waiting.pop()()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield
    assert not waiting, "it never came to that"


@pytest.mark.django_db
def test_a_bucket_that_ran_empty_just_now_stays():
    """R-121: it may be charged at any moment, and the two would lock its row in opposite orders."""
    hour = 1 / 24
    young = limit(0.9 * hour)
    limit(1.1 * hour)
    purge()

    assert [row.pk for row in RateLimit.objects.all()] == [young.pk]


@pytest.mark.django_db
def test_a_bucket_that_is_charged_while_the_purge_looks_at_it_stays():
    """R-113."""
    row = limit(1)

    def charge():
        RateLimit.objects.filter(pk=row.pk).update(tat=int(ago(-1).timestamp() * 1_000_000))

    with just_before('DELETE FROM "kaleyra_otp_ratelimit"', charge):
        purge()

    assert RateLimit.objects.filter(pk=row.pk).exists()


@pytest.mark.django_db
def test_an_update_that_finds_its_send_while_the_purge_looks_at_it_stays():
    """R-092, R-113."""
    orphan = update(2)
    found = send(YOUNG)

    with just_before(
        'DELETE FROM "kaleyra_otp_statusupdate"',
        lambda: StatusUpdate.objects.filter(pk=orphan.pk).update(send_log=found),
    ):
        purge()

    assert StatusUpdate.objects.get().send_log == found


@pytest.mark.django_db(transaction=True)
def test_a_callback_for_a_send_that_is_being_purged_goes_with_it():
    """R-121."""
    sent = send(OLD)
    update(OLD, of=sent)

    with just_before('DELETE FROM "kaleyra_otp_sendlog"', lambda: update(0, of=sent)):
        purged = retention.purge()

    assert (purged.updates, purged.sends) == (2, 1)
    assert left() == (0, 0, 0, 0)


@pytest.mark.django_db
def test_one_statement_deletes_no_more_than_a_batch():
    """R-113."""
    for _ in range(7):
        sent = send(OLD, of=started(OLD))
        for _ in range(3):
            update(OLD, of=sent)
        limit(1)
    deleted = []

    def watch(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("DELETE"):
            deleted.append(context["cursor"].rowcount)
        return result

    with connection.execute_wrapper(watch):
        retention.purge(batch_size=2)

    assert left() == (0, 0, 0, 0)
    assert sum(deleted) == 7 * (3 + 1 + 1 + 1)
    assert max(deleted) == 2


def test_two_purges_at_once_delete_each_row_once(together):
    """R-113, R-121."""
    for _ in range(30):
        sent = send(OLD, of=started(OLD))
        update(OLD, of=sent)
        limit(1)

    totals = together(2, lambda _number: retention.purge(batch_size=7).total)

    assert left() == (0, 0, 0, 0)
    assert sum(totals) == 4 * 30


def test_live_traffic_goes_on_while_a_purge_runs(together):
    """R-113, R-119."""
    for _ in range(40):
        update(OLD, of=send(OLD, of=started(OLD)))

    def work(number: int) -> int:
        if number == 0:
            return retention.purge(batch_size=5).total
        for _ in range(10):
            update(0, of=send(0, of=started(0)))
        return 0

    assert together(3, work)[0] == 120
    assert left() == (20, 20, 20, 0)


@pytest.fixture
def payment(transactional_db):
    """A model of the project's own that refers to a challenge."""

    class Payment(models.Model):  # noqa: DJ008
        challenge = models.ForeignKey(OTPChallenge, null=True, on_delete=models.SET_NULL, related_name="+")

        class Meta:
            app_label = "tests"

    with connection.schema_editor() as editor:
        editor.create_model(Payment)
    yield Payment
    with connection.schema_editor() as editor:
        editor.delete_model(Payment)
    del apps.all_models["tests"]["payment"]
    apps.clear_cache()


def test_what_the_projects_own_tables_do_on_delete_is_done(payment):
    """R-113."""
    sent = send(OLD, of=started(OLD))
    update(OLD, of=sent)
    paid = payment.objects.create(challenge=sent.challenge)

    purged = retention.purge()

    assert purged.total == 3
    assert left() == (0, 0, 0, 0)
    paid.refresh_from_db()
    assert paid.challenge_id is None
