"""Delivery report: what was sent, arrived and was verified, how fast, and why not, for a stretch of time."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise, cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_kaleyra_otp import figures
from django_kaleyra_otp.admin import charts, faults
from django_kaleyra_otp.days import day_of, local
from django_kaleyra_otp.figures import KEPT_DAYS, Figures, Tally
from django_kaleyra_otp.kaleyra import errors, statuses
from django_kaleyra_otp.models import DeliveryStatus, SendLog
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE

HOURS = 24
#: The windows to choose, the first word of each in the address; days, today among them.
WINDOWS = {
    "24h": (gettext_lazy("24 hours"), 0),
    "7d": (gettext_lazy("7 days"), 7),
    "30d": (gettext_lazy("30 days"), 30),
}
USUAL = "30d"
#: Rows of a table that the page shows; the CSV has them all.
MOST_ROWS = 50
#: What a spreadsheet may take for a formula, at the start of a cell.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class DaysForm(forms.Form):
    """Takes a stretch of days and a country."""

    first = forms.DateField(
        label=gettext_lazy("First day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    last = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    country = forms.RegexField(r"\A[A-Za-z0-9]{2,3}\Z", label=gettext_lazy("Country"), required=False)

    def __init__(self, data: Mapping[str, Any], today: date) -> None:
        self.today = today
        super().__init__(data)

    def clean_country(self) -> str:
        """Return the country in upper case."""
        return str(self.cleaned_data["country"]).upper()

    def clean(self) -> dict[str, Any]:
        """Return the days, none later than today; one alone that is given is the only one."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        first = found.get("first") or found.get("last")
        last = min(found.get("last") or self.today, self.today)
        if first is not None:
            if first > last:
                raise forms.ValidationError(_("The first day is later than the last, or than today."))
            if first <= self.today - timedelta(days=KEPT_DAYS):
                raise forms.ValidationError(_("Figures are kept for %d days.") % KEPT_DAYS)
        return {**found, "first": first, "last": last}


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a report is about: the days, or the hours where there are none, and the country or ""."""

    window: str
    days: list[date]
    country: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The words of an address that ask for it."""
        asked = {"country": self.country} if self.country else {}
        if self.window:
            return {"window": self.window, **asked}
        return {"first": self.days[0].isoformat(), "last": self.days[-1].isoformat(), **asked}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; ``notes`` stand between the name and the figures."""

    name: Any
    tally: Tally
    of: int
    notes: tuple[Any, ...] = ()

    @property
    def shares(self) -> dict[str, float | None]:
        """What was accepted and delivered of the sent, and verified of what could be, in %."""
        tally = self.tally
        return {
            "sent": charts.percent(tally.sent, self.of),
            "accepted": charts.percent(tally.accepted, tally.sent),
            "delivered": charts.percent(tally.delivered, tally.sent),
            "verified": charts.percent(tally.verified, tally.asked),
        }

    @property
    def counts(self) -> dict[str, str]:
        """The counts as they are read."""
        tally = self.tally
        return {
            "sent": charts.number(tally.sent),
            "accepted": charts.number(tally.accepted),
            "delivered": charts.number(tally.delivered),
            "verified": charts.number(tally.verified),
        }

    @property
    def p50(self) -> float | None:
        """Seconds within which half of the delivered arrived."""
        return self.tally.seconds(0.5)

    @property
    def p95(self) -> float | None:
        """Seconds within which 95 of 100 of the delivered arrived."""
        return self.tally.seconds(0.95)


@dataclass(frozen=True, slots=True)
class Table:
    """One table, on the page or as CSV; ``heads`` name the columns before the figures."""

    name: str
    title: str | Promise
    heads: tuple[str | Promise, ...]
    rows: list[Row]
    charts: tuple[str, ...] = ()
    note: str | Promise = ""

    @property
    def shown(self) -> list[Row]:
        """The rows that the page has room for."""
        return self.rows[:MOST_ROWS] if self.name != "time" else self.rows

    @property
    def is_long(self) -> bool:
        """Whether it would push the rest of the page out of sight."""
        return len(self.rows) > 10

    @property
    def is_of_errors(self) -> bool:
        """Whether nothing but the count says something."""
        return self.name == "error"


class Report:
    """The figures of a stretch, read once, and the tables made of them."""

    def __init__(self, stretch: Stretch, now: datetime) -> None:
        self.stretch = stretch
        if stretch.days:
            self.slots: list[Any] = stretch.days
            self.figures, self.unknown = figures.of_days(stretch.days, now)
        else:
            edges = hours_until(now)
            self.slots = [local(edge) for edge in edges[:-1]]
            self.figures, self.unknown = figures.count(edges), []
        self.sum = Figures().plus(self.figures)

    @cached_property
    def total(self) -> Row:
        """All of it."""
        tally = self.sum.by("", self.stretch.country).get("", Tally())
        return Row(_("All"), tally, tally.sent)

    @property
    def countries(self) -> list[str]:
        """The countries there are figures of, and the one that is asked for."""
        return sorted(({*self.sum.countries} | {self.stretch.country}) - {""})

    @cached_property
    def by_time(self) -> list[Row]:
        """A row for each day, or hour."""
        form = "%Y-%m-%d" if self.stretch.days else "%Y-%m-%d %H:%M"
        tallies = (each.by("", self.stretch.country).get("", Tally()) for each in self.figures)
        return [
            Row(slot.strftime(form), tally, self.total.tally.sent)
            for slot, tally in zip(self.slots, tallies, strict=True)
        ]

    def tables(self) -> list[Table]:
        """Return every table, in the order of the page."""
        head = _("Day") if self.stretch.days else _("Hour")
        title = _("By day") if self.stretch.days else _("By hour")
        countries = self._rows(self.sum.by_country(self.stretch.country))
        return [
            Table("time", title, (head,), self.by_time, charts.of_time(self.by_time)),
            Table("country", _("By country"), (_("Country"),), countries, charts.of_countries(countries)),
            Table(
                "operator",
                _("By operator"),
                (_("Operator"),),
                self._by("operator", {"": _("not named")}),
                note=_("As the callbacks of an SMS name it; many name none."),
            ),
            Table("route", _("By route"), (_("Route"),), self._by("route", {TEST_ROUTE: _("test numbers")})),
            Table("sender", _("By sender"), (_("Sender"),), self._by("sender", {})),
            Table(
                "error",
                _("By error"),
                (_("Error"), _("What it means"), _("Whose fault")),
                [
                    Row(row.name, row.tally, row.of, _explained(str(row.name)))
                    for row in self._by("error", {})
                ],
                note=_("SMS that failed or did not arrive, and their share of those sent."),
            ),
        ]

    def _by(self, dimension: str, names: Mapping[str, Any]) -> list[Row]:
        named = {figures.OTHERS: _("all others"), "": _("none"), **names}
        return [
            Row(named.get(row.name, row.name), row.tally, row.of)
            for row in self._rows(self.sum.by(dimension, self.stretch.country))
        ]

    def _rows(self, tallies: Mapping[str, Tally]) -> list[Row]:
        ranked = sorted(tallies.items(), key=lambda each: (-each[1].sent, each[0]))
        return [Row(name, tally, self.total.tally.sent) for name, tally in ranked]


def hours_until(now: datetime) -> list[datetime]:
    """Return the instants that part the last 24 hours, the one that goes on among them."""
    begun = local(now).replace(minute=0, second=0, microsecond=0)
    begun = begun.astimezone(UTC) if begun.tzinfo else begun
    return [begun + timedelta(hours=n) for n in range(1 - HOURS, 2)]


def _explained(code: str) -> tuple[Any, Any]:
    """Return what an error code or trace means, and whose fault it is."""
    if own := faults.OWN_CODES.get(code):
        return own.meaning, own.fault
    if entry := errors.explain(code):
        return _(entry.meaning), faults.FAULTS[entry.error_class]
    if code in DeliveryStatus.values:  # ours: "failed" is no trace FAILED
        return "", ""
    if trace := statuses.trace(code):
        return _(trace.meaning), faults.FAULTS[trace.fault]
    return "", faults.FAULTS.get(code, "")


class ReportDesk:
    """The page, and its tables as CSV, on one admin site."""

    def __init__(self, site: admin.AdminSite) -> None:
        self.site = site

    def show(self, request: HttpRequest) -> HttpResponse:
        """Show the report, or with ``csv`` one table of it."""
        if not request.user.has_perm("kaleyra_otp.view_sendlog"):
            raise PermissionDenied
        now = timezone.now()
        form = DaysForm(request.GET, day_of(now))
        report = Report(_stretch(request, form, now), now)
        tables = report.tables()
        asked = next((table for table in tables if table.name == request.GET.get("csv")), None)
        if asked is not None:
            return _as_csv(asked, report)
        stretch = report.stretch
        context = {
            **self.site.each_context(request),
            "title": _("Delivery report"),
            "opts": SendLog._meta,
            "form": form,
            "report": report,
            "stretch": stretch,
            "tables": tables,
            "windows": [
                (name, label, "?" + urlencode({**_country(stretch), "window": name}))
                for name, (label, _days) in WINDOWS.items()
            ],
            "query": urlencode(stretch.query),
            "zone": timezone.get_default_timezone_name(),
            "now": f"{local(now):%Y-%m-%d %H:%M}",  # a filter would show it in the user's zone
        }
        return TemplateResponse(request, "admin/kaleyra_otp/report.html", context)


def _country(stretch: Stretch) -> dict[str, str]:
    return {"country": stretch.country} if stretch.country else {}


def _stretch(request: HttpRequest, form: DaysForm, now: datetime) -> Stretch:
    """Return what the address asks for; the usual days where it asks for none, or amiss."""
    today = day_of(now)
    valid = form.is_valid()
    country = form.cleaned_data.get("country", "")
    if valid and form.cleaned_data["first"]:
        days = figures.days_between(form.cleaned_data["first"], form.cleaned_data["last"])
        return Stretch("", days, country)
    window = request.GET.get("window", USUAL)
    window = window if window in WINDOWS else USUAL
    length = WINDOWS[window][1]
    days = figures.days_between(today - timedelta(days=length - 1), today) if length else []
    return Stretch(window, days, country)


COLUMNS = (
    "sent", "accepted", "accepted_percent", "delivered", "delivered_percent",
    "can_be_verified", "verified", "verified_percent", "p50_seconds", "p95_seconds",
)  # fmt: skip


def _as_csv(table: Table, report: Report) -> HttpResponse:
    first, last = report.by_time[0].name, report.by_time[-1].name
    span = f"{first}-to-{last}".replace(" ", "-").replace(":", "")
    country = f"-{report.stretch.country}" if report.stretch.country else ""
    name = f"deliveries-by-{table.name}-{span}{country}.csv"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    # all in quotes: a spreadsheet may part cells at ; too, and what follows one would begin a cell
    writer = csv.writer(response, quoting=csv.QUOTE_ALL)
    heads = ("error", "meaning", "fault") if table.is_of_errors else (table.name,)
    writer.writerow([*heads, *(("sent", "percent") if table.is_of_errors else COLUMNS)])
    for row in table.rows:
        writer.writerow(map(_cell, [row.name, *row.notes, *_numbers(row, table)]))
    return response


def _numbers(row: Row, table: Table) -> Iterable[Any]:
    tally, shares = row.tally, row.shares
    if table.is_of_errors:
        return tally.sent, shares["sent"]
    return (
        tally.sent,
        tally.accepted,
        shares["accepted"],
        tally.delivered,
        shares["delivered"],
        tally.asked,
        tally.verified,
        shares["verified"],
        row.p50,
        row.p95,
    )


def _cell(value: Any) -> str:
    """Return a cell as a spreadsheet shows it: a text that it would reckon with begins with a quote."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA) else text
