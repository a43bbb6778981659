"""How many SMS: GCRA, all buckets of a send charged in one statement, or none.

A bucket of ``N/P`` allows a burst of N, refilled evenly, so at most 2N-1 in any P. Its row holds the
theoretical arrival time (tat). One unit costs P/N; a charge is granted where the tat after it is at
most P ahead of now. Rows are sorted, those that everybody shares last, so that two charges never wait
for each other crosswise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, F, Value
from django.utils.crypto import salted_hmac

from django_kaleyra_otp import client_ip
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import Cooldown, RateLimited
from django_kaleyra_otp.models import RateLimit, database
from django_kaleyra_otp.phones import Number
from django_kaleyra_otp.shapes import Limit

T = TypeVar("T")

SECOND = 1_000_000

#: Cold scopes first. ``cooldown`` is ours; the others are those of ``LIMITS``.
HEAT = ("cooldown", "phone", "user", "ip", "block", "country", "global")
#: A bucket further ahead of its end than this was charged by a clock that was wrong.
WRONG_CLOCK = 86_400 * SECOND
#: Charged in SMS segments, for they are money; given back where an SMS surely was not accepted.
MONEY = ("country", "global")


@dataclass(frozen=True, slots=True)
class Bucket:
    """One row to charge; ``cost`` and ``size`` in µs."""

    scope: str
    key: str
    cost: int
    size: int


class Full(Exception):
    """Some bucket had no room; raised inside the transaction that it undoes."""

    def __init__(self, buckets: Sequence[Bucket], now: datetime) -> None:
        self.buckets, self.now = buckets, now
        super().__init__("A limit is reached.")


def microseconds(instant: datetime) -> int:
    """Return µs since 1970, UTC."""
    return round(instant.timestamp() * SECOND)


def buckets_for(
    number: Number,
    limits: Iterable[Limit],
    *,
    segments: int,
    ip: str | None,
    user_id: Any,
    known: bool,
    proven: bool,
) -> list[Bucket]:
    """Return the buckets that one SMS is charged to, in the order in which rows are locked.

    Takes ``ip`` as None where there is no request at all; ``known``, whether the caller counts apart
    from strangers; ``proven``, whether the number had a success lately, which frees it from ``block``.
    """
    person = f"{number.e164}|{user_id}" if known else number.e164
    subjects = {
        "phone": person,
        "ip": None if ip is None else client_ip.network(ip),
        "user": None if user_id is None else str(user_id),
        "block": None if proven else number.block,
        "country": number.country,
        "global": "",
    }
    found = {}
    cooldown = conf.RESEND_COOLDOWN
    for limit in (*limits, Limit("cooldown", 1, cooldown * SECOND)):
        subject = person if limit.scope == "cooldown" else subjects[limit.scope]
        if subject is None or not limit.period:
            continue
        units = segments if limit.scope in MONEY else 1
        unit = -(-limit.period // limit.count)
        key = key_of(limit, subject)
        found[key] = Bucket(limit.scope, key, units * unit, limit.count * unit)
    return sorted(found.values(), key=lambda bucket: (HEAT.index(bucket.scope), bucket.key))


def key_of(limit: Limit, subject: str) -> str:
    """Return the key of a limit's bucket for one subject: a number, an address, a country.

    What a limit in money is of is no secret, and a new ``SECRET_KEY`` leaves what was spent as it is.
    """
    name = f"{limit.scope}|{limit.count}|{limit.period}|{subject}"
    if limit.scope in MONEY:
        return hashlib.sha256(name.encode()).hexdigest()[:32]
    return salted_hmac("kaleyra_otp.limit", name, algorithm="sha256").hexdigest()[:32]


def charge(buckets: Sequence[Bucket], now: datetime) -> None:
    """Charge every bucket, inside the caller's transaction; raises Full where one has no room."""
    if not buckets:
        return
    at = microseconds(now)
    if any(bucket.cost > bucket.size for bucket in buckets):
        raise Full(buckets, now)
    rows: list[Any] = []
    for bucket in buckets:
        rows += (bucket.key, at + bucket.cost, at + bucket.size)
    connection = connections[database.alias()]
    with connection.cursor() as cursor:
        if _charge_rows(connection, cursor, len(buckets), rows, at) != len(buckets):
            raise Full(buckets, now)


def _charge_rows(connection: BaseDatabaseWrapper, cursor: Any, count: int, rows: list[Any], at: int) -> int:
    """Run the one statement and return how many rows it granted.

    A new row's ``granted`` brings the highest tat that its bucket allows.
    """
    quote = connection.ops.quote_name
    table, key, tat, granted = (quote(name) for name in (RateLimit._meta.db_table, "key", "tat", "granted"))
    values = ", ".join(["(%s, %s, %s)"] * count)
    insert = f"INSERT INTO {table} ({key}, {tat}, {granted}) VALUES {values} "  # noqa: S608
    if connection.vendor == "mysql":
        # SET runs from left to right: granted must come first, and tat reads it
        insert += (
            f"ON DUPLICATE KEY UPDATE "
            f"{granted} = IF({tat} + VALUES({tat}) - %s <= VALUES({granted}), VALUES({granted}), 0), "
            f"{tat} = IF({granted} > 0, GREATEST({tat} + VALUES({tat}) - %s, VALUES({tat})), {tat})"
        )
        if getattr(connection, "mysql_is_mariadb", False):
            cursor.execute(f"{insert} RETURNING {granted}", [*rows, at, at])
        else:
            cursor.execute(insert, [*rows, at, at])
            marks = ", ".join(["%s"] * count)
            cursor.execute(f"SELECT {granted} FROM {table} WHERE {key} IN ({marks})", rows[::3])  # noqa: S608
        return sum(1 for (left,) in cursor.fetchall() if left)
    greatest = "MAX" if connection.vendor == "sqlite" else "GREATEST"
    after = f"{table}.{tat} + excluded.{tat} - %s"
    cursor.execute(
        f"{insert}ON CONFLICT ({key}) DO UPDATE "
        f"SET {tat} = {greatest}({after}, excluded.{tat}), {granted} = excluded.{granted} "
        f"WHERE {after} <= excluded.{granted}",
        [*rows, at, at],
    )
    return int(cursor.rowcount)


def or_refuse(charging: Callable[[], T]) -> T:
    """Run a transaction that charges; raises RateLimited where a bucket had no room."""
    try:
        return charging()
    except Full as error:
        full = error
    raise refusal(full)


@database.retried
def refusal(full: Full) -> RateLimited:
    """Return the exception for a charge that was undone: which word, and whole seconds to wait."""
    at = microseconds(full.now)
    rows = RateLimit.objects.using(database.alias()).filter(key__in=[each.key for each in full.buckets])
    tats = dict(database.newest(rows).values_list("key", "tat"))
    waits: dict[str, int] = {}
    for bucket in full.buckets:
        if bucket.cost > bucket.size:
            return _of_scope(RateLimited(), bucket.scope)
        tat = tats.get(bucket.key, at)
        if tat > at + bucket.size + WRONG_CLOCK:
            tat = _pull_in(bucket, at)
        wait = tat + bucket.cost - bucket.size - at
        if wait > 0:
            waits[bucket.scope] = max(wait, waits.get(bucket.scope, 0))
    seconds = math.ceil(max(waits.values(), default=SECOND) / SECOND)
    longest = max(waits, key=lambda scope: waits[scope], default="")
    kind = Cooldown if set(waits) == {"cooldown"} else RateLimited
    return _of_scope(kind(retry_after=seconds), longest)


def _pull_in(bucket: Bucket, at: int) -> int:
    """Make a bucket that a wrong clock charged full as of now, neither closed for years nor empty."""
    full = at + bucket.size
    rows = RateLimit.objects.using(database.alias()).filter(key=bucket.key, tat__gt=full + WRONG_CLOCK)
    rows.update(tat=full)
    return full


def _of_scope(error: RateLimited, scope: str) -> RateLimited:
    error.scope = scope
    return error


def give_back(buckets: Iterable[Bucket]) -> None:
    """Give back the money of an SMS that surely was not accepted; the other scopes stay charged."""
    for bucket in buckets:
        if bucket.scope in MONEY:
            _give_back(bucket)


@database.retried
def _give_back(bucket: Bucket) -> None:
    rows = RateLimit.objects.using(database.alias()).filter(key=bucket.key)
    # typed: with server_side_binding, Django has PostgreSQL take a bare int for 32 bits, cut off
    rows.update(tat=F("tat") - Value(bucket.cost, output_field=BigIntegerField()))
