"""The plans of the hot statements, with many rows stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from benchmarks import callback, start, verify
from benchmarks.measure import Call, run
from django_kaleyra_otp import challenges
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog, StatusUpdate

MODELS = (OTPChallenge, SendLog, StatusUpdate, RateLimit, BlockedPrefix)
BATCH = 5000
#: A table with fewer rows may well be read as a whole.
SMALL = 1000


def explain(rows: int) -> bool:
    """Store rows, print the plans of each verb's statements, and return whether none reads a whole table."""
    store(rows)
    counts = ", ".join(f"{model._meta.db_table} {model.objects.count():,}" for model in MODELS)
    print(f"{counts}\n")
    good = True
    with override_settings(KALEYRA_OTP={**settings.KALEYRA_OTP, "RESEND_COOLDOWN": 0}):
        for name, step in verbs():
            with captured() as statements:
                step()
            print(name)
            for sql, params in statements:
                good = show(sql, params) and good
    print("\nNo statement reads a whole table." if good else "\n✗: reads a whole table.")
    return good


def store(rows: int) -> None:
    """Store that many challenges, sends, updates and buckets of 90 days; waiting updates; closed prefixes."""
    for done in range(0, rows, BATCH):
        age = timedelta(days=90) * ((done + BATCH) / (rows + BATCH))
        made = verify.challenges(min(BATCH, rows - done), age=age)
        now = timezone.now() - age
        StatusUpdate.objects.bulk_create(
            StatusUpdate(
                send_log_id=pk, message_id=message_id, status="DELIVRD", received_at=now, fingerprint=f"f{pk}"
            )
            for pk, message_id in SendLog.objects.filter(
                challenge__in=[challenge.pk for challenge in made]
            ).values_list("pk", "message_id")
        )
        RateLimit.objects.bulk_create(
            RateLimit(key=challenge.pk.hex, tat=int(now.timestamp() * 1_000_000)) for challenge in made
        )
    StatusUpdate.objects.bulk_create(
        StatusUpdate(message_id=f"waiting-{number}", status="SENT", fingerprint=f"w{number}")
        for number in range(2 * SMALL)
    )
    BlockedPrefix.objects.bulk_create(
        BlockedPrefix(prefix=f"+7{number:07d}", automatic=True) for number in range(2 * SMALL)
    )
    with connection.cursor() as cursor:
        for model in MODELS:
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"ANALYZE {'TABLE ' if connection.vendor == 'mysql' else ''}{table}")
            if connection.vendor == "mysql":
                cursor.fetchall()


def verbs() -> Iterator[tuple[str, Callable[[], object]]]:
    """Return each verb's name with a step that does it, the rows it needs made before."""
    keyed = start.starts("otp", 1)[0]
    headers = {**keyed.headers, "Idempotency-Key": "benchmark-benchmark"}
    keyed = Call(method="POST", path=keyed.path, body=keyed.body, headers=headers, status=201)
    yield "start, with an idempotency key", lambda: run(keyed)
    yield "start, the same again", lambda: run(keyed)
    look = verify.look("otp", 1)[0]
    yield "look", lambda: run(look)
    wrong, right = verify.ours(1, right=False)[0], verify.ours(1, right=True)[0]
    yield "verify, wrong code", lambda: run(wrong)
    yield "verify, right code", lambda: run(right)
    for_redeem = verify.challenges(1)[0]
    token = challenges.verify(for_redeem.pk, verify.code_of(for_redeem)).token or ""
    yield "redeem", lambda: challenges.redeem(token, purpose="verify")
    again, given_up = verify.challenges(2)
    yield "resend", lambda: challenges.resend(again.pk)
    yield "cancel", lambda: challenges.cancel(given_up.pk)
    known = callback.callbacks("otp", 1)[0]
    yield "webhook, known id", lambda: run(known)
    unknown = Call(
        method="POST",
        path=known.path,
        body={"id": "of-nothing", "status": "SENT"},
        headers=known.headers,
        status=204,
    )
    yield "webhook, unknown id", lambda: run(unknown)


@contextmanager
def captured() -> Iterator[list[tuple[str, Any]]]:
    """Gather statements that have a plan, each once, with their parameters."""
    seen: dict[str, Any] = {}

    def see(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
            seen.setdefault(sql, params)
        return execute(sql, params, many, context)

    statements: list[tuple[str, Any]] = []
    with connection.execute_wrapper(see):
        yield statements
    statements += seen.items()


def show(sql: str, params: Any) -> bool:
    """Print one plan; returns whether it reads no table as a whole."""
    how = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (COSTS OFF)"}.get(
        connection.vendor, "EXPLAIN"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{how} {sql}", params)
        names = [column[0] for column in cursor.description]
        plan = [line(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    print(f"  {' '.join(sql.split())[:100]}")
    good = True
    for text in plan:
        bad = reads_all(text)
        good = good and not bad
        print(f"    {'✗' if bad else ' '} {text}")
    return good


def line(row: dict[str, Any]) -> str:
    """Return one line of a plan, as each database words it."""
    if connection.vendor == "sqlite":
        return str(row["detail"])
    if connection.vendor == "postgresql":
        return str(row["QUERY PLAN"])
    return f"{row['type']} of {row['table']} by {row['key']}, about {row['rows']} rows; {row['Extra'] or ''}"


def reads_all(text: str) -> bool:
    """Return whether a line of a plan reads a whole table that is not small."""
    words = {"sqlite": "SCAN ", "postgresql": "Seq Scan on "}.get(connection.vendor, "ALL of ")
    large = [model._meta.db_table for model in MODELS if model.objects.count() > SMALL]
    return words in text and any(table in text for table in large)
