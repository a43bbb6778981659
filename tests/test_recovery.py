"""``kaleyra_otp_reconcile``: what a crash or a lost answer left behind."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
import responses
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from django_kaleyra_otp import challenges, recovery
from django_kaleyra_otp.models import SendLog, StatusUpdate
from tests.conftest import NUMBER, OTHER

PULL = "https://api.in.kaleyra.io/v1/HXTEST0000000000IN/sms/status"

put_aside: list[int] = []


def put_aside_only(send_log_id):
    """A queue whose workers are all gone."""
    put_aside.append(send_log_id)


@pytest.fixture
def queued(db, configure):
    """A send that no worker ever took."""
    configure(DISPATCH="tests.test_recovery.put_aside_only")
    return challenges.start(NUMBER).newest_send


def age(send, seconds, **also):
    """Move a send, and its challenge, into the past."""
    by = timedelta(seconds=seconds)
    changes = {"created_at": send.created_at - by, **also}
    if send.claimed_at:
        changes["claimed_at"] = send.claimed_at - by
    SendLog.objects.filter(pk=send.pk).update(**changes)
    challenge = send.challenge
    type(challenge).objects.filter(pk=challenge.pk).update(
        created_at=challenge.created_at - by, expires_at=challenge.expires_at - by
    )


def waiting_update(message_id, number=NUMBER, status="DELIVRD", ours="delivered"):
    return StatusUpdate.objects.create(
        message_id=message_id,
        status=status,
        delivery_status=ours,
        phone_number=number.lstrip("+"),
        fingerprint=uuid.uuid4().hex,
        received_at=timezone.now(),
    )


def test_a_queued_send_past_its_lease_leaves_while_half_of_its_life_is_left(queued, outbox):
    """R-080."""
    age(queued, 61)

    assert recovery.reconcile().delivered == 1
    assert len(outbox) == 1
    queued.refresh_from_db()
    assert queued.status == "submitted"


def test_a_queued_send_within_its_lease_is_left_to_its_worker(queued, outbox):
    """R-080."""
    age(queued, 50)

    assert recovery.reconcile().delivered == 0
    assert outbox == []


def test_a_queued_send_that_comes_too_late_is_given_up(queued, outbox):
    """R-080: a code that is nearly over is not sent."""
    age(queued, 200)

    assert recovery.reconcile().given_up == 1
    assert outbox == []
    queued.refresh_from_db()
    assert (queued.status, queued.error_code) == ("failed", "late")


def test_a_send_whose_process_died_is_unknown_and_never_sent_again(challenge, outbox):
    """R-079, R-080."""
    send = challenge.newest_send
    outbox.clear()
    age(send, 61, status="sending", rank=1, message_id="", submitted_at=None)

    assert recovery.reconcile().lost == 1
    assert recovery.reconcile().lost == 0
    send.refresh_from_db()
    assert send.status == "unknown"
    assert outbox == []


def test_parallel_runs_send_each_stuck_row_once(transactional_db, configure, outbox, together):
    """R-080."""
    configure(DISPATCH="tests.test_recovery.put_aside_only", LIMITS=[], RESEND_COOLDOWN=0)
    for number in range(20):
        age(challenges.start(f"+9198765{number:05d}").newest_send, 61)

    runs = together(4, lambda _: recovery.reconcile())

    assert len(outbox) == 20
    assert {sms.to for sms in outbox} == set(SendLog.objects.values_list("phone_number", flat=True))
    assert all(run.given_up == 0 for run in runs)


def test_an_unknown_send_is_healed_by_the_one_update_that_waits_for_its_number(challenge):
    send = challenge.newest_send
    SendLog.objects.filter(pk=send.pk).update(status="unknown", rank=2, message_id="", submitted_at=None)
    waiting_update("9c1f0a4e-0000-4000-8000-000000000001")

    assert recovery.reconcile().healed == 1
    send.refresh_from_db()
    assert (send.status, send.message_id) == ("delivered", "9c1f0a4e-0000-4000-8000-000000000001")


@pytest.mark.parametrize("number", [NUMBER, OTHER], ids=["two messages", "another number"])
def test_an_unknown_send_that_an_update_may_not_mean_stays_unknown(challenge, number):
    send = challenge.newest_send
    SendLog.objects.filter(pk=send.pk).update(status="unknown", rank=2, message_id="", submitted_at=None)
    waiting_update("9c1f0a4e-0000-4000-8000-000000000002", number)
    if number == NUMBER:
        waiting_update("9c1f0a4e-0000-4000-8000-000000000003", number)

    assert recovery.reconcile().healed == 0
    send.refresh_from_db()
    assert send.status == "unknown"


@pytest.mark.parametrize(("status", "rank"), [("queued", 0), ("sending", 1)])
def test_an_update_that_may_be_of_a_send_under_way_names_no_other(challenge, status, rank):
    """R-092: the callback of a resend came before its answer."""
    lost = challenge.newest_send
    SendLog.objects.filter(pk=lost.pk).update(status="unknown", rank=2, message_id="", submitted_at=None)
    under_way = SendLog.objects.get(pk=lost.pk)
    under_way.pk, under_way.status, under_way.rank = None, status, rank
    under_way.save()
    waiting_update("9c1f0a4e-0000-4000-8000-000000000005")

    assert recovery.reconcile().healed == 0
    SendLog.objects.filter(pk=under_way.pk).update(
        status="submitted", rank=3, message_id="9c1f0a4e-0000-4000-8000-000000000005:1"
    )
    assert recovery.reconcile().joined == 1
    lost.refresh_from_db()
    under_way.refresh_from_db()
    assert (lost.status, under_way.status) == ("unknown", "delivered")


def test_strangers_updates_keep_none_of_ours_waiting(challenge):
    """R-092, R-093: an account that others use too, whose callbacks come here as well."""
    StatusUpdate.objects.bulk_create(
        StatusUpdate(
            message_id=str(uuid.uuid4()),
            fingerprint=uuid.uuid4().hex,
            received_at=timezone.now() - timedelta(hours=1),
        )
        for _ in range(recovery.RUN_BATCH)
    )
    waiting_update(challenge.newest_send.message_id)

    assert recovery.reconcile().joined == 1


@contextmanager
def ending_before_write(number):
    """The process ends just before its so manyth UPDATE of a send or a status update."""
    writes = itertools.count(1)

    def execute(call, sql, params, many, context):
        if re.match("UPDATE .kaleyra_otp_(sendlog|statusupdate)", sql) and next(writes) == number:
            raise SystemExit
        return call(sql, params, many, context)

    with pytest.raises(SystemExit), connection.execute_wrapper(execute):
        yield


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_process_may_end_before_any_write_of_a_send_whose_callbacks_came_first(db, configure, number):
    """R-080, R-092: the callbacks were answered, so nobody tells again."""
    configure(BACKEND="tests.test_crossing.HastyBackend")
    with ending_before_write(number):
        challenges.start(NUMBER)
    age(SendLog.objects.get(), 61)

    recovery.reconcile()

    assert SendLog.objects.get().status == "delivered"
    assert StatusUpdate.objects.filter(send_log=SendLog.objects.get()).count() == 2


@pytest.mark.usefixtures("transactional_db")
def test_a_database_that_is_away_is_one_line_to_who_gets_the_timer_s_mail():
    """R-102."""

    def away(execute, sql, params, many, context):
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(away), pytest.raises(CommandError, match="busy or away"):
        call_command("kaleyra_otp_reconcile")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_run_may_end_before_any_write_and_the_next_goes_on(challenge, number):
    """R-080, R-092."""
    waiting_update(challenge.newest_send.message_id)
    with ending_before_write(number):
        recovery.reconcile()

    assert recovery.reconcile().joined == 1
    challenge.newest_send.refresh_from_db()
    assert challenge.newest_send.status == "delivered"


def test_a_waiting_update_finds_a_send_that_was_named_without_a_look(challenge):
    """R-092: the sender's process ended between the id and the look."""
    waiting_update(challenge.newest_send.message_id)

    assert recovery.reconcile().joined == 1
    challenge.newest_send.refresh_from_db()
    assert challenge.newest_send.status == "delivered"


def test_updates_that_waited_for_a_day_are_dropped(db):
    """R-093."""
    waiting_update("9c1f0a4e-0000-4000-8000-000000000004")
    StatusUpdate.objects.update(received_at=timezone.now() - timedelta(hours=25))

    assert recovery.reconcile().dropped == 1
    assert StatusUpdate.objects.count() == 0


@pytest.fixture
def asked(configure):
    """Kaleyra, which says that whatever it is asked for was delivered; the ids it was asked for."""
    configure(BACKEND="django_kaleyra_otp.backends.kaleyra.KaleyraBackend")
    seen: list[list[str]] = []

    def answer(request):
        ids = request.params["message_ids"].split(",")
        seen.append(ids)
        told = [{"campaign_id": one, "status": "Delivered", "status_details": "DELIVERED"} for one in ids]
        return 200, {}, json.dumps({"data": told, "error": {}})

    with responses.RequestsMock(assert_all_requests_are_fired=False) as kaleyra:
        kaleyra.add_callback("GET", PULL, answer)
        yield seen


def test_a_status_that_never_came_is_asked_for(challenge, asked):
    """R-103."""
    age(challenge.newest_send, 150)

    assert recovery.reconcile().pulled == 1
    challenge.newest_send.refresh_from_db()
    assert challenge.newest_send.status == "delivered"
    assert StatusUpdate.objects.get().source == "pull"


def test_each_wait_before_asking_is_twice_the_last(challenge, asked):
    """R-103."""
    send = challenge.newest_send
    age(send, 150)
    recovery.reconcile()
    SendLog.objects.filter(pk=send.pk).update(status="sent", rank=4)

    assert recovery.reconcile().pulled == 0
    send.refresh_from_db()
    wait = send.next_pull_at - timezone.now()
    assert timedelta(seconds=140) < wait < timedelta(seconds=151)


@pytest.mark.parametrize("seconds", [60, 25 * 3600], ids=["too early", "after a day"])
def test_nobody_is_asked_too_early_or_after_a_day(challenge, asked, seconds):
    """R-103: left as it is, never shown as delivered."""
    age(challenge.newest_send, seconds)

    assert recovery.reconcile().pulled == 0
    challenge.newest_send.refresh_from_db()
    assert challenge.newest_send.status == "submitted"


def test_the_command_says_what_moved(queued):
    age(queued, 200)
    out = StringIO()

    call_command("kaleyra_otp_reconcile", "--no-pull", stdout=out)

    assert "1 given up" in out.getvalue()
