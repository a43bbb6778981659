"""A challenge is started: limits as they come, inline, by the dummy backend."""

from __future__ import annotations

import itertools
import secrets

from django.db import connection

from benchmarks.measure import Call, Case

_FIRST = secrets.randbelow(10**8)
_count = itertools.count()


def number() -> str:
    """Return an Indian mobile number that was not used in this run, its block far from the last one's."""
    return f"+9198{(_FIRST + next(_count) * 10_007) % 10**8:08d}"


def starts(root: str, n: int) -> list[Call]:
    """Return n starts, each of a new number and from a new address."""
    return [
        Call(
            method="POST",
            path=f"/{root}/challenges/",
            body={"phone_number": number()},
            headers={"X-Forwarded-For": f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"},
            status=201,
            says=b'"pending"',
        )
        for i in itertools.islice(_count, n)
    ]


#: Three reads, the charge and two INSERTs, an UPDATE and the waiting updates; MySQL reads the charge back.
MOST = 9 if connection.vendor == "mysql" and not getattr(connection, "mysql_is_mariadb", False) else 8

CASES = [
    Case(
        name="start",
        ours=lambda n: starts("otp", n),
        floor=lambda n: starts("floor", n),
        budget=1.50,
        statements=MOST,
    )
]
