"""The shapes that values of ``KALEYRA_OTP`` have: what is wrong with one, and what it is parsed into.

A complaint is the end of a sentence that begins with the key's name, or ""; it never shows a value.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from django.utils.module_loading import import_string

from django_kaleyra_otp.types import Secret

#: Hosts by pod. Source: Kaleyra, "Send OTP SMS" (North America ends in .ai).
PODS = {
    "in": "https://api.in.kaleyra.io",
    "sg": "https://api.kaleyra.io",
    "eu": "https://api.eu.kaleyra.io",
    "na": "https://api.na.kaleyra.ai",
}
SCOPES = ("phone", "ip", "user", "block", "country", "global")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MIN_SECRET = 32

Complaint = Callable[[Any], str]


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
class Message:
    """One text, and what it is for; None and () match everything."""

    body: str
    purpose: str | None = None
    language: str | None = None
    prefixes: tuple[str, ...] = ()
    template_id: str = ""
    registered: str | None = None


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """One entry of ``ROUTES``: its prefixes, and the account keys it sets."""

    name: str
    prefixes: tuple[str, ...]
    account: Mapping[str, str] = field(repr=False)


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


def matches(pattern: str, mend: str) -> Complaint:
    """Return the complaint about a value that is no str matching ``pattern`` whole."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: "" if isinstance(value, str) and compiled.fullmatch(value) else mend + "."


def whole(low: int, high: int) -> Complaint:
    """Return the complaint about a value that is no int from ``low`` to ``high``."""
    return lambda value: (
        "" if type(value) is int and low <= value <= high else f"must be a whole number from {low} to {high}."
    )


def whole_or_none(low: int, high: int) -> Complaint:
    """Return the complaint about a value that is neither None nor an int from ``low`` to ``high``."""
    return lambda value: "" if value is None else whole(low, high)(value)


def one_of(*choices: Any) -> Complaint:
    """Return the complaint about a value that is none of ``choices``."""
    return lambda value: "" if value in choices else f"must be one of {', '.join(map(repr, choices))}."


def optional_line(length: int) -> Complaint:
    """Return the complaint about a value that is neither None nor one printable line."""

    def complaint(value: Any) -> str:
        fine = value is None or (
            isinstance(value, str)
            and 0 < len(value) <= length
            and value.isprintable()
            and not set("{}") & set(value)
        )
        return "" if fine else f"must be None or one line of 1 to {length} characters without braces."

    return complaint


dotted_path = matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", "must be a dotted path, such as 'shop.sms.Backend'")


def optional_dotted_path(value: Any) -> str:
    """Complain of a value that is neither None nor the path of something to call."""
    return "" if value is None else dotted_path(value)


def switch(value: Any) -> str:
    """Complain of a value that is neither a bool nor a dotted path nor a callable."""
    if isinstance(value, bool) or callable(value):
        return ""
    return "" if not dotted_path(value) else "must be True, False, or the dotted path of a callable."


def dispatch(value: Any) -> str:
    """Complain of a value that names no way for an SMS to leave."""
    return (
        ""
        if value == "inline" or not dotted_path(value)
        else "must be 'inline' or the dotted path of a callable."
    )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(value: Any) -> str:
    """Complain of a value that is no bare https origin (http: to this machine alone)."""
    mend = "must be https://<host> and no more; http is for localhost alone."
    if value is None:
        return ""
    if not isinstance(value, str) or not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+/?", value):
        return mend
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return mend
    if is_loopback(host):
        return ""
    if parts.scheme != "https" or not re.search(r"[A-Za-z]", host.rpartition(".")[2]):
        return mend
    return ""


def prefixes(value: Any) -> str:
    """Complain of a value that is no list of dialling prefixes."""
    fine = isinstance(value, (list, tuple)) and all(
        isinstance(prefix, str) and re.fullmatch(r"\+[0-9]{1,14}", prefix) for prefix in value
    )
    return "" if fine else "must be a list of prefixes such as '+91'."


ACCOUNT: dict[str, Complaint] = {
    "POD": one_of(*PODS),
    "SID": matches(r"[A-Za-z0-9_-]{1,64}", "must be the account's SID"),
    "API_KEY": matches(r"[!-~]{1,200}", "must be printable ASCII without spaces"),
    "SENDER": matches(r"\+?[A-Za-z0-9][A-Za-z0-9 ]{2,15}", "must be 3 to 16 letters and digits"),
    "CALLBACK_PROFILE_ID": matches(r"[A-Za-z0-9_-]{1,64}", "must be the id that Kaleyra shows"),
    "BASE_URL": base_url,
}


def _entries(value: Any, required: Mapping[str, Complaint], optional: Mapping[str, Complaint]) -> str:
    """Complain of a value that is no list of dicts with these keys."""
    if not isinstance(value, (list, tuple)):
        return "must be a list of dicts."
    for number, entry in enumerate(value):
        if not isinstance(entry, dict):
            return f"[{number}] must be a dict."
        for key in required:
            if key not in entry:
                return f"[{number}] lacks {key!r}."
        for key, part in entry.items():
            test = required.get(key) or optional.get(key)
            if test is None:
                return f"[{number}] has an unknown key {key!r}; known: {', '.join([*required, *optional])}."
            if wrong := test(part):
                return f"[{number}][{key!r}] {wrong}"
    return ""


def routes(value: Any) -> str:
    """Complain of a value that is no list of routes."""
    name = matches(r"[A-Za-z0-9_.+-]{1,32}", "must be 1 to 32 letters, digits, '_', '.', '+' or '-'")
    return _entries(value, {"PREFIXES": prefixes}, {"NAME": name, **ACCOUNT})


def parse_routes(value: Iterable[Mapping[str, Any]]) -> tuple[RouteEntry, ...]:
    """Return the routes, each with a name: its own, or its first prefix."""
    return tuple(
        RouteEntry(
            name=entry.get("NAME") or next(iter(entry["PREFIXES"]), "route"),
            prefixes=tuple(entry["PREFIXES"]),
            account={key: entry[key] for key in ACCOUNT if key in entry},
        )
        for entry in value
    )


def _body(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "must be a text."
    if len(value) > 1000 or value != value.strip() or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", value):
        return "must be at most 1000 characters, with no space at either end and no control character."
    if "{code}" not in value:
        return "must have {code} in it."
    if set("{}") & set(re.sub(r"\{[a-z][a-z0-9_]*\}", "", value)):
        return "has a brace that is no placeholder; a placeholder is {name}, in small letters."
    return _origin_line(value)


def _origin_line(body: str) -> str:
    """Complain of a line for WebOTP that browsers would not read.

    Source: WICG, Origin-bound one-time codes, 3.1: the last line is ``@host #code``, and nothing follows it.
    """
    *others, last = body.split("\n")
    if any(line.startswith("@") for line in others):
        return "has a line that begins with @ and is not the last."
    host = r"@[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
    if last.startswith("@") and not re.fullmatch(rf"{host} #\{{code\}}( {host})?", last):
        return "has a last line that browsers cannot read; write it as '@example.com #{code}'."
    return ""


def messages(value: Any) -> str:
    """Complain of a value that is no list of texts."""
    if value == []:
        return "must hold at least one text."
    return _entries(
        value,
        {"BODY": _body},
        {
            "purpose": matches(r"[a-z][a-z0-9_]{0,31}", "must be a purpose"),
            "language": matches(
                r"[a-z]{2,3}(-[a-z0-9]{2,8})*", "must be a language in small letters, such as 'hi'"
            ),
            "prefixes": prefixes,
            "TEMPLATE_ID": matches(r"[0-9]{12,30}", "must be 12 to 30 digits"),
            "REGISTERED": lambda text: (
                "" if isinstance(text, str) and text else "must be the registered text."
            ),
        },
    )


def parse_messages(value: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return the texts in their order."""
    return tuple(
        Message(
            body=entry["BODY"],
            purpose=entry.get("purpose"),
            language=entry.get("language"),
            prefixes=tuple(entry.get("prefixes", ())),
            template_id=entry.get("TEMPLATE_ID", ""),
            registered=entry.get("REGISTERED"),
        )
        for entry in value
    )


def _rate(value: Any) -> str:
    match = re.fullmatch(r"([0-9]{1,7})/([0-9]{0,5})([smhd])", value) if isinstance(value, str) else None
    if match and int(match[1]) and 0 < int(match[2] or 1) * UNITS[match[3]] <= 31 * UNITS["d"]:
        return ""
    return "must look like '5/h', '3/10m' or '10/d': a count, a slash, and a time of at most 31 days."


def limits(value: Any) -> str:
    """Complain of a value that is no list of limits."""
    return _entries(value, {"scope": one_of(*SCOPES), "rate": _rate}, {})


def parse_limits(value: Iterable[Mapping[str, Any]]) -> tuple[Limit, ...]:
    """Return the limits in their order."""
    parsed = []
    for entry in value:
        count, _, time = entry["rate"].partition("/")
        period = int(time[:-1] or 1) * UNITS[time[-1]] * 1_000_000
        parsed.append(Limit(entry["scope"], int(count), period))
    return tuple(parsed)


def purposes(value: Any) -> str:
    """Complain of a value that is no dict of purposes."""
    rules: dict[str, Complaint] = {
        "API": one_of(True, False),
        "CODE_LENGTH": whole(6, 10),
        "CODE_TTL": whole(30, 600),
        "MAX_ATTEMPTS": whole(3, 10),
        "MAX_FAILURES": whole_or_none(1, 100),
        "LIMITS": limits,
    }
    if not isinstance(value, dict):
        return "must be a dict of dicts."
    for name, entry in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
            return "has a name that is not 1 to 32 small letters, digits and '_'."
        if wrong := _entries([entry], {}, rules):
            return f"[{name!r}]{wrong.removeprefix('[0]')}"
    return ""


def _secret(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= MIN_SECRET and bool(re.fullmatch(r"[!-~]+", value))


def code_keys(value: Any) -> str:
    """Complain of a value that is neither None nor a list of secrets."""
    fine = value is None or (
        isinstance(value, (list, tuple))
        and value
        and all(isinstance(key, str) and len(key) >= MIN_SECRET for key in value)
    )
    return "" if fine else f"must be None or a list of secrets of {MIN_SECRET} characters or more."


def webhook_secret(value: Any) -> str:
    """Complain of a value that is neither a secret nor a list of them."""
    if value == "":
        return ""
    fine = _secret(value) or (isinstance(value, (list, tuple)) and bool(value) and all(map(_secret, value)))
    return (
        ""
        if fine
        else f"must be {MIN_SECRET} or more characters of printable ASCII without spaces, or a list of such."
    )


def countries(value: Any) -> str:
    """Complain of a value that is neither None nor "*" nor a list of ISO 3166 codes."""
    if value is None or value == "*":
        return ""
    fine = isinstance(value, (list, tuple, set, frozenset)) and set(value) <= phonenumbers.SUPPORTED_REGIONS
    return "" if fine else "must be a list of ISO codes in capital letters, such as ['IN', 'AE'], or '*'."


def guard(value: Any) -> str:
    """Complain of a value that is no dict of the guard's keys."""
    rules: dict[str, Complaint] = {
        "MODE": one_of("off", "monitor", "enforce"),
        "WINDOW": whole(600, 7 * 86400),
        "MIN_SENDS": whole(5, 100_000),
        "MIN_CONVERSION": lambda x: (
            "" if isinstance(x, (int, float)) and 0 < x < 1 else "must be a share between 0 and 1."
        ),
        "BLOCK_TIME": whole(60, 7 * 86400),
        "ALLOW": prefixes,
    }
    return _entries([value], {}, rules).removeprefix("[0]").lstrip()


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
    for number, entry in value.items():
        if not isinstance(number, str) or not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
            return "has a number that is not written as +919999900001."
        if wrong := _entries([entry], rules, {}):
            return f"has a number whose entry{wrong.removeprefix('[0]')}"
    return ""


def parse_test_numbers(value: Mapping[str, Mapping[str, Any]]) -> dict[str, TestNumber]:
    """Return the test numbers by E.164."""
    return {
        number: TestNumber(
            Secret(entry["code"]),
            entry["until"] if isinstance(entry["until"], dt.date) else dt.date.fromisoformat(entry["until"]),
        )
        for number, entry in value.items()
    }


def timeout(value: Any) -> str:
    """Complain of a value that is no pair of seconds."""
    fine = (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(type(part) in (int, float) and 0.1 <= part <= 15 for part in value)
    )
    return "" if fine else "must be two numbers of seconds, 0.1 to 15 each."


def load(hook: Any) -> Callable[..., Any]:
    """Return what a setting names: a callable as it is, a dotted path imported."""
    found: Callable[..., Any] = hook if callable(hook) else import_string(hook)
    return found
