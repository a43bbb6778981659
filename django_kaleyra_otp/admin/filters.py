"""Filters that never read the table to learn what there is to choose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.kaleyra import errors
from django_kaleyra_otp.models import AlarmKind, ChallengeStatus, DeliveryStatus, Source
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE

Rows = QuerySet[Any]
Choices = list[tuple[str, Any]]

#: More choices than this are typed, not listed.
MOST_LISTED = 20


class ExactFilter(admin.SimpleListFilter):
    """Rows with one exact value of one field, chosen from a list or typed.

    ``parameter_name`` is the field; ``known()`` the values that can be foreseen.
    """

    parameter_name: str
    #: Whether other values than the known ones are found in the table.
    open_ended = False
    #: Whether an index finds its rows at any size of the table, in the order of the list.
    indexed = False

    def known(self) -> Choices:
        """Return the values that can be foreseen, each with its name."""
        raise NotImplementedError

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.is_typed():
            self.template = "admin/kaleyra_otp/typed_filter.html"

    def is_typed(self) -> bool:
        """Return whether the value is typed."""
        return self.open_ended or len(self.lookup_choices) > MOST_LISTED

    def has_output(self) -> bool:
        """Return whether there is anything to choose."""
        return self.is_typed() or super().has_output()

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Return the values that can be foreseen."""
        return self.known()

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the links, or the one box with what else the address says."""
        if not self.is_typed():
            yield from super().choices(changelist)
            return
        others = changelist.get_filters_params()
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "known": self.lookup_choices,
            "others": [
                (key, value)
                for key, values in others.items()
                if key != self.parameter_name
                for value in values
            ],
            "without": changelist.get_query_string(remove=[self.parameter_name]),
        }

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Return the rows with the value; no column holds one with a NUL, which PostgreSQL refuses."""
        value = (self.value() or "").strip()
        if not value:
            return queryset
        return queryset.none() if "\x00" in value else self.having(value, queryset)

    def having(self, value: str, rows: Rows) -> Rows:
        """Return the rows with a value."""
        return rows.filter(**{self.parameter_name: value})


class CountryFilter(ExactFilter):
    """One country."""

    title = _("country")
    parameter_name = "country"

    def known(self) -> Choices:
        """Return the countries that codes are sent to."""
        return [(country, country) for country in sorted(conf.ALLOWED_COUNTRIES - {"*"})]

    def is_typed(self) -> bool:
        """Return whether every country is allowed, or a great many."""
        return "*" in conf.ALLOWED_COUNTRIES or super().is_typed()

    def having(self, value: str, rows: Rows) -> Rows:
        """Return the rows of a country, its code in any case."""
        return rows.filter(country=value.upper())


class RouteFilter(ExactFilter):
    """One route."""

    title = _("route")
    parameter_name = "route"
    open_ended = True  # routes of yesterday's settings are in the table still

    def known(self) -> Choices:
        """Return the names in ``ROUTES``."""
        return [(route.name, route.name) for route in conf.ROUTES]


class ErrorCodeFilter(ExactFilter):
    """One error code."""

    title = _("error code")
    parameter_name = "error_code"
    open_ended = True  # most of Kaleyra's codes are not public

    def known(self) -> Choices:
        """Return the codes that are known."""
        return [(entry.code, gettext(entry.meaning)) for entry in errors.ENTRIES]


class PurposeFilter(ExactFilter):
    """One purpose."""

    title = _("purpose")
    parameter_name = "purpose"

    def known(self) -> Choices:
        """Return the purposes that there are."""
        return [(name, name) for name in conf.purpose_names()]


class DeliveryStatusFilter(ExactFilter):
    """One delivery status, or the sends that Kaleyra took and told nothing more of."""

    title = _("status")
    parameter_name = "status"
    indexed = True
    NO_RECEIPT = "no_receipt"

    def known(self) -> Choices:
        """Return the statuses in rank order."""
        return [*DeliveryStatus.choices, (self.NO_RECEIPT, _("no receipt"))]

    def having(self, value: str, rows: Rows) -> Rows:
        """Return the sends with a status."""
        if value == self.NO_RECEIPT:
            taken = rows.filter(status__in=[DeliveryStatus.SUBMITTED, DeliveryStatus.SENT])
            return taken.filter(submitted_at__lt=timezone.now() - RECEIPT_DUE).exclude(route=TEST_ROUTE)
        return super().having(value, rows)


#: How long Kaleyra may take to tell what became of an SMS before its silence is shown.
RECEIPT_DUE = timedelta(hours=1)


class ToldStatusFilter(ExactFilter):
    """One status as an update tells it, in our words."""

    title = _("delivery status")
    parameter_name = "delivery_status"

    def known(self) -> Choices:
        """Return the statuses in rank order."""
        return list(DeliveryStatus.choices)


class SourceFilter(ExactFilter):
    """How an update came."""

    title = _("source")
    parameter_name = "source"

    def known(self) -> Choices:
        """Return the two ways."""
        return list(Source.choices)


class WaitingFilter(ExactFilter):
    """Updates whose send is not known."""

    title = _("delivery")
    parameter_name = "waiting"
    indexed = True  # those that wait are few

    def known(self) -> Choices:
        """Return the two states."""
        return [("1", _("waiting for its delivery")), ("0", _("has its delivery"))]

    def having(self, value: str, rows: Rows) -> Rows:
        """Return the updates that wait, or the others."""
        return rows.filter(send_log__isnull=value == "1")


class ChallengeStatusFilter(ExactFilter):
    """Where a challenge stands now, ``expired`` told apart from ``pending``."""

    title = _("status")
    parameter_name = "status"

    def known(self) -> Choices:
        """Return the five states."""
        return list(ChallengeStatus.choices)

    def having(self, value: str, rows: Any) -> Rows:
        """Return the challenges that stand so."""
        found: Rows = super().having(value, rows)
        if value == ChallengeStatus.EXPIRED:
            found = rows.expired(timezone.now())
        elif value == ChallengeStatus.PENDING:
            found = rows.pending(timezone.now())
        return found


class AutomaticFilter(ExactFilter):
    """Who closed a prefix."""

    title = _("who closed it")
    parameter_name = "automatic"
    indexed = True  # the table is small

    def known(self) -> Choices:
        """Return the two."""
        return [("1", _("the guard")), ("0", _("hand"))]

    def having(self, value: str, rows: Rows) -> Rows:
        """Return the blocks by the guard, or those by hand."""
        return rows.filter(automatic=value == "1")


class BlockStateFilter(ExactFilter):
    """Blocks that stand, or that are over."""

    title = _("state")
    parameter_name = "state"
    indexed = True  # the table is small

    def known(self) -> Choices:
        """Return the two states."""
        return [("stands", _("stands")), ("over", _("over"))]

    def having(self, value: str, rows: Any) -> Rows:
        """Return the blocks that stand, or those that are over."""
        now = timezone.now()
        found: Rows = rows.filter(until__lte=now) if value == "over" else rows.standing(now)
        return found


class AlarmStateFilter(ExactFilter):
    """Alarms that stand, or that are over."""

    title = _("state")
    parameter_name = "state"
    indexed = True  # the table is small

    def known(self) -> Choices:
        """Return the two states."""
        return [("stands", _("stands")), ("over", _("over"))]

    def having(self, value: str, rows: Rows) -> Rows:
        """Return the alarms that stand, or those that are over."""
        return rows.filter(cleared_at__isnull=value != "over")


class AlarmKindFilter(ExactFilter):
    """One kind of alarm."""

    title = _("what")
    parameter_name = "kind"
    indexed = True  # the table is small

    def known(self) -> Choices:
        """Return the kinds."""
        return list(AlarmKind.choices)


class WindowFilter(admin.SimpleListFilter):
    """Rows of the last hour, day, week or month, by the time they were made.

    Where another filter asks for a column that no index holds, it is the last day unless another span is
    chosen: a value that is rare, or in no row, would have the whole table read.
    """

    title = _("time")
    parameter_name = "since"
    SPANS = {
        "1h": (_("Last hour"), timedelta(hours=1)),
        "24h": (_("Last 24 hours"), timedelta(hours=24)),
        "7d": (_("Last 7 days"), timedelta(days=7)),
        "30d": (_("Last 30 days"), timedelta(days=30)),
    }
    field = "created_at"
    USUAL = "24h"

    def __init__(self, request: HttpRequest, params: Any, model: type[Model], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.bound = any(
            request.GET.get(shown.parameter_name, "").strip()
            for shown in model_admin.list_filter
            if not getattr(shown, "indexed", True)
        )

    def value(self) -> str | None:
        """Return the span: the chosen one, or, where there must be one, the usual."""
        chosen = super().value()
        return self.USUAL if self.bound and chosen not in self.SPANS else chosen

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the links; not the one for any time, where that is not to be had."""
        every, *spans = super().choices(changelist)
        yield from spans if self.bound else [every, *spans]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Return the spans."""
        return [(key, name) for key, (name, _span) in self.SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Return the rows of the span; of an unknown one, all."""
        if self.value() not in self.SPANS:
            return queryset
        return queryset.filter(**{f"{self.field}__gte": timezone.now() - self.SPANS[self.value() or ""][1]})


class RaisedFilter(WindowFilter):
    """Alarms of the last hour, day, week or month."""

    title = _("raised")
    field = "raised_at"


class ReceivedFilter(WindowFilter):
    """Updates of the last hour, day, week or month."""

    title = _("received")
    field = "received_at"
