"""The order in which a transaction of ours locks rows; docs/topics/concurrency.rst writes it down."""

from __future__ import annotations

import contextlib
import itertools
import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_kaleyra_otp import challenges, conversion, delivery, recovery, retention
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests import aged
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import SECRET, later

ORDER = ["ratelimit", "otpchallenge", "sendlog", "statusupdate", "alarm", "blockedprefix"]
WRITE = re.compile(r"(INSERT(?: OR IGNORE| IGNORE)? INTO|UPDATE|DELETE FROM) .?kaleyra_otp_(\w+)")


def transactions(queries):
    """Return the statements of each transaction; one outside of any is a transaction of its own."""
    found, inside = [], False
    for sql in (query["sql"] for query in queries):
        if sql.startswith("BEGIN"):
            found.append([])
            inside = True
        elif sql.startswith(("COMMIT", "ROLLBACK")):
            inside = False
        elif inside:
            found[-1].append(sql)
        else:
            found.append([sql])
    return [each for each in found if each]


def nobody(send_log_id):
    """A queue that no worker reads."""


class World:
    """A challenge that may be sent again, its code, and its SMS."""

    def __init__(self, outbox, configure, user):
        self.outbox, self.configure, self.user = outbox, configure, user
        self.challenge = challenges.start(NUMBER, user=user, ip="192.0.2.1")
        self.code, self.send = code_in(outbox[-1]), self.challenge.newest_send
        later(31)

    def callback(self, status="DELIVRD", message_id=None):
        told = {"id": message_id or self.send.message_id, "status": status, "recipient": NUMBER}
        return Client().post("/otp/webhook/", told, "application/json", headers=SECRET)


def deliver(world):
    world.configure(DISPATCH="tests.test_lock_order.nobody")
    delivery.deliver(challenges.start(OTHER).newest_send.pk)


def be_refused(world):
    limits = [{"scope": scope, "rate": "9/d"} for scope in ("country", "global")]
    world.configure(BACKEND="tests.playing.Refusing", LIMITS=limits)
    challenges.start(OTHER)


def purge(world):
    for status in ("pending", "verified"):
        aged.update(aged.OLD, of=aged.send(aged.OLD, of=aged.started(aged.OLD, status=status)))
    aged.update(2)
    retention.purge()


def reconcile(world):
    """With something to do for each of its steps."""
    world.configure(DISPATCH="tests.test_lock_order.nobody", LIMITS=[], RESEND_COOLDOWN=0)
    stuck = [challenges.start(f"+9198765{number:05d}").newest_send.pk for number in range(5)]
    past = world.send.created_at - timedelta(seconds=70)
    SendLog.objects.filter(pk__in=stuck).update(created_at=past)
    OTPChallenge.objects.filter(send_logs=stuck[1]).update(expires_at=past)
    SendLog.objects.filter(pk=stuck[2]).update(status="sending", rank=1, claimed_at=past)
    SendLog.objects.filter(pk=stuck[3]).update(status="unknown", rank=2)
    SendLog.objects.filter(pk=stuck[4]).update(status="submitted", rank=3, message_id="a message")
    waits = aged.update(0)
    waits.phone_number, waits.message_id, waits.delivery_status = "919876500003", "another", "sent"
    waits.save()
    missed = aged.update(0)
    missed.message_id, missed.delivery_status = "a message", "sent"
    missed.save()
    aged.update(2)
    done = recovery.reconcile(pull=False)
    assert (done.delivered, done.given_up, done.lost, done.joined, done.healed, done.dropped) == (1,) * 6


def trip(world):
    """Codes of half an hour ago that arrived and that nobody used: the guard closes their series."""
    for _ in range(25):
        aged.send(0.02, of=aged.started(0.02))
    assert conversion.watch(timezone.now()) == (1, 0)


CALLS = {
    "start": lambda world: challenges.start(OTHER, idempotency_key="0123456789abcdef"),
    "start of a known user": lambda world: challenges.start(NUMBER, user=world.user, known=True),
    "start that is limited": lambda world: [challenges.start(OTHER) for _ in range(2)],
    "start that is refused": be_refused,
    "send_code": lambda world: delivery.send_code(OTHER, "482913", ip="192.0.2.1"),
    "deliver": deliver,
    "resend": lambda world: challenges.resend(world.challenge.pk, ip="192.0.2.1"),
    "wrong code": lambda world: challenges.verify(world.challenge.pk, wrong(world.code)),
    "right code": lambda world: challenges.verify(world.challenge.pk, world.code),
    "redeem": lambda world: challenges.redeem(
        challenges.verify(world.challenge.pk, world.code).token, purpose="verify"
    ),
    "cancel": lambda world: challenges.cancel(world.challenge.pk),
    "callback": lambda world: [world.callback("SENT"), world.callback(), world.callback()],
    "callback of nobody": lambda world: world.callback(message_id=str(uuid.uuid4())),
    "purge": purge,
    "reconcile": reconcile,
    "a trip of the guard": trip,
}


@pytest.fixture
def seen(transactional_db, outbox, configure, user):
    """``seen("start")``: the statements of a call, by transaction."""

    def run(call):
        world = World(outbox, configure, user)
        with CaptureQueriesContext(connection) as context, contextlib.suppress(KaleyraOTPError):
            CALLS[call](world)
        return transactions(context.captured_queries)

    return run


@pytest.mark.parametrize("call", CALLS)
def test_every_transaction_locks_tables_in_one_order(seen, call):
    """R-121: so that no two of them wait for each other crosswise."""
    written = [[WRITE.match(sql) for sql in each] for each in seen(call)]
    tables = [[found[2] for found in each if found] for each in written]

    assert any(tables)
    for each in tables:
        assert [ORDER.index(name) for name in each] == sorted(ORDER.index(name) for name in each)


@pytest.mark.parametrize("call", CALLS)
def test_every_transaction_opens_with_a_write(seen, call):
    """R-119: one that opens with a read cannot wait for SQLite's lock, and fails at once."""
    for first, *more in seen(call):
        assert not more or WRITE.match(first), first


def test_every_charge_locks_its_rows_in_one_order(transactional_db, configure, outbox, user):
    """R-121: whoever asks, from wherever: what two charges share, they lock in the same order."""
    scopes = ("global", "country", "block", "ip", "user", "phone")
    configure(LIMITS=[{"scope": scope, "rate": f"{n}/d"} for n in (99, 98) for scope in scopes])
    charges = []

    def see(execute, sql, params, many, context):
        if sql.startswith("INSERT") and "kaleyra_otp_ratelimit" in sql:
            charges.append([value for value in params if isinstance(value, str)])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        for number, known, ip in itertools.product((NUMBER, OTHER), (False, True), ("192.0.2.1", None)):
            challenge = challenges.start(number, user=user, known=known, ip=ip)
            later(31)
            challenges.resend(challenge.pk, ip="192.0.2.2")
            later(31)
        delivery.send_code(NUMBER, "482913", ip="192.0.2.1", user=user)

    before = {pair for keys in charges for pair in itertools.combinations(keys, 2)}
    assert len(charges) == 17
    assert not {(one, other) for one, other in before if (other, one) in before}
