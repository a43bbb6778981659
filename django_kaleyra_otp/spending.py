"""How full the limits in SMS segments are: money that is about to run out, or that somebody burns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import phonenumbers

from django_kaleyra_otp import alarms, limits
from django_kaleyra_otp.alarms import Finding
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.models import AlarmKind, RateLimit, database
from django_kaleyra_otp.shapes import Limit

#: Shares of a limit, in %; each is an alarm of its own.
LEVELS = (50, 80, 100)


def watch(now: datetime) -> tuple[int, int]:
    """Raise an alarm for each level that a ``country`` or ``global`` limit has reached, end those below.

    Returns how many alarms were raised and how many ended.
    """
    return alarms.settle((AlarmKind.SPENDING,), _filled(now), now)


def _filled(now: datetime) -> Iterator[Finding]:
    named = {limits.key_of(limit, subject): (limit, subject) for limit, subject in _money()}
    at = limits.microseconds(now)
    for key, tat in _tats(list(named)):
        limit, subject = named[key]
        unit = -(-limit.period // limit.count)
        # what is left may be less than one segment: then the limit is full
        used = min((max(tat - at, 0) + unit - 1) // unit, limit.count)
        where = f"{limit.scope} {subject}".strip()
        for level in LEVELS:
            if used * 100 >= level * limit.count:
                yield Finding(
                    AlarmKind.SPENDING,
                    f"{where} {limit.count}/{limit.period // limits.SECOND}s {level} %",
                    {"used": used, "limit": limit.count, "seconds": limit.period // limits.SECOND},
                )


def _money() -> Iterator[tuple[Limit, str]]:
    """Yield each limit in segments, with each country that it may hold for."""
    allowed = conf.ALLOWED_COUNTRIES
    countries = phonenumbers.SUPPORTED_REGIONS if "*" in allowed else allowed
    purposes = (conf.purpose(name) for name in conf.purpose_names())
    for limit in {limit for rules in purposes if rules for limit in rules.limits}:
        if limit.scope in limits.MONEY and limit.period:
            for subject in sorted(countries) if limit.scope == "country" else [""]:
                yield limit, subject


@database.retried
def _tats(keys: list[str]) -> list[tuple[str, int]]:
    return list(RateLimit.objects.using(database.alias()).filter(key__in=keys).values_list("key", "tat"))
