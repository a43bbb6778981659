"""A database that is busy: whatever is refused is tried three times as a whole, and then says so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.test import Client
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges, delivery, retention, signals
from django_kaleyra_otp.exceptions import DatabaseBusy
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog, StatusUpdate
from tests import aged
from tests.conftest import API, NUMBER, OTHER, code_in, wrong
from tests.playing import NO_LIMITS, SECRET, later

VENDOR = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
TABLES = [model._meta.db_table for model in (RateLimit, OTPChallenge, SendLog, StatusUpdate)]

#: What makes a connection give up a lock at once, and what holds every row of ours against a write.
HURRIED = {
    "postgresql": {"options": "-c lock_timeout=20"},
    "mysql": {"init_command": "SET innodb_lock_wait_timeout = 0"},
    "sqlite3": {"timeout": 0},
}
HOLD = {
    "postgresql": ["BEGIN", f"LOCK TABLE {', '.join(TABLES)} IN EXCLUSIVE MODE"],
    "mysql": [
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "BEGIN",
        *(f"SELECT * FROM {table} FOR UPDATE" for table in TABLES),
    ],
    "sqlite3": ["BEGIN IMMEDIATE"],
}


class Rival:
    """Another connection, which can hold all of our rows; ``refused`` counts what ours then failed at.

    Holds from the first statement that ``at`` fits, and lets go once ``patience`` were refused.
    """

    def __init__(self, connection) -> None:
        self.connection = connection
        self.at: Callable[[str], bool] = lambda sql: False
        self.patience, self.refused, self.holds = 99, 0, False

    def hold(self) -> None:
        with self.connection.cursor() as cursor:
            for statement in HOLD[VENDOR]:
                cursor.execute(statement)
        self.holds = True

    def let_go(self) -> None:
        if self.holds:
            self.connection.cursor().execute("ROLLBACK")
        self.holds = False

    def __call__(self, execute, sql, params, many, context):
        if not self.holds and not self.refused and self.at(sql):
            self.hold()
        try:
            return execute(sql, params, many, context)
        except DatabaseError:
            self.refused += 1
            if self.refused == self.patience:
                self.let_go()
            raise


@pytest.fixture
def rival(transactional_db):
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    options.update(HURRIED[VENDOR])
    connection.close()  # the next one is hurried
    other = connection.copy()
    with connection.execute_wrapper(found := Rival(other)):
        yield found
    found.let_go()
    other.close()
    options.clear()
    options.update(before)
    connection.close()


@pytest.fixture
def started(rival, outbox):
    """A challenge that may be sent again, and its code."""
    challenge = challenges.start(NUMBER)
    later(31)
    return challenge, code_in(outbox[-1])


def callback(send):
    told = {"id": send.message_id, "status": "DELIVRD", "recipient": NUMBER}
    return Client().post("/otp/webhook/", told, "application/json", headers=SECRET)


#: Each call of HTTP, and the status of its answer where nothing is in the way.
CALLS = {
    "start": (lambda api, challenge, code: api.start(OTHER), 201),
    "resend": (lambda api, challenge, code: api.resend(challenge.pk), 200),
    "a wrong code": (lambda api, challenge, code: api.verify(challenge.pk, wrong(code)), 400),
    "the right code": (lambda api, challenge, code: api.verify(challenge.pk, code), 200),
    "cancel": (lambda api, challenge, code: api.cancel(challenge.pk), 204),
    "callback": (lambda api, challenge, code: callback(challenge.newest_send), 204),
}


def rows():
    return [
        list(model.objects.order_by("pk").values())
        for model in (RateLimit, OTPChallenge, SendLog, StatusUpdate)
    ]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_is_refused_three_times_is_503_and_changes_nothing(rival, started, outbox, call):
    """R-102, R-120."""
    before, sent = rows(), len(outbox)
    rival.hold()

    answer = CALLS[call][0](API(APIClient()), *started)

    assert answer.status_code == 503
    if call == "callback":
        assert answer["Retry-After"] == "5"
    else:
        assert answer.json() == {
            "detail": "The service is busy. Please try again in a moment.",
            "code": "delivery_unavailable",
        }
        assert answer["Retry-After"] == "1"
    assert rival.refused == 3
    rival.let_go()
    assert rows() == before
    assert len(outbox) == sent


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_is_refused_twice_is_done_once(rival, started, outbox, call):
    """R-102, R-120."""
    rival.patience = 2
    rival.hold()

    act, status = CALLS[call]
    answer = act(API(APIClient()), *started)

    assert (answer.status_code, rival.refused) == (status, 2)
    challenge = OTPChallenge.objects.get(pk=started[0].pk)
    sends = SendLog.objects.filter(challenge=challenge)
    assert len(outbox) == SendLog.objects.count() == (2 if call in ("start", "resend") else 1)
    assert challenge.sends == sends.count()
    assert challenge.attempts == (1 if "code" in call else 0)
    assert challenge.status == {"the right code": "verified", "cancel": "canceled"}.get(call, "pending")
    assert {send.status for send in sends} == {"delivered" if call == "callback" else "submitted"}


def test_a_proof_is_not_used_up_by_a_redeem_that_was_refused(rival, started):
    """R-022, R-120."""
    token = challenges.verify(started[0].pk, started[1]).token
    rival.hold()
    with pytest.raises(DatabaseBusy):
        challenges.redeem(token, purpose="verify")
    rival.let_go()

    assert challenges.redeem(token, purpose="verify").pk == started[0].pk


def test_a_worker_that_could_not_claim_a_send_may_come_again(rival, configure, outbox):
    """R-086, R-120."""
    configure(DISPATCH="tests.test_isolation.nobody")
    send = challenges.start(NUMBER).newest_send
    rival.hold()
    with pytest.raises(DatabaseBusy):
        delivery.deliver(send.pk)
    rival.let_go()
    assert outbox == []

    delivery.deliver(send.pk)
    delivery.deliver(send.pk)

    assert len(outbox) == 1


def test_a_worker_that_could_not_look_at_a_number_leaves_its_sms_in_the_queue(rival, configure, outbox):
    """R-086, R-120."""
    configure(DISPATCH="tests.test_isolation.nobody")
    send = challenges.start(NUMBER).newest_send

    def away(execute, sql, params, many, context):
        if "kaleyra_otp_blockedprefix" in sql:
            raise OperationalError("gone away")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away), pytest.raises(DatabaseBusy):
        delivery.deliver(send.pk)
    send.refresh_from_db()
    assert send.status == "queued"

    delivery.deliver(send.pk)

    assert len(outbox) == 1


def test_a_purge_is_tried_again_too(rival):
    """R-120."""
    aged.send(aged.OLD, of=aged.started(aged.OLD))
    rival.hold()
    with pytest.raises(DatabaseBusy):
        retention.purge()
    rival.let_go()
    rival.refused, rival.patience = 0, 2
    rival.hold()

    assert retention.purge().total == 2


@contextlib.contextmanager
def heard(signal, receiver):
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


@pytest.mark.parametrize(("patience", "status"), [(2, "delivered"), (3, "submitted")])
def test_an_sms_that_left_is_no_failure_though_its_updates_cannot_be_joined(
    rival, configure, outbox, patience, status
):
    """R-079, R-120: after the answer was written down, a 503 would have the SMS asked for again."""
    configure(BACKEND="tests.test_crossing.HastyBackend")
    rival.patience = patience
    with heard(signals.sms_submitted, lambda **_: rival.hold()):
        answer = API(APIClient()).start(NUMBER)

    assert (answer.status_code, answer.json()["delivery"]["status"]) == (201, "sent")
    assert rival.refused == patience
    assert SendLog.objects.get().status == status


def test_money_is_given_back_once_though_the_database_refuses_in_between(rival, configure):
    """R-120: one bucket was given back before the other's turn was refused."""
    limits = [{"scope": "country", "rate": "9/d"}, {"scope": "global", "rate": "9/d"}]
    configure(**{**NO_LIMITS, "LIMITS": limits}, BACKEND="tests.playing.Refusing")
    given_back = []

    def second(sql):
        if sql.startswith("UPDATE") and "kaleyra_otp_ratelimit" in sql:
            given_back.append(sql)
        return len(given_back) == 2

    rival.at, rival.patience = second, 1
    answer = API(APIClient()).start(NUMBER)

    assert answer.status_code == 502
    assert rival.refused == 1
    (country, everything) = RateLimit.objects.values_list("tat", flat=True)
    assert country == everything
