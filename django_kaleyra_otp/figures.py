"""What was sent, arrived and was verified, and how fast: of each day that is over, counted once and kept.

A month may be millions of rows, and whose operator it was stands in another table still. So a day is
counted when it is over, and again each hour while receipts may come in; a report adds days up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Self

from django.conf import settings
from django.db.models import (
    Case,
    CharField,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.utils import timezone

from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.conversion import LONGEST_LIFE
from django_kaleyra_otp.days import day_of
from django_kaleyra_otp.models import DailyFigures, DeliveryStatus, SendLog, StatusUpdate, database
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE

#: Upper bounds, in seconds, of the classes that the waits for a handset are counted in. Rows that are kept
#: were counted by these.
BOUNDS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 90, 120, 180, 300, 600, 1800, 3600)
#: What a day is divided by, beside the country.
DIMENSIONS = ("operator", "route", "sender", "error")
#: Values of one dimension kept of one country and day; those with fewer sends are one more, OTHERS.
MOST_VALUES, OTHERS = 50, "*"
#: Days that figures are kept for: a month can be held against the same one of last year.
KEPT_DAYS = 400
_WAITED = ExpressionWrapper(F("delivered_at") - F("created_at"), output_field=DurationField())
#: How long after its end a day is counted again, and how often.
RIPE_AFTER, AGAIN_AFTER = timedelta(days=2), timedelta(hours=1)
#: Days that one run counts.
RUN_DAYS = 5


@dataclass(slots=True)
class Tally:
    """Some sends: ``sent``, ``accepted`` and ``delivered``, and those whose code was ``asked`` for here.

    ``verified`` are those of the asked. The other counts are of the waits for the handset, one for
    each of ``BOUNDS`` and one for what took longer.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (5 + len(BOUNDS) + 1))

    @property
    def sent(self) -> int:
        """SMS that were written down to be sent."""
        return self.counts[0]

    @property
    def accepted(self) -> int:
        """Those that the provider took."""
        return self.counts[1]

    @property
    def delivered(self) -> int:
        """Those on the handset."""
        return self.counts[2]

    @property
    def asked(self) -> int:
        """Those that can be verified: codes of a challenge, to no test number."""
        return self.counts[3]

    @property
    def verified(self) -> int:
        """Of the asked, those whose challenge was verified."""
        return self.counts[4]

    def add(self, other: Tally) -> None:
        """Add the counts of others."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]

    def seconds(self, share: float) -> float | None:
        """Return the seconds within which this share (0 to 1) of the delivered were on the handset.

        Right to the width of a class, and at most the last of ``BOUNDS``; None where none was delivered.
        """
        waits = self.counts[5:]
        wanted, below = share * sum(waits), 0
        for place, waited in enumerate(waits):
            if waited and below + waited >= wanted:
                if place == len(BOUNDS):
                    return float(BOUNDS[-1])
                low = BOUNDS[place - 1] if place else 0
                return low + (BOUNDS[place] - low) * (wanted - below) / waited
            below += waited
        return None


class Figures:
    """Tallies by country, dimension and value; the dimension "" holds the country's own."""

    def __init__(self) -> None:
        self.countries: dict[str, dict[str, dict[str, Tally]]] = {}

    def add(self, country: str, dimension: str, value: str, tally: Tally) -> None:
        """Add a tally to what is there."""
        values = self.countries.setdefault(country, {}).setdefault(dimension, {})
        values.setdefault(value, Tally()).add(tally)

    @property
    def sent(self) -> int:
        """How many sends these are."""
        return sum(tally.sent for tally in self.by("").values())

    def by(self, dimension: str, country: str = "") -> dict[str, Tally]:
        """Return the tally of each value, of one country or of all."""
        found = Figures()
        for name, dimensions in self.countries.items():
            if country in ("", name):
                for value, tally in dimensions.get(dimension, {}).items():
                    found.add("", dimension, value, tally)
        return found.countries.get("", {}).get(dimension, {})

    def by_country(self, country: str = "") -> dict[str, Tally]:
        """Return the tally of each country, or of one alone."""
        return {name: own[""][""] for name, own in self.countries.items() if country in ("", name)}

    def plus(self, others: Iterable[Figures]) -> Self:
        """Add the figures of other days, and return these."""
        for other in others:
            for country, dimensions in other.countries.items():
                for dimension, values in dimensions.items():
                    for value, tally in values.items():
                        self.add(country, dimension, value, tally)
        return self

    def as_json(self) -> dict[str, Any]:
        """Return what a row keeps of them."""
        return {
            country: {dimension: dict(_largest(values)) for dimension, values in dimensions.items()}
            for country, dimensions in self.countries.items()
        }

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Self:
        """Return the figures that a row keeps."""
        found = cls()
        for country, dimensions in kept.items():
            found.countries[country] = {
                dimension: {value: Tally(counts) for value, counts in values.items()}
                for dimension, values in dimensions.items()
            }
        return found


def _largest(values: dict[str, Tally]) -> Iterator[tuple[str, list[int]]]:
    ranked = sorted(values.items(), key=lambda each: each[1].sent, reverse=True)
    others = Tally()
    for place, (value, tally) in enumerate(ranked):
        if place < MOST_VALUES and value != OTHERS:
            yield value, tally.counts
        else:
            others.add(tally)
    if others.sent:
        yield OTHERS, others.counts


def start_of(day: date) -> datetime:
    """Return the midnight that a day begins with, in ``TIME_ZONE``."""
    midnight = datetime.combine(day, time.min)
    return timezone.make_aware(midnight, timezone.get_default_timezone()) if settings.USE_TZ else midnight


def days_between(first: date, last: date) -> list[date]:
    """Return the days from the first to the last, both among them."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def of_days(days: Sequence[date], now: datetime) -> tuple[list[Figures], list[date]]:
    """Return the figures of each of these days in a row, and which of them are not counted yet.

    Today, and yesterday where it is not kept yet, are counted now.
    """
    rows = DailyFigures.objects.using(database.alias()).filter(day__range=(days[0], days[-1]))
    found = {row.day: Figures.of_json(row.figures) for row in _read(rows)}
    today = day_of(now)
    live = [day for day in days if day not in found and today - timedelta(days=1) <= day <= today]
    if live:
        found |= zip(live, count([*map(start_of, live), start_of(live[-1] + timedelta(days=1))]), strict=True)
    unknown = [day for day in days if day not in found]
    if unknown:
        oldest = _oldest_day()
        unknown = [day for day in unknown if oldest is not None and oldest <= day]
    return [found.get(day, Figures()) for day in days], unknown


@database.retried
def count(edges: Sequence[datetime]) -> list[Figures]:
    """Count the sends between each two instants that follow one another; one query."""
    sends = SendLog.objects.using(database.alias()).filter(created_at__gte=edges[0], created_at__lt=edges[-1])
    # the second look at a time is for the planner, which then reads the challenges of the same days
    near = Q(challenge__created_at__range=(edges[0] - LONGEST_LIFE, edges[-1] + LONGEST_LIFE))
    own = ~Q(route=TEST_ROUTE)
    groups = (
        sends.alias(near=FilteredRelation("challenge", condition=near), waited=_WAITED)
        .annotate(
            slot=Case(*(When(created_at__lt=end, then=Value(n)) for n, end in enumerate(edges[1:]))),
            operator=_operator(),
            error=_error(),
            wait=_wait(),
        )
        .order_by()
        .values_list("slot", "country", "operator", "route", "sender", "error", "wait")
        .annotate(
            sent=Count("pk"),
            accepted=Count("submitted_at"),
            delivered=Count("pk", filter=Q(status=DeliveryStatus.DELIVERED)),
            asked=Count("challenge_id", filter=own),
            verified=Count("near__verified_at", filter=own),
        )
    )
    found = [Figures() for _ in edges[1:]]
    for slot, country, operator, route, sender, error, wait, *counts in groups:
        tally = Tally()
        tally.counts[:5] = counts
        if wait is not None:
            tally.counts[5 + wait] = counts[0]
        figures = found[slot]
        figures.add(country, "", "", tally)
        for dimension, value in zip(DIMENSIONS, (operator or "", route, sender, error), strict=True):
            if value or dimension != "error":
                figures.add(country, dimension, value, tally)
    return found


def _operator() -> Subquery:
    """Return the operator that the newest update to name one names."""
    named = StatusUpdate.objects.filter(send_log=OuterRef("pk")).exclude(operator="")
    return Subquery(named.order_by("-pk").values("operator")[:1])


def _error() -> Case:
    """Return why a send did not arrive: by code, trace or class; "" for no reason."""
    return Case(
        When(status=DeliveryStatus.DELIVERED, then=Value("")),
        When(~Q(error_code=""), then=F("error_code")),
        When(Q(rank__lt=DeliveryStatus.FAILED.rank) & ~Q(status=DeliveryStatus.UNKNOWN), then=Value("")),
        When(~Q(kaleyra_trace=""), then=F("kaleyra_trace")),
        When(~Q(kaleyra_status=""), then=F("kaleyra_status")),
        # no answer, or one without a code: whose fault it is, and no word that Kaleyra has for something else
        When(~Q(error_class=""), then=F("error_class")),
        default=F("status"),
        output_field=CharField(),
    )


def _wait() -> Case:
    """Return the class, a place in ``BOUNDS``, of the wait for the handset; NULL where it goes on."""
    classes = (
        When(waited__lte=timedelta(seconds=bound), then=Value(place)) for place, bound in enumerate(BOUNDS)
    )
    return Case(*classes, When(delivered_at__isnull=False, then=Value(len(BOUNDS))))


def settle(now: datetime, most: int = RUN_DAYS) -> int:
    """Count the days that are due, the newest first and at most so many; return how many that were.

    Due is a day that is over and was never counted, or not since its receipts came in. Days that are
    older than ``RETENTION`` have lost rows, and are left as they are.
    """
    oldest, today = _oldest_day(), day_of(now)
    if oldest is None:
        return 0
    first = max(oldest, today - timedelta(days=min(conf.RETENTION, KEPT_DAYS) - 1))
    counted = _counted(first)
    due = [
        day
        for day in reversed(days_between(first, today - timedelta(days=1)))
        if day not in counted or _is_due(day, counted[day], now)
    ]
    for day in due[:most]:
        _keep(day, now)
    if due:
        _drop(today - timedelta(days=KEPT_DAYS))
    return len(due[:most])


def _is_due(day: date, counted_at: datetime, now: datetime) -> bool:
    ripe_at = start_of(day + timedelta(days=1)) + RIPE_AFTER
    return counted_at < ripe_at and counted_at <= now - AGAIN_AFTER


def _keep(day: date, now: datetime) -> None:
    """Count a day and write it down; if it lost rows to a purge, only where no count was kept before."""
    (found,) = count([start_of(day), start_of(day + timedelta(days=1))])
    oldest = _oldest_day()  # read after the count: a purge deletes the oldest first
    is_whole = oldest is not None and oldest < day
    _write(DailyFigures(day=day, sent=found.sent, figures=found.as_json(), counted_at=now), is_whole)


@database.retried
def _write(row: DailyFigures, is_whole: bool) -> None:
    rows = DailyFigures.objects.using(database.alias())
    kept = rows.filter(day=row.day)
    kept.update(counted_at=row.counted_at)
    may_change = kept if is_whole else kept.filter(sent__lte=row.sent)
    if not may_change.update(sent=row.sent, figures=row.figures):
        rows.bulk_create([row], ignore_conflicts=True)


@database.retried
def _read(rows: QuerySet[DailyFigures]) -> list[DailyFigures]:
    return list(rows)


@database.retried
def _counted(first: date) -> dict[date, datetime]:
    rows = DailyFigures.objects.using(database.alias()).filter(day__gte=first)
    return dict(rows.values_list("day", "counted_at"))


@database.retried
def _drop(before: date) -> None:
    DailyFigures.objects.using(database.alias()).filter(day__lt=before).delete()


@database.retried
def _oldest_day() -> date | None:
    """Return the day of the oldest send that is left."""
    oldest = SendLog.objects.using(database.alias()).aggregate(oldest=Min("created_at"))["oldest"]
    return day_of(oldest) if oldest else None
