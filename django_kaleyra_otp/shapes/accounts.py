"""An account of Kaleyra: where it lives, what it sends by, and which numbers go by it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django_kaleyra_otp.shapes.values import Complaint, entries, matches, one_of, prefixes
from django_kaleyra_otp.types import Secret

#: Hosts by pod. Source: Kaleyra, "Send OTP SMS" (North America ends in .ai).
PODS = {
    "in": "https://api.in.kaleyra.io",
    "sg": "https://api.kaleyra.io",
    "eu": "https://api.eu.kaleyra.io",
    "na": "https://api.na.kaleyra.ai",
}
#: The name of the route that the account keys themselves make.
DEFAULT_ROUTE = "default"
#: The route that a test number's sends are logged under: neither guard nor alarms count them.
TEST_ROUTE = "test"

_ORIGIN = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?/?")
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+([a-z]{2,}|xn--[a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """One entry of ``ROUTES``: its prefixes, and the account keys it sets (``API_KEY`` as a Secret)."""

    name: str
    prefixes: tuple[str, ...]
    account: Mapping[str, Any] = field(repr=False)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(value: Any) -> str:
    """Complain of a value that is no bare https origin by name (http: to this machine alone)."""
    mend = "must be https://<host> and no more; http is for localhost alone."
    if value is None:
        return ""
    if not isinstance(value, str) or not _ORIGIN.fullmatch(value):
        return mend
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return mend
    if is_loopback(host) or (parts.scheme == "https" and _HOST.fullmatch(host)):
        return ""
    return mend


def parse_base_url(value: str | None) -> str | None:
    """Return an origin without a slash behind it."""
    return value.rstrip("/") if value else None


_SENDER = (
    "must be 3 to 11 letters and digits (in India the six of the header, without the -T or -S behind it), "
    "or a number of 3 to 15 digits"
)

ACCOUNT: dict[str, Complaint] = {
    "POD": one_of(*PODS),
    "SID": matches(r"[A-Za-z0-9_-]{1,64}", "must be the account's SID"),
    "API_KEY": matches(r"[!-~]{1,200}", "must be printable ASCII without spaces"),
    "SENDER": matches(r"[A-Za-z0-9]{3,11}|\+?[0-9]{3,15}", _SENDER),
    "CALLBACK_PROFILE_ID": matches(r"[A-Za-z0-9_-]{1,64}", "must be the id that Kaleyra shows"),
    "BASE_URL": base_url,
}


def unset_or(key: str) -> Complaint:
    """Return the complaint about an account key at the top, where "" is not set yet."""
    return lambda value: "" if isinstance(value, str) and value == "" else ACCOUNT[key](value)


def _some_prefixes(value: Any) -> str:
    return prefixes(value) if value else "must be a list of prefixes such as '+91'."


def routes(value: Any) -> str:
    """Complain of a value that is no list of routes."""
    name = matches(r"[A-Za-z0-9_.+-]{1,32}", "must be 1 to 32 letters, digits, '_', '.', '+' or '-'")
    if wrong := entries(value, {"PREFIXES": _some_prefixes}, {"NAME": name, **ACCOUNT}):
        return wrong
    # in small letters: to MariaDB and MySQL, names that differ in case alone are one
    names = [route["NAME"].lower() for route in value if "NAME" in route]
    if {DEFAULT_ROUTE, TEST_ROUTE} & set(names) or len(set(names)) < len(names):
        return (
            "must give each route a NAME of its own, by more than its case, "
            f"and {DEFAULT_ROUTE!r} or {TEST_ROUTE!r} to none."
        )
    return ""


def parse_routes(value: Iterable[Mapping[str, Any]]) -> tuple[RouteEntry, ...]:
    """Return the routes, each with a name: its own, or its first prefix (``+91``, then ``+91-2``)."""
    taken = {DEFAULT_ROUTE, *(route["NAME"] for route in value if "NAME" in route)}
    parse = {"API_KEY": Secret, "BASE_URL": parse_base_url}
    found = []
    for route in value:
        name = route.get("NAME") or _free(route["PREFIXES"][0], taken)
        taken.add(name)
        account = {key: parse.get(key, str)(route[key]) for key in ACCOUNT if key in route}
        found.append(RouteEntry(name, tuple(route["PREFIXES"]), account))
    return tuple(found)


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"
