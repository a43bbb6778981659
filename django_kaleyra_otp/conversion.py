"""Is somebody pumping: codes that arrive in a series of numbers and that nobody ever types in.

A pumper earns by each SMS that reaches his numbers. So what counts is what was delivered and not
verified; what was not delivered is an outage, and never closes anything.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Substr

from django_kaleyra_otp import alarms
from django_kaleyra_otp.alarms import Finding
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.models import (
    Alarm,
    AlarmKind,
    BlockedPrefix,
    DeliveryStatus,
    SendLog,
    database,
)
from django_kaleyra_otp.phones import LONGEST_SERIES, series
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE
from django_kaleyra_otp.shapes.rules import Guard

#: Standard deviations to either side of a share: 95 % of the time the true one is between them.
Z = 1.96
#: When a send that was accepted and never reported as failed counts as delivered.
NO_RECEIPT = timedelta(hours=1)
#: Above ``MIN_CONVERSION`` by this, a country raises its alarm; nothing closes a country.
COUNTRY_MARGIN = 0.05
#: As long as any code may live.
LONGEST_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Tally:
    """Sends that count, and how many of them were verified."""

    sends: int = 0
    verified: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.sends + other.sends, self.verified + other.verified)

    @property
    def upper_bound(self) -> float:
        """The highest conversion (0 to 1) that these figures leave likely; see ``wilson``."""
        return wilson(self.verified, self.sends)[1]

    def is_low(self, rules: Guard, margin: float = 0.0) -> bool:
        """Return whether conversion is surely below ``MIN_CONVERSION``, by ``MIN_SENDS`` sends or more."""
        return self.sends >= rules.min_sends and self.upper_bound < rules.min_conversion + margin


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """Return the bounds (0 to 1) between which a share lies with 95 % confidence.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if not tries:
        return 0.0, 1.0
    share, square = hits / tries, Z * Z
    middle = share + square / (2 * tries)
    spread = Z * math.sqrt(share * (1 - share) / tries + square / (4 * tries * tries))
    return (middle - spread) / (1 + square / tries), (middle + spread) / (1 + square / tries)


def watch(now: datetime) -> tuple[int, int]:
    """Close the series that look pumped, raise the alarms, end those that are over.

    Returns how many alarms were raised and how many ended.
    """
    rules = conf.GUARD
    lapsed = _end_lapsed(now)
    findings = () if rules.mode == "off" else _findings(rules, now)
    raised, calmed = alarms.settle((AlarmKind.CONVERSION,), findings, now)
    return raised, lapsed + calmed


def by_series(now: datetime, rules: Guard) -> dict[tuple[str, str], Tally]:
    """Return the tally of each country and series within ``WINDOW``; after a trip, of what came since."""
    since = now - timedelta(seconds=rules.window)
    tallies = _tallies(_counted(now, since))
    for name, tripped_at in _trips(since):
        for country, subject in [key for key in tallies if key[1] == name]:
            later = _counted(now, tripped_at).filter(country=country, phone_number__startswith=name)
            tallies[country, subject] = _tallies(later).get((country, subject), Tally())
    return tallies


def _findings(rules: Guard, now: datetime) -> Iterator[Finding]:
    closed = set(_closed(now))
    tallies = {key: tally for key, tally in by_series(now, rules).items() if key[1] not in closed}
    # a block closes a series for every country that has numbers in it, so all of them have a say
    whole: dict[str, Tally] = defaultdict(Tally)
    for (_country, name), tally in tallies.items():
        whole[name] += tally
    pumped = {
        name: tally
        for name, tally in whole.items()
        if tally.is_low(rules) and not name.startswith(rules.allow)
    }
    for name, tally in pumped.items():
        yield Finding(AlarmKind.PUMPING, name, _figures(tally, rules), _block(name, tally, rules, now))
    countries: dict[str, Tally] = defaultdict(Tally)
    for (country, name), tally in tallies.items():
        if name not in pumped:
            countries[country] += tally
    for country, tally in countries.items():
        if tally.is_low(rules, COUNTRY_MARGIN):
            yield Finding(AlarmKind.CONVERSION, country, _figures(tally, rules, COUNTRY_MARGIN))


@database.retried
def _tallies(sends: QuerySet[SendLog]) -> dict[tuple[str, str], Tally]:
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    heads = sends.annotate(head=Substr("phone_number", 1, LONGEST_SERIES)).order_by()
    groups = heads.values("country", "head")
    for row in groups.annotate(sends=Count("pk"), verified=Count("challenge__verified_at")):
        tallies[row["country"], series(row["head"])] += Tally(row["sends"], row["verified"])
    return tallies


def _counted(now: datetime, since: datetime) -> QuerySet[SendLog]:
    """Return the sends that say something: delivered, as far as is known, and given their time."""
    delivered = Q(status=DeliveryStatus.DELIVERED) | Q(
        status__in=(DeliveryStatus.SUBMITTED, DeliveryStatus.SENT), submitted_at__lt=now - NO_RECEIPT
    )
    matured = Q(challenge__verified_at__isnull=False) | Q(challenge__expires_at__lte=now)
    sends = SendLog.objects.using(database.alias()).filter(delivered, matured, created_at__gt=since)
    # the second look at a time is for the planner, which then reads the challenges of the same days
    return sends.filter(challenge__created_at__gt=since - LONGEST_LIFE).exclude(route=TEST_ROUTE)


@database.retried
def _trips(since: datetime) -> list[tuple[str, datetime]]:
    """Return the series that tripped since then, and when they last did."""
    alarms = Alarm.objects.using(database.alias()).filter(kind=AlarmKind.PUMPING, raised_at__gt=since)
    return list(alarms.order_by().values_list("subject").annotate(last=Max("raised_at")))


@database.retried
def _closed(now: datetime) -> Iterable[str]:
    """Return the prefixes that the guard has closed for now."""
    blocks = BlockedPrefix.objects.using(database.alias()).standing(now).filter(automatic=True)
    return list(blocks.values_list("prefix", flat=True))


def _end_lapsed(now: datetime) -> int:
    """End the alarms of series that are open again, by time or by hand."""
    standing = alarms.standing((AlarmKind.PUMPING,))
    closed = set(_closed(now))  # read after them: an alarm that is seen has its block
    return sum(alarms.end(alarm, now) for alarm in standing if alarm.subject not in closed)


def _figures(tally: Tally, rules: Guard, margin: float = 0.0) -> dict[str, Any]:
    return {
        "sends": tally.sends,
        "min_sends": rules.min_sends,
        "verified": tally.verified,
        "upper_bound": round(tally.upper_bound, 4),
        "min_conversion": round(rules.min_conversion + margin, 4),
        "window": rules.window,
        "mode": rules.mode,
    }


def _block(name: str, tally: Tally, rules: Guard, now: datetime) -> BlockedPrefix:
    # not translated: it is stored, and read by others than who runs this
    reason = f"{tally.sends} codes arrived, {tally.verified} were used."
    return BlockedPrefix(
        prefix=name,
        reason=reason,
        until=now + timedelta(seconds=rules.block_time),
        automatic=True,
    )
