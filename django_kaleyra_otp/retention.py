"""What is deleted, and when: rows past ``RETENTION``, updates that nobody claims, empty buckets; a number."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.core.exceptions import FieldError
from django.db import IntegrityError
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from django_kaleyra_otp import limits, lookup
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.guard import STRANGERS_COUNT_FOR
from django_kaleyra_otp.limits import Bucket
from django_kaleyra_otp.models import (
    Alarm,
    BlockedPrefix,
    ChallengeStatus,
    OTPChallenge,
    RateLimit,
    SendLog,
    StatusUpdate,
    database,
)
from django_kaleyra_otp.phones import Number

#: How long an update waits for its send.
ORPHANS_LIVE = timedelta(hours=24)
#: How long a bucket has to be empty. One that ran empty just now may be charged again at any moment, and
#: InnoDB takes the locks of a row's two indexes in one order for a charge and in the other for a DELETE.
EMPTY_FOR = timedelta(hours=1)
#: Primary keys that one transaction deletes. On PostgreSQL the check of a foreign key takes most of the
#: time; 5,000 challenges hold their locks for 0.1 s and more.
BATCH_SIZE = 2500
#: How long the database is left to others after each batch, in times of what the batch took.
REST = 1

Rows = QuerySet[Any]


@dataclass(slots=True)
class Purged:
    """How many rows of each table went, or would go."""

    updates: int = 0
    sends: int = 0
    challenges: int = 0
    limits: int = 0
    alarms: int = 0
    blocks: int = 0

    @property
    def total(self) -> int:
        """How many rows in all."""
        return sum(astuple(self))


def purge(
    *,
    days: int | None = None,
    batch_size: int = BATCH_SIZE,
    rest: int = REST,
    progress: Callable[[Purged], object] = lambda purged: None,
) -> Purged:
    """Delete what is older than ``days`` (else ``RETENTION``); return how many rows that were.

    Sends with their updates go first, then challenges, updates that no send claimed in 24 h, buckets
    that have been empty for an hour, alarms that were over by then, and blocks by the guard that had
    lapsed. One statement is one transaction and deletes at most ``batch_size`` primary keys, and after
    each batch the database is left to others for ``rest`` times as long as the batch took, so that
    live traffic hardly waits. Django's signals are not sent. ``progress`` is called after each batch
    with the counts so far.

    A challenge whose wrong guesses still count stays, without its sends.

    Raises DatabaseBusy where the database refused a statement three times; what went before is gone.
    """
    now = timezone.now()
    cutoff = _cutoff(now, days)
    purged = Purged()
    batches = partial(_batches, size=batch_size, rest=rest)
    for batch in batches(_sends(cutoff), "created_at"):
        _delete_sends(batch, batch_size, purged)
        progress(purged)
    # verified ones last: a success clears the wrong guesses before it, and so must outlive them
    for stale in (*_unverified(now, cutoff), _verified(cutoff)):
        for batch in batches(stale, "created_at"):
            # none is left, unless somebody else wrote to the tables
            _delete_sends(_read(_keys(SendLog, challenge__in=batch)), batch_size, purged)
            purged.challenges += _delete(OTPChallenge, Q(pk__in=batch))
            progress(purged)
    for batch in batches(_orphans(now), "pk"):
        purged.updates += _delete(StatusUpdate, Q(pk__in=batch, send_log__isnull=True))
        progress(purged)
    for batch in batches(_empty(now), "tat"):
        purged.limits += _delete(RateLimit, Q(pk__in=batch, tat__lt=limits.microseconds(now - EMPTY_FOR)))
        progress(purged)
    for batch in batches(_calm(cutoff), "cleared_at"):
        purged.alarms += _delete(Alarm, Q(pk__in=batch))
        progress(purged)
    for batch in batches(_lapsed(cutoff), "until"):
        purged.blocks += _delete(BlockedPrefix, Q(pk__in=batch, until__lt=cutoff))
        progress(purged)
    return purged


def count(*, days: int | None = None) -> Purged:
    """Return how many rows a ``purge`` would delete now; reads the tables, changes nothing."""
    now = timezone.now()
    cutoff = _cutoff(now, days)
    return Purged(
        updates=_rows(StatusUpdate).filter(send_log__created_at__lt=cutoff).count() + _orphans(now).count(),
        sends=_sends(cutoff).count(),
        challenges=sum(rows.count() for rows in (*_unverified(now, cutoff), _verified(cutoff))),
        limits=_empty(now).count(),
        alarms=_calm(cutoff).count(),
        blocks=_lapsed(cutoff).count(),
    )


def forget(phone_number: str) -> Purged:
    """Delete every row of one number (E.164), of whatever age, and return how many rows that were.

    Its challenges, with the wrong guesses that still count, its sends with their updates, updates that
    wait for a send and name it, and the buckets that are its own. A callback that is under way comes in
    as an update that waits, and is dropped within a day.

    Raises DatabaseBusy where the database refused a statement three times; what went before is gone.
    """
    purged = Purged()
    own = [bucket.key for bucket in _own_buckets(phone_number)]
    for batch in _batches(_rows(SendLog).filter(phone_number=phone_number), "created_at", BATCH_SIZE):
        _delete_sends(batch, BATCH_SIZE, purged)
    for batch in _batches(_rows(OTPChallenge).filter(phone_number=phone_number), "created_at", BATCH_SIZE):
        _close(batch)  # or a resend that comes between would write another send
        _delete_sends(_read(_keys(SendLog, challenge__in=batch)), BATCH_SIZE, purged)
        purged.challenges += _delete(OTPChallenge, Q(pk__in=batch))
    waiting = _rows(StatusUpdate).filter(send_log__isnull=True, phone_number=phone_number.lstrip("+"))
    for batch in _batches(waiting, "pk", BATCH_SIZE):
        purged.updates += _delete(StatusUpdate, Q(pk__in=batch))
    for start in range(0, len(own), BATCH_SIZE):
        purged.limits += _delete(RateLimit, Q(pk__in=own[start : start + BATCH_SIZE]))
    return purged


def _holders(phone_number: str) -> list[Any]:
    """Return the keys of a number's users: whom ``send_code`` took for known stands in no challenge."""
    try:
        return list(lookup.users_with(phone_number).values_list("pk", flat=True))
    except FieldError:
        return []  # USER_PHONE leads to no field: users of this project have no number


def _own_buckets(phone_number: str) -> Iterator[Bucket]:
    """Yield the buckets of a number alone: as strangers are counted, and as each of its users is."""
    known = _rows(OTPChallenge).filter(phone_number=phone_number, known=True)
    holders = [(True, user_id) for user_id in _holders(phone_number)]
    callers = {(False, None), *holders, *_read(known.values_list("known", "user_id").distinct())}
    rules = [rules.limits for rules in map(conf.purpose, conf.purpose_names()) if rules]
    for charged in (conf.LIMITS, *rules):
        for is_known, user_id in callers:
            buckets = limits.buckets_for(
                Number(phone_number, ""),
                charged,
                segments=1,
                ip=None,
                user_id=user_id,
                known=is_known,
                proven=True,
            )
            yield from (bucket for bucket in buckets if bucket.scope in ("phone", "cooldown"))


def _cutoff(now: datetime, days: int | None) -> datetime:
    return now - timedelta(days=conf.RETENTION if days is None else days)


def _rows(model: type[Model]) -> Rows:
    return model._default_manager.using(database.alias())


def _sends(cutoff: datetime) -> Rows:
    return _rows(SendLog).filter(created_at__lt=cutoff)


def _orphans(now: datetime) -> Rows:
    return _rows(StatusUpdate).filter(send_log__isnull=True, received_at__lt=now - ORPHANS_LIVE)


def _empty(now: datetime) -> Rows:
    return _rows(RateLimit).filter(tat__lt=limits.microseconds(now - EMPTY_FOR))


def _calm(cutoff: datetime) -> Rows:
    return _rows(Alarm).filter(cleared_at__lt=cutoff)


def _lapsed(cutoff: datetime) -> Rows:
    return _rows(BlockedPrefix).filter(automatic=True, until__lt=cutoff)


def _challenges(cutoff: datetime) -> Rows:
    """Return the challenges that were over before ``cutoff``, and so had their last send before it."""
    # created_at is the index, expires_at the point
    return _rows(OTPChallenge).filter(created_at__lt=cutoff, expires_at__lt=cutoff)


def _verified(cutoff: datetime) -> Rows:
    """Return the old successes. The wrong guesses that they clear were over before, so went before."""
    return _challenges(cutoff).filter(status=ChallengeStatus.VERIFIED)


def _unverified(now: datetime, cutoff: datetime) -> list[Rows]:
    """Return the old challenges without a success whose wrong guesses, if any, no longer count.

    Which count is ``guard.admit_failures``'s to say: those of a known caller until a success after
    them or an operator clears them, those of strangers for 30 days at most. Sets that have no row in
    common: PostgreSQL takes a second to compile what would name them all.
    """
    rows = _challenges(cutoff).exclude(status=ChallengeStatus.VERIFIED)
    lapsed = Q(known=False, created_at__lte=now - STRANGERS_COUNT_FOR)
    over = Q(attempts=0) | Q(failures_cleared_at__isnull=False) | lapsed
    success = _rows(OTPChallenge).filter(
        phone_number=OuterRef("phone_number"),
        purpose=OuterRef("purpose"),
        known=OuterRef("known"),
        verified_at__gte=Coalesce(OuterRef("last_attempt_at"), OuterRef("created_at")),
    )
    failed = rows.filter(
        Q(known=True) | Q(created_at__gt=now - STRANGERS_COUNT_FOR),
        attempts__gt=0,
        failures_cleared_at__isnull=True,
    )
    return [
        rows.filter(over),
        failed.filter(Exists(success), known=False),
        failed.filter(Exists(success.filter(user=OuterRef("user"))), known=True),
        failed.filter(Exists(success.filter(user__isnull=True)), known=True, user__isnull=True),
    ]


def _keys(model: type[Model], **which: Any) -> Rows:
    return _rows(model).filter(**which).values_list("pk", flat=True)


def _batches(rows: Rows, clock: str, size: int, rest: int = 0) -> Iterator[list[Any]]:
    """Yield the primary keys of ``rows``, oldest first; each batch must be gone when the next is asked for.

    Before it is, others have the database for ``rest`` times as long as the last batch took. The keys are
    read outside the transaction that deletes them: on SQLite one that opens with a read cannot wait for
    its lock.
    """
    page = rows.order_by(clock).values_list(clock, "pk")
    while found := _read(page[:size]):
        began = time.monotonic()
        yield [row[-1] for row in found]  # where the clock is the pk, Django 5.2.0 has one column
        time.sleep(rest * (time.monotonic() - began))
        # where the last batch ended: what lies before is gone or stays, and is not walked again
        page = rows.filter(**{f"{clock}__gte": found[-1][0]}).order_by(clock).values_list(clock, "pk")


@database.retried
def _read(rows: Rows) -> list[Any]:
    return list(rows)


def _delete_sends(batch: list[Any], size: int, purged: Purged) -> None:
    """Delete sends and their updates, and count them."""
    for tries_left in reversed(range(database.TRIES if batch else 0)):
        updates = _read(_keys(StatusUpdate, send_log__in=batch))
        for start in range(0, len(updates), size):
            purged.updates += _delete(StatusUpdate, Q(pk__in=updates[start : start + size]))
        try:
            purged.sends += _delete(SendLog, Q(pk__in=batch))
        except IntegrityError:
            # a callback came in between and found its send there still
            if not tries_left:
                raise
        else:
            return


@database.retried
def _close(batch: list[Any]) -> None:
    _rows(OTPChallenge).filter(pk__in=batch).update(status=ChallengeStatus.CANCELED)


@database.retried
def _delete(model: type[Model], which: Q) -> int:
    """Delete rows that nothing of ours refers to, in one statement; return how many there were."""
    rows = _rows(model).filter(which)
    if _is_referred_to(model):
        return rows.delete()[1].get(model._meta.label, 0)
    # delete() reads every row first where another table of ours could refer to it
    return rows._raw_delete(database.alias())


def _is_referred_to(model: type[Model]) -> bool:
    """Return whether a table of the project's own refers to ours: then its ``on_delete`` must be heard."""
    relations = model._meta.get_fields(include_hidden=True)
    return any(
        relation.auto_created
        and not relation.concrete
        and getattr(relation.related_model, "_meta", model._meta).app_label != model._meta.app_label
        for relation in relations
    )
