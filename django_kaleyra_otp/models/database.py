"""Which database decides, and what is tried again when it is busy."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from django.apps import apps
from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    models,
    router,
    transaction,
)

from django_kaleyra_otp import events
from django_kaleyra_otp.exceptions import DatabaseBusy

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Rows = TypeVar("Rows", bound=models.QuerySet[Any])

TRIES = 3

_INSTANT = models.DateTimeField()

#: A deadlock, a lock time-out; a row newer than the snapshot (MariaDB, ``innodb_snapshot_isolation``).
#: Source: MySQL and MariaDB error references.
_MYSQL_BUSY = {1020, 1205, 1213}
#: serialization_failure, deadlock_detected, lock_not_available. Source: PostgreSQL, appendix A.
_SQLSTATE_BUSY = {"40001", "40P01", "55P03"}


def alias() -> str:
    """Return the alias of the one database that our tables live in and every decision is read from."""
    return router.db_for_write(apps.get_model("kaleyra_otp", "OTPChallenge"))


def in_outer_transaction() -> bool:
    """Return whether the caller's own ``atomic`` block is open; a ``TestCase``'s does not count."""
    # the mark is the one that atomic(durable=True) looks at
    return any(not getattr(block, "_from_testcase", False) for block in connections[alias()].atomic_blocks)


@contextlib.contextmanager
def atomic() -> Iterator[None]:
    """Run a transaction of ours; on PostgreSQL at READ COMMITTED, whatever ``OPTIONS`` says.

    Each of our decisions is one conditional statement, which is right at that level. At a higher one
    PostgreSQL refuses whoever waited for a row, and every start is charged to the same few.
    """
    connection = connections[alias()]
    outermost = not connection.in_atomic_block
    with transaction.atomic(using=alias()):
        level = getattr(getattr(connection, "isolation_level", None), "name", "")
        if outermost and connection.vendor == "postgresql" and level in ("REPEATABLE_READ", "SERIALIZABLE"):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        yield


def newest(rows: Rows) -> Rows:
    """Have a query see who won, where an UPDATE of ours touched nothing.

    In a transaction of the caller's, MySQL and MariaDB at REPEATABLE READ show a plain read the rows as
    they were at its first one, while an UPDATE meets them as they are.
    """
    connection = connections[alias()]
    if connection.vendor == "mysql" and connection.in_atomic_block:
        return rows.select_for_update()
    return rows


def read(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run one SELECT as it is written, and return its rows as the driver has them.

    For the reads of every start and every callback: the ORM takes up to forty times as long to
    compose them. Takes ``%s`` for each parameter. Select texts, numbers and what is only asked for
    its truth: an instant comes back in another form from each database.
    """
    connection = connections[alias()]
    given = [
        _INSTANT.get_db_prep_value(value, connection) if isinstance(value, datetime) else value
        for value in params
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        return list(cursor.fetchall())


def marks(values: Sequence[Any]) -> str:
    """Return the parameters of an IN: ``%s, %s``."""
    return ", ".join(["%s"] * len(values))


def busy(error: BaseException) -> bool:
    """Return whether a database error is a lost race for a lock, good to be tried again as a whole."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.OperationalError):
        return "locked" in str(cause)
    if getattr(cause, "sqlstate", None) in _SQLSTATE_BUSY or getattr(cause, "pgcode", None) in _SQLSTATE_BUSY:
        return True
    return isinstance(error, OperationalError) and bool(error.args) and error.args[0] in _MYSQL_BUSY


def retried(step: Callable[P, T]) -> Callable[P, T]:
    """Try ``step``, a whole transaction or a lone statement, three times where the database is busy.

    Inside somebody's ``atomic`` it is tried once: the transaction is lost as a whole. Raises
    DatabaseBusy where the last try was refused too, or the database is away.
    """

    @functools.wraps(step)
    def trying(*args: P.args, **kwargs: P.kwargs) -> T:
        refused = ""
        for tried in range(1, TRIES + 1):
            try:
                return step(*args, **kwargs)
            except DatabaseError as error:
                refused = type(error).__name__
                if in_outer_transaction() or connections[alias()].in_atomic_block:
                    raise
                if not busy(error):
                    # PostgreSQL says the second where a failover left us a server that is read alone
                    if isinstance(error, (OperationalError, InternalError)):
                        break
                    raise
            except InterfaceError as error:
                refused = type(error).__name__
                break
            if tried < TRIES:
                logger.info("The database was busy; trying again.")
                time.sleep(random.uniform(0.005, 0.05) * tried)  # noqa: S311
        events.DATABASE_BUSY.log(error=refused)
        raise DatabaseBusy(retry_after=1)

    return trying
