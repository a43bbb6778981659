"""Which account and sender for which number."""

from __future__ import annotations

from django_kaleyra_otp import shapes
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.shapes.accounts import DEFAULT_ROUTE, PODS, RouteEntry
from django_kaleyra_otp.types import Route

#: The account keys themselves, as an entry that sets none of its own.
DEFAULT = RouteEntry(DEFAULT_ROUTE, (), {})


def routes_for(phone_number: str) -> tuple[Route, ...]:
    """Return the routes of a number (E.164), in the order they are tried; there is always one.

    The entries of ``ROUTES`` with the longest prefix that fits; where none fits, the account keys
    themselves. A key that is not set is "" in the Route.
    """
    found: list[RouteEntry] = []
    longest = 0
    for entry in conf.ROUTES:
        reach = max((len(prefix) for prefix in entry.prefixes if phone_number.startswith(prefix)), default=0)
        if reach > longest:
            found, longest = [entry], reach
        elif reach and reach == longest:
            found.append(entry)
    return tuple(map(route, found or [DEFAULT]))


def entries_for(prefix: str) -> list[RouteEntry]:
    """Return the routes that some number of a prefix may go by, ``DEFAULT`` included."""
    entries = [entry for entry in conf.ROUTES if shapes.meets(entry.prefixes, prefix)]
    all_of_them = any(prefix.startswith(entry.prefixes) for entry in entries)
    return entries if all_of_them else [DEFAULT, *entries]


def route(entry: RouteEntry) -> Route:
    """Return the route that an entry makes: its own keys over those of the account."""
    own = entry.account
    return Route(
        name=entry.name,
        sid=own.get("SID", conf.SID),
        api_key=own.get("API_KEY", conf.API_KEY),
        base_url=(
            own.get("BASE_URL")
            or PODS.get(own.get("POD", ""))
            or conf.BASE_URL
            or PODS.get(conf.POD or "", "")
        ),
        sender=own.get("SENDER", conf.SENDER),
        callback_profile_id=own.get("CALLBACK_PROFILE_ID", conf.CALLBACK_PROFILE_ID),
        timeout=conf.TIMEOUT,
    )
