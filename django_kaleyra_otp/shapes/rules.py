"""Rules by name: limits, purposes, the guard, test numbers."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django_kaleyra_otp.shapes.values import (
    Complaint,
    boolean,
    entries,
    entry,
    matches,
    one_of,
    prefixes,
    whole,
    whole_or_none,
)
from django_kaleyra_otp.types import Secret

SCOPES = ("phone", "ip", "user", "block", "country", "global")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Limit:
    """A burst of ``count``, refilled evenly over ``period`` microseconds."""

    scope: str
    count: int
    period: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """What holds for one purpose: digits, seconds, guesses, limits; ``api``: open to HTTP."""

    name: str
    api: bool
    code_length: int
    code_ttl: int
    max_attempts: int
    max_failures: int | None
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """When a series looks like pumping; durations in seconds."""

    mode: str = "monitor"
    window: int = 86400
    min_sends: int = 20
    min_conversion: float = 0.30
    block_time: int = 3600
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestNumber:
    """The fixed code of a number that is never sent to, and the last day it is good."""

    __test__ = False
    code: Secret
    until: dt.date


def _rate(value: Any) -> str:
    match = re.fullmatch(r"([0-9]{1,7})/([0-9]{0,5})([smhd])", value) if isinstance(value, str) else None
    if match and int(match[1]) and 0 < int(match[2] or 1) * UNITS[match[3]] <= 31 * UNITS["d"]:
        return ""
    return "must look like '5/h', '3/10m' or '10/d': a count, a slash, and a time of at most 31 days."


def limits(value: Any) -> str:
    """Complain of a value that is no list of limits."""
    return entries(value, {"scope": one_of(*SCOPES), "rate": _rate}, {})


def parse_limits(value: Iterable[Mapping[str, Any]]) -> tuple[Limit, ...]:
    """Return the limits in their order."""
    parsed = []
    for limit in value:
        count, _, time = limit["rate"].partition("/")
        period = int(time[:-1] or 1) * UNITS[time[-1]] * 1_000_000
        parsed.append(Limit(limit["scope"], int(count), period))
    return tuple(parsed)


#: What a purpose may have of its own.
OWN: dict[str, Complaint] = {
    "API": boolean,
    "CODE_LENGTH": whole(6, 10),
    "CODE_TTL": whole(1, 600),
    "MAX_ATTEMPTS": whole(3, 10),
    "MAX_FAILURES": whole_or_none(1, 100),
    "LIMITS": limits,
}


def purposes(value: Any) -> str:
    """Complain of a value that is no dict of purposes."""
    if not isinstance(value, dict):
        return "must be a dict of dicts."
    for name, rules in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
            return "has a name that is not 1 to 32 small letters, digits and '_'."
        if wrong := entry(rules, {}, OWN):
            return f"[{name!r}]{'' if wrong.startswith('[') else ' '}{wrong}"
    return ""


def parse_purposes(value: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the purposes' own rules, their limits parsed."""
    return {
        name: {key: parse_limits(part) if key == "LIMITS" else part for key, part in rules.items()}
        for name, rules in value.items()
    }


def guard(value: Any) -> str:
    """Complain of a value that is no dict of the guard's keys."""
    rules: dict[str, Complaint] = {
        "MODE": one_of("off", "monitor", "enforce"),
        "WINDOW": whole(600, 7 * 86400),
        "MIN_SENDS": whole(5, 100_000),
        "MIN_CONVERSION": lambda share: (
            "" if type(share) is float and 0 < share < 1 else "must be a share between 0 and 1."
        ),
        "BLOCK_TIME": whole(60, 7 * 86400),
        "ALLOW": prefixes,
    }
    return entry(value, {}, rules)


def parse_guard(value: Mapping[str, Any]) -> Guard:
    """Return the guard's rules."""
    rules = {key.lower(): part for key, part in value.items()}
    return Guard(**{**rules, "allow": tuple(rules.get("allow", ()))})


def _until(value: Any) -> str:
    mend = "must be a date such as '2027-01-01', at most 90 days ahead."
    try:
        day = value if type(value) is dt.date else dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        return mend
    return "" if day <= dt.datetime.now(dt.UTC).date() + dt.timedelta(days=90) else mend


def test_numbers(value: Any) -> str:
    """Complain of a value that is no dict of test numbers."""
    rules = {"code": matches(r"[0-9]{6,10}", "must be a text of 6 to 10 digits"), "until": _until}
    if not isinstance(value, dict):
        return "must be a dict of dicts."
    for number, rule in value.items():
        if not isinstance(number, str) or not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
            return "has a number that is not written as +919999900001."
        if wrong := entry(rule, rules, {}):
            return f"has a number whose entry{'' if wrong.startswith('[') else ' '}{wrong}"
    return ""


def parse_test_numbers(value: Mapping[str, Mapping[str, Any]]) -> dict[str, TestNumber]:
    """Return the test numbers by E.164."""
    return {
        number: TestNumber(
            Secret(rule["code"]),
            rule["until"] if isinstance(rule["until"], dt.date) else dt.date.fromisoformat(rule["until"]),
        )
        for number, rule in value.items()
    }
