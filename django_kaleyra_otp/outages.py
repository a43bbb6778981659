"""Do the SMS arrive, and do the callbacks: judged beside the same sender's own last week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Substr

from django_kaleyra_otp import alarms
from django_kaleyra_otp.alarms import Finding
from django_kaleyra_otp.conversion import wilson
from django_kaleyra_otp.models import AlarmKind, DeliveryStatus, SendLog, Source, StatusUpdate, database
from django_kaleyra_otp.phones import LONGEST_SERIES, series
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE

#: What is judged: sends of the last hour that have had ten minutes to arrive.
RECENT, GIVEN = timedelta(hours=1), timedelta(minutes=10)
#: What it is held against.
BEFORE = timedelta(days=7)
#: With fewer sends, nothing is said of a route, a series or a country.
MIN_SENDS = 20
#: By how much the share that did not arrive must surely have grown.
GROWTH = 0.2
#: The share taken for one that has no week behind it.
STRANGE = 0.5
MISSED = ~Q(status=DeliveryStatus.DELIVERED)
#: How long a callback is waited for, and how many sends must have gone without any.
SILENT_AFTER, SILENT_SENDS = timedelta(minutes=15), 3


@dataclass(frozen=True, slots=True)
class Tally:
    """Sends that were accepted, and how many of them did not arrive."""

    sends: int = 0
    missed: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.sends + other.sends, self.missed + other.missed)

    @property
    def lower_bound(self) -> float:
        """The lowest share (0 to 1) that did not arrive which these figures leave likely; see ``wilson``."""
        return wilson(self.missed, self.sends)[0]

    def surely_above(self, share: float) -> bool:
        """Return whether more than this share (0 to 1) surely did not arrive."""
        return self.sends >= MIN_SENDS and self.lower_bound > share

    @property
    def share(self) -> float:
        """The share (0 to 1) that did not arrive; of too few sends, a guess."""
        return self.missed / self.sends if self.sends >= MIN_SENDS else STRANGE


def watch(now: datetime) -> tuple[int, int]:
    """Raise the alarms for what stopped arriving, and end those that are over.

    Returns how many alarms were raised and how many ended.
    """
    silent = silent_routes(now)
    silences = (Finding(AlarmKind.SILENCE, route, {"sends": sends}) for route, sends in silent.items())
    raised, cleared = alarms.settle((AlarmKind.SILENCE,), silences, now)
    # of a route that is not heard of, nothing is known
    more, calmed = alarms.settle((AlarmKind.OUTAGE,), _outages(now, silent), now)
    return raised + more, cleared + calmed


@database.retried
def silent_routes(now: datetime) -> dict[str, int]:
    """Return the routes whose sends of the last hour have had no callback at all, and how many sends."""
    told = StatusUpdate.objects.using(database.alias()).filter(
        send_log=OuterRef("pk"), source=Source.CALLBACK
    )
    sends = _accepted(now - RECENT, now - SILENT_AFTER)
    counted = (
        sends.order_by()
        .values_list("route")
        .annotate(sends=Count("pk"), heard=Count("pk", filter=Exists(told)))
    )
    return {route: count for route, count, heard in counted if count >= SILENT_SENDS and not heard}


def _outages(now: datetime, unheard: Collection[str]) -> Iterator[Finding]:
    """Yield one finding for each cause: a route where it fails in several countries, else a country."""
    by_route: dict[str, Tally] = defaultdict(Tally)
    by_country: dict[str, Tally] = defaultdict(Tally)
    by_series: dict[tuple[str, str], Tally] = defaultdict(Tally)
    routes_of: dict[str, set[str]] = defaultdict(set)
    for route, country, head, sends, missed in _grouped(_accepted(now - RECENT, now - GIVEN)):
        if route in unheard:
            continue
        tally = Tally(sends, missed)
        by_route[route] += tally
        by_country[country] += tally
        by_series[country, series(head)] += tally
        routes_of[country].add(route)
    ill: dict[str, dict[str, Any]] = {}
    for country, tally in by_country.items():
        if figures := _judged(tally, now, country=country):
            ill[country] = figures
    for (country, name), tally in by_series.items():
        if figures := _judged(tally, now, country=country, phone_number__startswith=name):
            its_country = ill.setdefault(country, _figures(by_country[country]))
            its_country.setdefault("series", {})[name] = figures
    for route, tally in by_route.items():
        within = {country for country in ill if routes_of[country] == {route}}
        if len(within) > 1 and (figures := _judged(tally, now, route=route)):
            yield Finding(AlarmKind.OUTAGE, f"route {route}", {**figures, "countries": sorted(within)})
            for country in within:
                del ill[country]
    for country, figures in ill.items():
        yield Finding(AlarmKind.OUTAGE, country, figures)


def _judged(tally: Tally, now: datetime, **whose: Any) -> dict[str, Any] | None:
    """Return the figures where surely more is missed than in the week before, else None.

    The week is read for suspects alone.
    """
    if not tally.surely_above(GROWTH):
        return None
    week = _last_week(_accepted(now - RECENT - BEFORE, now - RECENT).filter(**whose))
    threshold = week.share + GROWTH
    if not tally.surely_above(threshold):
        return None
    return {
        **_figures(tally),
        "lower_bound": round(tally.lower_bound, 4),
        "week_sends": week.sends,
        "week_missed": week.missed,
        "threshold": round(threshold, 4),
    }


@database.retried
def _last_week(sends: QuerySet[SendLog]) -> Tally:
    return Tally(**sends.aggregate(sends=Count("pk"), missed=Count("pk", filter=MISSED)))


@database.retried
def _grouped(sends: QuerySet[SendLog]) -> list[tuple[str, str, str, int, int]]:
    """Return route, country, the number's first eight characters, how many sends, how many missed."""
    heads = sends.annotate(head=Substr("phone_number", 1, LONGEST_SERIES)).order_by()
    groups = heads.values_list("route", "country", "head")
    return list(groups.annotate(sends=Count("pk"), missed=Count("pk", filter=MISSED)))


def _accepted(since: datetime, until: datetime) -> QuerySet[SendLog]:
    sends = SendLog.objects.using(database.alias()).filter(created_at__gt=since, created_at__lte=until)
    return sends.filter(submitted_at__isnull=False).exclude(route=TEST_ROUTE)


def _figures(tally: Tally) -> dict[str, Any]:
    return {"sends": tally.sends, "missed": tally.missed}
