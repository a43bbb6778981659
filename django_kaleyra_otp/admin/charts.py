"""Charts as inline SVG: no script, no style attribute; patterns, dashes and marks beside the colours.

A chart is one image to a screen reader, with a title and a sentence; the table below it has each figure.
Its co-ordinates run from left to right in every language.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_kaleyra_otp.figures import Tally

WIDTH, HEIGHT = 400, 190
LEFT, RIGHT, TOP, BOTTOM = 38, 394, 12, 164
#: With more columns than this, several days are one.
MOST_COLUMNS = 62
#: Countries that the chart has room for.
MOST_BARS = 8
#: Points that are marked one by one.
MOST_MARKS = 31

#: What is drawn into one another, each within the one before: its class, its words, how wide it is.
NESTED = (
    ("sent", gettext_lazy("sent"), 0.9),
    ("delivered", gettext_lazy("delivered"), 0.9),
    ("verified", gettext_lazy("verified"), 0.45),
)


class Row(Protocol):
    """A name and its tally."""

    @property
    def name(self) -> str | Promise: ...
    @property
    def tally(self) -> Tally: ...


Column = tuple[str, Tally]
Line = tuple[str, str | Promise, list[float | None]]


def of_time(rows: Sequence[Row]) -> tuple[SafeString, ...]:
    """Return the charts of sends, of shares and of seconds, a column for each row or for several."""
    columns, each = _columns(rows)
    if not any(tally.sent for _name, tally in columns):
        return ()
    many = ngettext("Each column is %d day.", "Each column is %d days.", each) % each if each > 1 else ""
    names = [name for name, _tally in columns]
    shares: list[Line] = [
        ("delivered", _("delivered"), [percent(t.delivered, t.sent) for _name, t in columns]),
        ("verified", _("verified"), [percent(t.verified, t.asked) for _name, t in columns]),
    ]
    waits: list[Line] = [
        ("delivered", _("half (p50)"), [t.seconds(0.5) for _name, t in columns]),
        ("verified", _("95 of 100 (p95)"), [t.seconds(0.95) for _name, t in columns]),
    ]
    return (
        _nested("sends", _("SMS sent, delivered and verified"), columns, many),
        _lines("shares", _("Share delivered and verified, in %"), names, shares, 100, many),
        _lines("waits", _("Seconds to the handset"), names, waits, None, many),
    )


def of_countries(rows: Sequence[Row]) -> tuple[SafeString, ...]:
    """Return the chart of the countries with the most sends."""
    shown = [(str(row.name), row.tally) for row in rows[:MOST_BARS]]
    if not shown:
        return ()
    step, width = 32, RIGHT - 4
    top = max(tally.sent for _name, tally in shown) or 1
    parts = []
    for place, (name, tally) in enumerate(shown):
        y = place * step
        parts.append(
            format_html(
                '<text class="kaleyra-label" x="4" y="{}">{}</text>'
                '<text class="kaleyra-label kaleyra-end" x="{}" y="{}" text-anchor="end">{}</text>',
                y + 13,
                name,
                RIGHT,
                y + 13,
                _counts(tally),
            )
        )
        for kind, count, share in _within(tally):
            thick = 12 if share > 0.5 else 6
            parts.append(_box("countries", kind, 4, y + 18 + (12 - thick) / 2, width * count / top, thick))
    most, tally = shown[0]
    told = _("%(count)s countries; the most were sent to %(name)s: %(told)s.") % {
        "count": len(shown),
        "name": most,
        "told": _counts(tally),
    }
    return (
        _svg(
            "countries", _("SMS by country"), told, _joined(parts), len(shown) * step + 4, _keys("countries")
        ),
    )


def _columns(rows: Sequence[Row]) -> tuple[list[Column], int]:
    """Return what the columns stand for, and how many rows each adds up."""
    each = max(math.ceil(len(rows) / MOST_COLUMNS), 1)
    columns = []
    for first in range(0, len(rows), each):
        tally = Tally()
        for row in rows[first : first + each]:
            tally.add(row.tally)
        columns.append((str(rows[first].name), tally))
    return columns, each


def _nested(chart: str, title: str, columns: Sequence[Column], more: str) -> SafeString:
    top = _nice(max(tally.sent for _name, tally in columns))
    step = (RIGHT - LEFT) / len(columns)
    parts = []
    for place, (name, tally) in enumerate(columns):
        boxes = []
        for kind, count, share in _within(tally):
            wide = step * share
            high = (BOTTOM - TOP) * count / top
            x = LEFT + step * place + (step - wide) / 2
            boxes.append(_box(chart, kind, x, BOTTOM - high, wide, high))
        hint = f"{name}: {_counts(tally)}"
        parts.append(format_html("<g><title>{}</title>{}</g>", hint, _joined(boxes)))
    best, tally = max(columns, key=lambda column: column[1].sent)
    told = _("%(count)s columns; the highest is %(name)s: %(told)s.") % {
        "count": len(columns),
        "name": best,
        "told": _counts(tally),
    }
    body = _joined([_axes([name for name, _tally in columns], top), *parts])
    return _svg(chart, title, f"{told} {more}".strip(), body, HEIGHT, _keys(chart), more)


def _lines(
    chart: str, title: str, names: Sequence[str], lines: Sequence[Line], top: float | None, more: str
) -> SafeString:
    known = [value for _kind, _words, values in lines for value in values if value is not None]
    if not known:
        return _svg(chart, title, _("No figures."), _axes(names, 1), HEIGHT)
    top = top or _nice(max(known))
    step = (RIGHT - LEFT) / len(names)
    parts, sentences, legend = [_axes(names, top)], [], []
    for kind, words, values in lines:
        points = [
            None if value is None else (LEFT + step * (n + 0.5), BOTTOM - (BOTTOM - TOP) * value / top)
            for n, value in enumerate(values)
        ]
        parts += [_path(kind, run) for run in _runs(points)]
        if len(names) <= MOST_MARKS:
            parts += [_mark(kind, *point) for point in points if point]
        there = [value for value in values if value is not None]
        if there:
            sentences.append(
                _("%(what)s: from %(low)s to %(high)s, at last %(last)s.")
                % {
                    "what": words,
                    "low": number(min(there)),
                    "high": number(max(there)),
                    "last": number(there[-1]),
                }
            )
        legend.append((kind, words, _joined([_path(kind, [(1, 6), (27, 6)]), _mark(kind, 14, 6)])))
    told = " ".join([*sentences, more]).strip()
    return _svg(chart, title, told, _joined(parts), HEIGHT, legend, more)


def _svg(
    chart: str,
    title: str,
    told: str,
    body: SafeString,
    height: float,
    legend: Sequence[tuple[str, str | Promise, SafeString]] = (),
    more: str = "",
) -> SafeString:
    """Return the figure: its title, what its marks mean, and the image."""
    marks = format_html_join(
        "",
        '<li><svg class="kaleyra-key" width="28" height="12" viewBox="0 0 28 12" aria-hidden="true">{}</svg>'
        "{}</li>",
        ((mark, words) for _kind, words, mark in legend),
    )
    return format_html(
        '<figure class="kaleyra-figure"><figcaption>{title}{more}</figcaption>{marks}'
        '<svg class="kaleyra-chart" viewBox="0 0 {width} {height}" role="img" direction="ltr" '
        'aria-labelledby="kaleyra-{chart}-title kaleyra-{chart}-told">'
        '<title id="kaleyra-{chart}-title">{title}</title><desc id="kaleyra-{chart}-told">{told}</desc>'
        '<defs><pattern id="kaleyra-{chart}-hatch" width="4" height="4" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect class="kaleyra-ground" width="4" height="4"/>'
        '<rect class="kaleyra-stripe" width="1.6" height="4"/></pattern></defs>{body}</svg></figure>',
        chart=chart,
        title=title,
        more=format_html(" <small>{}</small>", more) if more else "",
        marks=format_html('<ul class="kaleyra-legend">{}</ul>', marks) if legend else "",
        width=WIDTH,
        height=height,
        told=told,
        body=body,
    )


def _axes(names: Sequence[str], top: float) -> SafeString:
    """Return three lines across with their numbers, and names below, as many as there is room for."""
    lines = [
        format_html(
            '<line class="kaleyra-grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/>'
            '<text class="kaleyra-tick" x="{}" y="{}" text-anchor="end">{}</text>',
            LEFT,
            RIGHT,
            LEFT - 5,
            _fixed(BOTTOM - (BOTTOM - TOP) * part + 4),
            number(top * part),
            y=_fixed(BOTTOM - (BOTTOM - TOP) * part),
        )
        for part in (0, 0.5, 1)
    ]
    step = (RIGHT - LEFT) / len(names)
    every = max(math.ceil(len(names) / 6), 1)
    texts = [
        format_html(
            '<text class="kaleyra-tick" x="{}" y="{}" text-anchor="middle">{}</text>',
            _fixed(LEFT + step * (place + 0.5)),
            BOTTOM + 16,
            names[place][-5:],  # of a day its month and day, of an hour its time
        )
        for place in range(0, len(names), every)
    ]
    return _joined([*lines, *texts])


def _keys(chart: str) -> list[tuple[str, str | Promise, SafeString]]:
    return [(kind, words, _box(chart, kind, 8, 1, 16, 10)) for kind, words, _wide in NESTED]


def _within(tally: Tally) -> list[tuple[str, int, float]]:
    counts = (tally.sent, tally.delivered, tally.verified)
    return [(kind, count, wide) for (kind, _words, wide), count in zip(NESTED, counts, strict=True)]


def _box(chart: str, kind: str, x: float, y: float, width: float, height: float) -> SafeString:
    fill = format_html(' fill="url(#kaleyra-{}-hatch)"', chart) if kind == "delivered" else ""
    return format_html(
        '<rect class="kaleyra-box kaleyra-of-{}"{} x="{}" y="{}" width="{}" height="{}"/>',
        kind,
        fill,
        *map(_fixed, (x, y, width, height)),
    )


def _path(kind: str, points: Sequence[tuple[float, float]]) -> SafeString:
    return format_html(
        '<polyline class="kaleyra-line kaleyra-of-{}" points="{}"/>',
        kind,
        " ".join(f"{_fixed(x)},{_fixed(y)}" for x, y in points),
    )


def _mark(kind: str, x: float, y: float) -> SafeString:
    if kind == "delivered":
        return format_html('<circle class="kaleyra-mark" cx="{}" cy="{}" r="2.6"/>', _fixed(x), _fixed(y))
    return format_html(
        '<rect class="kaleyra-mark kaleyra-of-{}" x="{}" y="{}" width="5" height="5"/>',
        kind,
        _fixed(x - 2.5),
        _fixed(y - 2.5),
    )


def _runs(points: Iterable[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Return the points that are joined by a line: where there is no figure, it ends."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if len(run) > 1]


def _nice(highest: float) -> float:
    """Return the round number that an axis ends at, 2 at least; its half is a round one, too."""
    if highest <= 2:
        return 2
    power: float = 10 ** math.floor(math.log10(highest))
    return next(factor * power for factor in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if factor * power >= highest)


def _counts(tally: Tally) -> str:
    return _("%(sent)s sent, %(delivered)s delivered, %(verified)s verified") % {
        "sent": number(tally.sent),
        "delivered": number(tally.delivered),
        "verified": number(tally.verified),
    }


def percent(part: int, whole: int) -> float | None:
    """Return a share in %, None of nothing."""
    return 100 * part / whole if whole else None


def number(value: float) -> str:
    """Return a number as it is read: its thousands parted, one place after the point at most."""
    whole = value == int(value)
    return number_format(int(value) if whole else round(value, 1), use_l10n=True, force_grouping=True)


def _fixed(value: float) -> str:
    return f"{value:.1f}"


def _joined(parts: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))
