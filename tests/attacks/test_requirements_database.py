"""What is asked of the tables themselves: indexes for what is hot, and a way there and back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog, StatusUpdate
from tests import aged
from tests.conftest import NUMBER, code_in, wrong
from tests.playing import NO_LIMITS, SECRET, number

ROWS = 2000
#: What a plan says that reads a whole table.
WHOLE = {"sqlite": "SCAN ", "postgresql": "Seq Scan on ", "mysql": "ALL"}


MODELS = (OTPChallenge, SendLog, StatusUpdate, RateLimit, BlockedPrefix)
TABLES = {model._meta.db_table for model in MODELS}


def fill() -> None:
    """Store so many rows in each table, and have the database look at them."""
    then = timezone.now() - timedelta(days=3)
    like = aged.started(3)
    common = {field.attname: getattr(like, field.attname) for field in OTPChallenge._meta.fields[1:]}
    rows = []
    for n in range(ROWS):
        own = {"phone_number": number(n), "idempotency_digest": None if n % 10 else f"d{n}"}
        rows.append(OTPChallenge(**{**common, **own}))
    OTPChallenge.objects.bulk_create(rows)
    delivered = {"country": "IN", "status": "delivered", "rank": 99, "created_at": then}
    SendLog.objects.bulk_create(
        SendLog(challenge=row, phone_number=row.phone_number, message_id=f"m{n}", **delivered)
        for n, row in enumerate(rows)
    )
    StatusUpdate.objects.bulk_create(
        StatusUpdate(
            send_log_id=pk if n % 50 else None,  # few wait: of a table that waits as a whole, all is read
            message_id=f"{'mw'[n % 2]}{n}",
            status="SENT",
            fingerprint=f"f{n}",
            received_at=then,
        )
        for n, pk in enumerate(SendLog.objects.values_list("pk", flat=True)[:ROWS])
    )
    RateLimit.objects.bulk_create(RateLimit(key=f"k{n}", tat=0) for n in range(ROWS))
    BlockedPrefix.objects.bulk_create(BlockedPrefix(prefix=f"+7{n:06d}", automatic=True) for n in range(ROWS))
    # MariaDB commits by it: whoever calls this is in no transaction
    analyze = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
    for table in TABLES:
        with connection.cursor() as cursor:
            cursor.execute(f"{analyze} {table}")


@contextmanager
def captured() -> Iterator[dict[str, Any]]:
    """Gather the statements on our tables that have a plan, each once, with its parameters."""
    seen: dict[str, Any] = {}

    def see(execute, sql, params, many, context):
        if sql.startswith(("SELECT", "UPDATE", "DELETE")) and "kaleyra_otp_" in sql:
            seen.setdefault(sql, params)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        yield seen


def plan(sql: str, params: Any) -> list[str]:
    """Return the lines of a statement's plan; of MariaDB's and MySQL's, how each table is read."""
    how = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}.get(connection.vendor, "EXPLAIN")
    if connection.vendor == "mysql" and not connection.mysql_is_mariadb:
        how = "EXPLAIN FORMAT=TRADITIONAL"  # MySQL 9 draws a tree
    with connection.cursor() as cursor:
        cursor.execute(f"{how} {sql}", params)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    column = {"sqlite": "detail", "postgresql": "QUERY PLAN"}.get(connection.vendor, "type")
    return [str(row[column]) for row in rows]


def test_no_hot_statement_reads_a_whole_table(transactional_db, api, configure, outbox):
    """R-125: with two thousand rows in each table; ``make bench`` looks at the plans with a million."""
    configure(**NO_LIMITS)
    fill()
    with captured() as statements:
        started = api.start(key="a-key-of-one-caller").json()
        api.start(key="a-key-of-one-caller")
        api.look(started["id"])
        api.resend(started["id"])
        code = code_in(outbox[0])
        api.verify(started["id"], wrong(code))
        challenges.redeem(api.verify(started["id"], code).json()["token"], purpose="verify")
        api.cancel(challenges.start(NUMBER).pk)
        for message_id in (outbox[0].message_id, "of-nothing:1"):
            body = {"id": message_id, "status": "DELIVRD"}
            assert api.client.post("/otp/webhook/", body, "json", headers=SECRET).status_code == 204

    assert len(statements) >= 10
    for sql, params in statements.items():
        lines = plan(sql, params)
        assert not any(WHOLE[connection.vendor] in line for line in lines), (sql, lines)


def tables() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))


def test_the_tables_can_be_taken_away_and_made_again(transactional_db, outbox):
    """R-126."""
    challenges.start(NUMBER)
    try:
        call_command("migrate", "kaleyra_otp", "zero", stdout=io.StringIO())
        assert not TABLES & tables()
    finally:
        call_command("migrate", stdout=io.StringIO())

    assert tables() >= TABLES
    challenge = challenges.start(NUMBER)
    assert challenges.verify(challenge.pk, code_in(outbox[-1])).ok
    assert SendLog.objects.get().challenge == challenge


def test_nothing_is_left_to_migrate(db):
    """R-126: the migrations make the tables of the models."""
    call_command("makemigrations", "kaleyra_otp", check_changes=True, dry_run=True, stdout=io.StringIO())
