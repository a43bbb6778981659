"""Alarms: what was seen, by which figures, and what came of it; read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import F
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp.admin import badges, filters
from django_kaleyra_otp.admin.base import NOTHING, ReadOnlyAdmin
from django_kaleyra_otp.admin.timeline import elapsed
from django_kaleyra_otp.models import Alarm, AlarmKind, BlockedPrefix, SendLog

#: A block and its alarm are written in one transaction, each with its own look at the clock.
SAME_MOMENT = timedelta(minutes=1)

#: What each figure is. The letters are those of the guard's arithmetic, in the documentation.
FIGURES: dict[str, Promise] = {
    "sends": _("n: SMS counted"),
    "min_sends": _("MIN_SENDS: with fewer, nothing is said"),
    "verified": _("k: of those, verified"),
    "share": _("k/n: conversion"),
    "upper_bound": _("U: the highest conversion that these figures leave likely"),
    "min_conversion": _("the threshold for U"),
    "window": _("WINDOW: how far back SMS are counted"),
    "mode": _("MODE of the guard at that time"),
    "missed": _("of those, did not arrive"),
    "lower_bound": _("L: the lowest share not arrived that these figures leave likely"),
    "week_sends": _("SMS of the week before"),
    "week_missed": _("of the week before, did not arrive"),
    "threshold": _("the threshold for L: the share of the week before, and 20 points of a hundred"),
    "series": _("the series that are ill"),
    "countries": _("the countries that are ill"),
    "used": _("SMS segments used"),
    "limit": _("SMS segments allowed"),
    "seconds": _("the period of the limit"),
}

MENDS: dict[str, Promise] = {
    AlarmKind.PUMPING: _(
        "Look at who asked for these codes. If they are people, lift the block and pin the series open; "
        "if not, close it by hand for as long as you like."
    ),
    AlarmKind.CONVERSION: _("Look at this country's newest deliveries, and whether it should be allowed."),
    AlarmKind.OUTAGE: _("Look at the traces of the newest deliveries; ask Kaleyra; think of another route."),
    AlarmKind.SILENCE: _("Run kaleyra_otp_doctor: is the callback profile on, does the webhook answer?"),
    AlarmKind.SPENDING: _(
        "Look at what is sent, and to where. Once it is full, every further SMS is refused."
    ),
}


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    """What a person should look at; those that stand come first."""

    list_display = ["raised_at", "what", "whose", "state", "in_short", "last_seen"]
    list_filter = [filters.AlarmStateFilter, filters.AlarmKindFilter, filters.RaisedFilter]
    ordering = [F("cleared_at").desc(nulls_first=True), "-raised_at"]
    fieldsets = [
        (
            _("Alarm"),
            {
                "fields": [
                    "what",
                    "whose",
                    "state",
                    "raised_at",
                    "seen_at",
                    "cleared_at",
                    "mend",
                    "deliveries",
                ]
            },
        ),
        (_("Decision"), {"fields": ["decision", "figures_table", "closure", "pin"]}),
    ]

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        """Return the groups of fields; only what the guard closes has a block and can be pinned open."""
        of_a_series = obj is not None and obj.kind == AlarmKind.PUMPING
        left_out = {"deliveries"} if of_a_series else {"closure", "pin"}
        return [
            (name, {**rest, "fields": [each for each in rest["fields"] if each not in left_out]})
            for name, rest in super().get_fieldsets(request, obj)
        ]

    @admin.display(description=_("what"))
    def what(self, alarm: Alarm) -> str:
        """The kind, in words."""
        return alarm.get_kind_display()

    @admin.display(description=_("subject"))
    def whose(self, alarm: Alarm) -> str:
        """The country, route, series or limit."""
        return alarm.subject

    @admin.display(description=_("last seen"))
    def last_seen(self, alarm: Alarm) -> Any:
        """When it was last seen."""
        return alarm.seen_at

    @admin.display(description=_("state"))
    def state(self, alarm: Alarm) -> str:
        """Whether it stands."""
        if alarm.cleared_at is None:
            return badges.badge(badges.Tone.BAD, _("stands"))
        return badges.badge(badges.Tone.OVER, _("over"))

    @admin.display(description=_("figures"))
    def in_short(self, alarm: Alarm) -> str:
        """The figures in one sentence."""
        return in_short(alarm)

    @admin.display(description=_("decision"))
    def decision(self, alarm: Alarm) -> str:
        """The figures and what follows from them."""
        return f"{in_short(alarm)} {follows(alarm)}".strip()

    @admin.display(description=_("figures"))
    def figures_table(self, alarm: Alarm) -> str:
        """Each figure with what it is."""
        rows = format_html_join("", "<tr><th scope='row'>{}</th><td>{}</td></tr>", figures(alarm))
        return format_html("<table class='kaleyra-figures'>{}</table>", rows)

    @admin.display(description=_("what to do"))
    def mend(self, alarm: Alarm) -> Any:
        """What to look at."""
        return MENDS.get(alarm.kind, NOTHING)

    @admin.display(description=_("deliveries"))
    def deliveries(self, alarm: Alarm) -> str:
        """A link to the deliveries of its country or route; a series has none, it is part of numbers."""
        where = _where(alarm)
        if not where or not self.admin_site.is_registered(SendLog):
            return NOTHING
        url = reverse("admin:kaleyra_otp_sendlog_changelist", current_app=self.admin_site.name)
        query = urlencode({**where, filters.WindowFilter.parameter_name: "24h"})
        return format_html('<a href="{}?{}">{}</a>', url, query, _("The last 24 hours"))

    @admin.display(description=_("blocked prefix"))
    def closure(self, alarm: Alarm) -> str:
        """The block that came with it, while it is there."""
        block = block_of(alarm)
        if block is None:
            return gettext("It was lifted, or its time is long past.")
        return format_html("{} {}", self.link(BlockedPrefix, block.pk, str(block)), badges.block_badge(block))

    @admin.display(description=_("to keep it open"))
    def pin(self, alarm: Alarm) -> str:
        """The setting that keeps the series open for good."""
        setting = f'KALEYRA_OTP["GUARD"]["ALLOW"] = ["{alarm.subject}"]'
        return format_html(
            "{} <code>{}</code>", _("Name it in the settings; the guard then never closes it:"), setting
        )


def in_short(alarm: Alarm) -> str:
    """Return the figures of an alarm in one sentence, or "" for those of another version."""
    told: dict[str, Any] = alarm.figures
    try:
        if alarm.kind in (AlarmKind.PUMPING, AlarmKind.CONVERSION):
            return gettext("%(sends)d codes arrived, %(verified)d were used: surely less than %(bound)s.") % {
                "sends": told["sends"],
                "verified": told["verified"],
                "bound": percent(told["upper_bound"]),
            }
        if alarm.kind == AlarmKind.OUTAGE:
            return str(gettext("%(missed)d of %(sends)d SMS of an hour did not arrive.") % told)
        if alarm.kind == AlarmKind.SILENCE:
            return str(gettext("%(sends)d SMS of an hour had no callback at all.") % told)
        return str(gettext("%(used)d of %(limit)d SMS segments are used.") % told)
    except (KeyError, TypeError):
        return ""


def follows(alarm: Alarm) -> str:
    """Return what follows from the figures."""
    told = alarm.figures
    if alarm.kind == AlarmKind.CONVERSION:
        return gettext("The threshold of a country is %s. Nothing closes a country.") % percent(
            told.get("min_conversion")
        )
    if alarm.kind == AlarmKind.OUTAGE and "threshold" in told:
        return gettext("Surely more than %(bound)s; the threshold is %(threshold)s.") % {
            "bound": percent(told.get("lower_bound")),
            "threshold": percent(told["threshold"]),
        }
    if alarm.kind == AlarmKind.PUMPING:
        rule = gettext("The threshold is %s.") % percent(told.get("min_conversion"))
        if told.get("mode") == "enforce":
            so = gettext("So the series was closed.")
        else:
            so = gettext("So it would have been closed; under MODE monitor every SMS goes out.")
        return f"{rule} {so}"
    return ""


def figures(alarm: Alarm) -> Iterator[tuple[Any, Any]]:
    """Yield each figure: what it is, and its value for people."""
    told = dict(alarm.figures)
    if told.get("sends") and "verified" in told:
        told["share"] = told["verified"] / told["sends"]
    for name in sorted(told, key=lambda name: list(FIGURES).index(name) if name in FIGURES else len(FIGURES)):
        yield FIGURES.get(name, name), _value(name, told[name])


def block_of(alarm: Alarm) -> BlockedPrefix | None:
    """Return the block that was written with an alarm, or None where it is gone."""
    near = (alarm.raised_at - SAME_MOMENT, alarm.raised_at + SAME_MOMENT)
    blocks = BlockedPrefix.objects.filter(prefix=alarm.subject, automatic=True, created_at__range=near)
    return blocks.order_by("created_at").first()


def alarm_of(block: BlockedPrefix) -> Alarm | None:
    """Return the alarm that a block was written with, or None for one by hand."""
    if not block.automatic:
        return None
    near = (block.created_at - SAME_MOMENT, block.created_at + SAME_MOMENT)
    alarms = Alarm.objects.filter(kind=AlarmKind.PUMPING, subject=block.prefix, raised_at__range=near)
    return alarms.order_by("-raised_at").first()


def percent(share: Any) -> str:
    """Return a share (0 to 1) as ``13.3 %``, which no line parts."""
    if not isinstance(share, int | float):
        return NOTHING
    written = gettext("%(share)s %%") % {"share": number_format(round(share * 100, 1), 1)}
    return written.replace(" ", "\N{NO-BREAK SPACE}")


def _value(name: str, value: Any) -> str:
    if name in ("share", "upper_bound", "min_conversion", "lower_bound", "threshold"):
        return percent(value)
    if name in ("window", "seconds") and isinstance(value, int | float):
        return elapsed(timedelta(seconds=value))
    if isinstance(value, Mapping):
        return "; ".join(f"{each}: {_brief(figures)}" for each, figures in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _brief(figures: Any) -> str:
    """Return what missed of what was sent; figures of another version are shown as they stand."""
    try:
        return f"{figures['missed']}/{figures['sends']}"
    except (KeyError, TypeError):
        return str(figures)


def _where(alarm: Alarm) -> dict[str, str]:
    """Return the filter that shows the deliveries an alarm is about, or nothing."""
    route = alarm.subject.removeprefix("route ")
    if alarm.kind == AlarmKind.SILENCE or route != alarm.subject:
        return {"route": route}
    if alarm.kind in (AlarmKind.OUTAGE, AlarmKind.CONVERSION):
        return {"country": alarm.subject}
    return {}
