"""The races at the isolation levels that a project may have chosen for its database."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.exceptions import InvalidToken, KaleyraOTPError
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog, StatusUpdate
from tests.conftest import API, NUMBER, OTHER, code_in, wrong
from tests.playing import NO_LIMITS, SECRET, later, only

#: By Django's name of the engine. SQLite has one level, which is serializable.
LEVELS = {
    "postgresql": ["read committed", "repeatable read", "serializable"],
    "mysql": ["read committed", "repeatable read", "serializable"],
}
VENDOR = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]


def options_of(level):
    """Return what stands in ``OPTIONS`` for a level."""
    if VENDOR == "mysql":
        return {"isolation_level": level}
    if VENDOR == "sqlite3":
        return {}
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    # the first is for transactions, the second for statements outside of one
    return {
        "isolation_level": IsolationLevel[level.upper().replace(" ", "_")],
        "options": "-c default_transaction_isolation=" + level.replace(" ", r"\ "),
    }


@pytest.fixture(params=LEVELS.get(VENDOR, ["as it comes"]), autouse=True)
def level(request, transactional_db):
    """The isolation level of every connection of the test."""
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    options.update(options_of(request.param))
    connection.close()  # the next one has the level
    yield request.param
    options.clear()
    options.update(before)
    connection.close()


def body(answer):
    assert answer.status_code < 500, (answer.status_code, answer.content)
    return answer.json()


def word(answer):
    told = body(answer)
    return told.get("code", told.get("status"))


def test_of_twenty_wrong_guesses_at_once_five_are_looked_at(challenge, wrong_code, together):
    """R-011, R-120."""
    answers = together(20, lambda _: word(API(APIClient()).verify(challenge.pk, wrong_code)))

    assert Counter(answers) == {"invalid_code": 5, "max_attempts_reached": 15}
    challenge.refresh_from_db()
    assert (challenge.attempts, challenge.status) == (5, "max_attempts_reached")


def test_of_twenty_right_codes_at_once_one_succeeds(challenge, code, together):
    """R-012, R-120."""
    answers = together(20, lambda _: word(API(APIClient()).verify(challenge.pk, code)))

    assert Counter(answers) == {"verified": 1, "already_verified": 19}


def test_of_twenty_starts_of_one_number_at_once_one_sends(outbox, together):
    """R-048, R-120."""
    answers = together(20, lambda _: word(API(APIClient()).start(NUMBER)))

    assert Counter(answers) == {"pending": 1, "cooldown": 19}
    assert len(outbox) == SendLog.objects.count() == OTPChallenge.objects.count() == 1


def test_a_global_limit_of_ten_lets_ten_of_twenty_starts_through(configure, outbox, together):
    """R-054, R-120: twenty numbers, one row that all of them are charged to."""
    configure(**only("global", "10/d"))
    answers = together(20, lambda number: word(API(APIClient()).start(f"+9198765{number:05d}")))

    assert Counter(answers) == {"pending": 10, "rate_limited": 10}
    assert len(outbox) == SendLog.objects.count() == 10


def test_twenty_twins_of_one_idempotency_key_are_one_challenge(configure, outbox, together):
    """R-120."""
    configure(**NO_LIMITS)
    answers = together(20, lambda _: body(API(APIClient()).start(NUMBER, key="parallel-twins-0003")))

    assert len({answer["id"] for answer in answers}) == 1
    assert len(outbox) == OTPChallenge.objects.count() == 1


def test_twenty_resends_at_once_never_pass_the_bound(configure, challenge, outbox, together):
    """R-048, R-120."""
    configure(**NO_LIMITS)
    OTPChallenge.objects.update(max_sends=4)
    answers = together(20, lambda _: word(API(APIClient()).resend(challenge.pk)))

    assert Counter(answers) == {"pending": 3, "max_sends_reached": 17}
    assert len(outbox) == SendLog.objects.count() == 4


def test_of_twenty_redeems_at_once_one_gets_the_challenge(challenge, code, together):
    """R-022, R-120."""
    token = challenges.verify(challenge.pk, code).token

    def redeem(_):
        try:
            return challenges.redeem(token, purpose="verify").pk
        except InvalidToken:
            return None

    assert Counter(together(20, redeem)) == {challenge.pk: 1, None: 19}


def test_twenty_workers_of_one_queued_send_send_it_once(configure, outbox, together):
    """R-086, R-120."""
    configure(DISPATCH="tests.test_isolation.nobody")
    send = challenges.start(NUMBER).newest_send

    together(20, lambda _: delivery.deliver(send.pk))

    assert len(outbox) == 1
    send.refresh_from_db()
    assert send.status == "submitted"


def nobody(send_log_id):
    """A queue that no worker reads."""


def told_until_taken(called):
    """Call the webhook as Kaleyra does, again after a 503; returns the last answer."""
    for _ in range(5):
        answer = Client().post("/otp/webhook/", called, "application/json", headers=SECRET)
        if answer.status_code != 503:
            break
        time.sleep(0.2)
    return answer.status_code


def test_callbacks_and_guesses_of_five_sms_at_once_lose_nothing(configure, outbox, together):
    """R-102, R-120: at SERIALIZABLE, PostgreSQL may refuse a callback three times; Kaleyra calls again."""
    configure(**NO_LIMITS)
    started = [challenges.start(f"+9198765{number:05d}") for number in range(5)]
    codes = {sms.to: code_in(sms) for sms in outbox}
    told = ["BUFFERED", "SENT", "DELIVRD"]
    work = list(itertools.product(started, [*told, "guess"]))

    def act(number):
        challenge, what = work[number % len(work)]
        if what == "guess":
            return word(API(APIClient()).verify(challenge.pk, wrong(codes[challenge.phone_number])))
        send = challenge.newest_send
        return told_until_taken({"id": send.message_id, "status": what, "recipient": send.phone_number})

    answers = Counter(together(2 * len(work), act))

    assert answers == {204: 30, "invalid_code": 10}
    assert {challenge.attempts for challenge in OTPChallenge.objects.all()} == {2}
    assert set(SendLog.objects.values_list("status", flat=True)) == {"delivered"}
    assert StatusUpdate.objects.filter(send_log__isnull=False).count() == 15


def elsewhere(call):
    """Begin a call in a thread with a connection of its own, and return its future."""

    def act():
        try:
            return call()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(1)
    future = pool.submit(act)
    pool.shutdown(wait=False)
    return future


servers_only = pytest.mark.skipif(VENDOR == "sqlite3", reason="SQLite has one writer at a time")


def somebody_waits(cursor):
    """Return whether a statement on this database waits for somebody's lock."""
    if VENDOR == "postgresql":
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the same all along
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0
    cursor.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
    threads = {str(thread) for (thread,) in cursor.fetchall()}
    # information_schema.innodb_trx says the same, but to nobody who asks more often than ten times a second
    cursor.execute("SHOW ENGINE INNODB STATUS")
    parts = cursor.fetchone()[2].split("---TRANSACTION")[1:]
    waiting = [re.search(r"thread id (\d+)", part) for part in parts if "LOCK WAIT" in part]
    return any(found[1] in threads for found in waiting if found)


def until_somebody_waits():
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            if somebody_waits(cursor):
                return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waits for a lock")


@pytest.fixture
def tried_again(caplog):
    """``tried_again()``: how many tries followed one that was refused."""
    caplog.set_level("INFO", "django_kaleyra_otp.models.database")
    return lambda: sum("trying again" in record.getMessage() for record in caplog.records)


@servers_only
@pytest.mark.filterwarnings("ignore:challenges.verify:RuntimeWarning")
def test_a_guess_that_waited_for_another_is_counted_too(level, challenge, wrong_code, tried_again):
    """R-011, R-120: at the higher levels of PostgreSQL it is refused when its turn comes."""
    with transaction.atomic():
        challenges.verify(challenge.pk, wrong_code)
        other = elsewhere(lambda: challenges.verify(challenge.pk, wrong_code))
        until_somebody_waits()

    assert other.result(30).error == "invalid_code"
    challenge.refresh_from_db()
    assert challenge.attempts == 2
    assert tried_again() == (VENDOR == "postgresql" and level != "read committed")


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


@servers_only
@pytest.mark.parametrize("level", LEVELS.get(VENDOR, [])[:2], indirect=True)
def test_a_start_that_lost_a_deadlock_is_charged_and_sent_once(configure, outbox, tried_again):
    """R-102, R-120, R-121: somebody else locks what a start locks, crosswise."""
    configure(**only("global", "100/d", RESEND_COOLDOWN=30))
    challenges.start(NUMBER)
    later(31)
    (everybody, was), (cooldown, _) = RateLimit.objects.order_by("-tat").values_list("key", "tat")
    heavy = RateLimit.objects.bulk_create(RateLimit(key=f"heavy {n}", tat=n) for n in range(20))

    def start():
        if VENDOR == "postgresql":
            run("SET deadlock_timeout = '2s'")
        return challenges.start(NUMBER)

    with transaction.atomic():
        # to lose on MariaDB is for the one who wrote less, on PostgreSQL for the first to look for a deadlock
        for row in heavy:
            RateLimit.objects.filter(pk=row.pk).update(granted=1)
        if VENDOR == "postgresql":
            run("SET LOCAL deadlock_timeout = '60s'")
        RateLimit.objects.filter(pk=everybody).update(granted=1)
        other = elsewhere(start)
        until_somebody_waits()
        RateLimit.objects.filter(pk=cooldown).update(granted=1)

    assert other.result(30).status == "pending"
    assert tried_again() == 1
    assert len(outbox) == SendLog.objects.count() == 2
    assert RateLimit.objects.get(pk=everybody).tat - was == 86_400_000_000 // 100


def word_of(call):
    try:
        return call()
    except KaleyraOTPError as error:
        return error.code


KEY = "parallel-twins-0004"

#: What somebody else does, what is then tried in a transaction that began before, and what that answers.
LOSERS = {
    "verify": (
        lambda challenge, code: challenges.cancel(challenge.pk),
        lambda challenge, code: challenges.verify(challenge.pk, code).error,
        "canceled",
    ),
    "cancel": (
        lambda challenge, code: challenges.verify(challenge.pk, code),
        lambda challenge, code: challenges.cancel(challenge.pk),
        "already_verified",
    ),
    "resend": (
        lambda challenge, code: challenges.cancel(challenge.pk),
        lambda challenge, code: challenges.resend(challenge.pk),
        "canceled",
    ),
    "start": (
        lambda challenge, code: challenges.start(OTHER),
        lambda challenge, code: challenges.start(OTHER),
        "cooldown",
    ),
    "twin": (
        lambda challenge, code: challenges.start(OTHER, idempotency_key=KEY),
        lambda challenge, code: challenges.start(OTHER, idempotency_key=KEY).phone_number,
        OTHER,
    ),
}


@servers_only
@pytest.mark.filterwarnings("ignore:challenges.verify:RuntimeWarning")
@pytest.mark.parametrize("loser", LOSERS)
def test_inside_a_transaction_the_loser_is_told_what_won(
    level, configure, challenge, code, outbox, django_user_model, loser
):
    """R-031, R-120: MariaDB shows a transaction the rows of its beginning, PostgreSQL refuses it."""
    if loser != "start":
        configure(**NO_LIMITS)
    first, then, told = LOSERS[loser]
    refused = VENDOR == "postgresql" and level != "read committed"
    with pytest.raises(DatabaseError) if refused else contextlib.nullcontext(), transaction.atomic():
        assert not django_user_model.objects.exists()  # its first read
        elsewhere(lambda: first(challenge, code)).result(30)

        answer = word_of(lambda: then(challenge, code))

    if not refused:
        assert answer == told
    assert len(outbox) == OTPChallenge.objects.count() == SendLog.objects.count()
