"""When an SMS leaves: after the commit of its rows, and of whatever transaction they stand in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.test import TestCase

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.backends import locmem
from django_kaleyra_otp.exceptions import Cooldown
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER, OTHER, code_in
from tests.playing import NO_LIMITS, SCRIPTED, Scripted, later
from tests.test_delivery import HELD


class Changed(Exception):
    """The caller thinks better of it."""


def undone(*steps):
    """Do it all in one transaction that is rolled back then."""
    with pytest.raises(Changed), transaction.atomic():
        change(*steps)


def change(*steps):
    for step in steps:
        step()
    raise Changed


def rows():
    return OTPChallenge.objects.count(), SendLog.objects.count()


@pytest.fixture
def outside(transactional_db):
    """No transaction but those of the code itself."""


def test_when_the_sms_leaves_its_rows_are_there_for_everybody(outside, configure):
    """R-079, S7: looked for from a second connection."""

    def look(sms):
        def count():
            try:
                return rows(), RateLimit.objects.exists()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(count).result())
        return "accepted:1"

    seen = []
    configure(**SCRIPTED)
    Scripted.script = [look]
    challenges.start(NUMBER)

    assert seen == [((1, 1), True)]


def test_inside_a_transaction_the_sms_leaves_after_the_commit(outside, outbox):
    """R-079, S7."""
    with transaction.atomic():
        challenge = challenges.start(NUMBER)
        with transaction.atomic():
            delivery.send_code(OTHER, "482913")
        assert not outbox

    assert [sms.to for sms in outbox] == [NUMBER, OTHER]
    assert challenges.verify(challenge.pk, code_in(outbox[0])).ok


def test_a_transaction_that_is_rolled_back_sends_nothing(outside, outbox):
    """R-079, S7: and nothing was charged."""
    undone(lambda: challenges.start(NUMBER), lambda: delivery.send_code(OTHER, "482913"))

    assert not outbox
    assert rows() == (0, 0)
    assert not RateLimit.objects.exists()


def test_a_savepoint_that_is_rolled_back_sends_nothing(outside, outbox):
    with transaction.atomic():
        undone(lambda: challenges.start(NUMBER))
        challenges.start(OTHER)

    assert [sms.to for sms in outbox] == [OTHER]


def test_a_resend_inside_a_transaction_leaves_after_the_commit(outside, outbox):
    challenge = challenges.start(NUMBER)
    later(31)
    with transaction.atomic():
        challenges.resend(challenge.pk)
        assert len(outbox) == 1

    assert len(outbox) == 2


def test_a_resend_that_is_rolled_back_sends_and_counts_nothing(outside, outbox):
    challenge = challenges.start(NUMBER)
    later(31)
    undone(lambda: challenges.resend(challenge.pk))

    assert len(outbox) == 1
    challenge.refresh_from_db()
    assert (challenge.sends, SendLog.objects.count()) == (1, 1)


@pytest.mark.parametrize("backend", ["Refusing", "Away", "Losing", "Breaking"])
def test_inside_a_transaction_a_send_that_fails_raises_nothing(outside, configure, backend):
    """The caller's own commit stands; the status tells."""
    configure(BACKEND=f"tests.playing.{backend}")
    with transaction.atomic():
        challenge = challenges.start(NUMBER)

    status = "failed" if backend in ("Refusing", "Away") else "unknown"
    assert challenges.look(challenge.pk).newest_send.status == status


def test_inside_a_transaction_a_refused_start_spoils_nothing_of_the_callers(outside, outbox):
    """R-048: what was charged for it is undone, what the caller wrote stays."""
    with transaction.atomic():
        first = challenges.start(NUMBER)
        with pytest.raises(Cooldown):
            challenges.start(NUMBER)
        challenges.start(OTHER)

    assert rows() == (2, 2)
    assert OTPChallenge.objects.filter(pk=first.pk).exists()
    assert len(outbox) == 2


def test_inside_a_transaction_a_queue_is_told_after_the_commit(outside, configure):
    """R-086: a worker never looks for a row that is not there yet."""
    HELD.clear()
    configure(DISPATCH="tests.test_delivery.hold")
    with transaction.atomic():
        challenges.start(NUMBER)
        assert HELD == []

    assert [SendLog.objects.get().pk] == HELD


def test_a_key_used_twice_inside_one_transaction_is_one_challenge(outside, configure, outbox):
    configure(**NO_LIMITS)
    with transaction.atomic():
        first = challenges.start(NUMBER, idempotency_key="0123456789abcdef")
        assert challenges.start(NUMBER, idempotency_key="0123456789abcdef") == first

    assert len(outbox) == 1


class InsideATestCase(TestCase):
    """Django's own test case wraps each test in a transaction, which is nobody's."""

    def test_the_sms_leaves_at_once(self):
        challenge = challenges.start(NUMBER)

        assert challenges.verify(challenge.pk, code_in(locmem.outbox[-1])).ok

    def test_a_transaction_of_the_callers_is_one_here_too(self):
        with self.captureOnCommitCallbacks(execute=True) as steps, transaction.atomic():
            challenges.start(NUMBER)
            assert not locmem.outbox

        assert len(steps) == 1
        assert len(locmem.outbox) == 1
