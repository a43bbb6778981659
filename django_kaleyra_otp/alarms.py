"""Alarms: raised once, seen again for as long as the cause lasts, and ended once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError

from django_kaleyra_otp import events, signals
from django_kaleyra_otp.models import Alarm, AlarmKind, BlockedPrefix, database

#: How long a cause must be gone before its alarm is over, so that one that flickers is one alarm.
CALM = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause for an alarm: what was seen of whom, and the figures that say so; a block that it asks for."""

    kind: AlarmKind
    subject: str
    figures: dict[str, Any] = field(default_factory=dict)
    block: BlockedPrefix | None = None

    @property
    def key(self) -> str:
        """What no two alarms that stand have in common."""
        return f"{self.kind}:{self.subject}"


def settle(kinds: Collection[AlarmKind], findings: Iterable[Finding], now: datetime) -> tuple[int, int]:
    """Raise what is new among the findings, and end the alarms of these kinds that none of them repeats.

    Returns how many were raised and how many ended. Safe with several at once: each alarm is raised,
    announced and ended by one of them.
    """
    before = {alarm.open_key: alarm for alarm in standing(kinds)}
    raised = cleared = 0
    for finding in findings:
        if alarm := before.pop(finding.key, None):
            _see_again(alarm, finding, now)
        elif _raise(finding, now):
            raised += 1
    for alarm in before.values():
        cleared += alarm.seen_at <= now - CALM and end(alarm, now)
    return raised, cleared


def end(alarm: Alarm, now: datetime) -> bool:
    """Say that an alarm is over; returns whether it stood until now."""
    rows = Alarm.objects.using(database.alias()).filter(pk=alarm.pk, open_key__isnull=False)
    if not _changed(lambda: rows.update(open_key=None, cleared_at=now)):
        return False
    alarm.open_key, alarm.cleared_at = None, now
    events.ALARM_CLEARED.log(**_told(alarm))
    signals.alarm_cleared.send_robust(Alarm, alarm=alarm)
    return True


@database.retried
def standing(kinds: Collection[AlarmKind]) -> list[Alarm]:
    """Return the alarms of these kinds that are not over."""
    return list(Alarm.objects.using(database.alias()).filter(open_key__isnull=False, kind__in=kinds))


def _see_again(alarm: Alarm, finding: Finding, now: datetime) -> None:
    rows = Alarm.objects.using(database.alias()).filter(pk=alarm.pk)
    _changed(lambda: rows.update(seen_at=now, figures=finding.figures))


def _raise(finding: Finding, now: datetime) -> bool:
    """Store and announce a new alarm, its block with it; returns False where another did so first."""
    alarm = Alarm(
        kind=finding.kind,
        subject=finding.subject,
        figures=finding.figures,
        raised_at=now,
        seen_at=now,
        open_key=finding.key,
    )
    try:
        _store(alarm, finding.block)
    except IntegrityError:
        return False
    events.ALARM_RAISED.log(**_told(alarm))
    signals.alarm_raised.send_robust(Alarm, alarm=alarm)
    if finding.block:
        signals.guard_tripped.send_robust(BlockedPrefix, blocked_prefix=finding.block)
    return True


@database.retried
def _store(alarm: Alarm, block: BlockedPrefix | None) -> None:
    with database.atomic():
        for row in (alarm, block):
            if row is not None:
                row.pk = None  # a try before may have given it one
                row.save(using=database.alias(), force_insert=True)


@database.retried
def _changed(update: Callable[[], int]) -> bool:
    return update() == 1


def _told(alarm: Alarm) -> dict[str, Any]:
    return {"kind": str(alarm.kind), "subject": alarm.subject, "figures": alarm.figures}
