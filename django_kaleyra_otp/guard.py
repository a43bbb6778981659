"""May an SMS go to this number: its country, closed prefixes, the kill switch, the project's own rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan
from django.http import HttpRequest

from django_kaleyra_otp import events, shapes
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.days import day_of
from django_kaleyra_otp.exceptions import (
    CountryNotAllowed,
    DeliveryUnavailable,
    Invalid,
    MaxFailuresReached,
    PrefixBlocked,
    Refused,
)
from django_kaleyra_otp.models import ChallengeStatus, OTPChallenge, database
from django_kaleyra_otp.phones import Number
from django_kaleyra_otp.shapes import Purpose

#: How long a success shows that a number is a person's.
PROVEN_FOR = timedelta(days=90)
#: How long a stranger's wrong guesses count.
STRANGERS_COUNT_FOR = timedelta(days=30)

_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


def rules_of(purpose: str) -> Purpose:
    """Return what holds for a purpose; raises Invalid where there is no such purpose."""
    rules = conf.purpose(purpose) if isinstance(purpose, str) else None
    if rules is None:
        raise Invalid(errors={"purpose": [f"Use one of: {', '.join(conf.purpose_names())}."]})
    return rules


def admit_country(number: Number) -> None:
    """Raise CountryNotAllowed unless ``ALLOWED_COUNTRIES`` names the number's."""
    allowed = conf.ALLOWED_COUNTRIES
    if "*" not in allowed and number.country not in allowed:
        raise CountryNotAllowed


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a number: every attempt it has seen, a success lately, the blocks that hold for it."""

    attempts: int
    proven: bool
    closed: bool
    closed_by_hand: bool


@database.retried
def past(number: Number, now: datetime) -> Past:
    """Read what is known of a number, in one statement.

    ``proven``: it had a success in the last 90 days, as far back as rows are kept.
    """
    prefixes = [number.e164[:length] for length in range(1, len(number.e164) + 1)]
    [(attempts, proven, automatic)] = database.read(
        "SELECT SUM(attempts), MAX(CASE WHEN verified_at > %s THEN 1 ELSE 0 END), ("  # noqa: S608
        "SELECT MIN(CASE WHEN automatic THEN 1 ELSE 0 END) FROM kaleyra_otp_blockedprefix "
        f"WHERE prefix IN ({database.marks(prefixes)}) AND (until IS NULL OR until > %s)"
        ") FROM kaleyra_otp_otpchallenge WHERE phone_number = %s",
        [now - PROVEN_FOR, *prefixes, now, number.e164],
    )
    return Past(int(attempts or 0), bool(proven), automatic is not None, automatic == 0)


def admit_prefix(number: Number, past: Past) -> None:
    """Raise PrefixBlocked where a block holds for the number.

    One by hand always holds; an automatic one under ``enforce`` alone, not within ``ALLOW``, and not
    for a number that had a success in the last 90 days.
    """
    if past.closed_by_hand:
        raise PrefixBlocked
    if past.closed and enforces(number.e164) and not past.proven:
        raise PrefixBlocked


def enforces(prefix: str) -> bool:
    """Return whether automatic blocks are enforced for a number or prefix, by ``MODE`` and ``ALLOW``."""
    rules = conf.GUARD
    return rules.mode == "enforce" and not prefix.startswith(rules.allow)


def admit_failures(
    number: Number, past: Past, rules: Purpose, *, known: bool, user_id: Any, now: datetime
) -> None:
    """Raise MaxFailuresReached where too many wrong guesses stand.

    They stand since the last success of the same caller for the same purpose, unless an operator
    cleared them; a stranger's lapse after 30 days. They are counted only where the number has seen
    as many attempts in all.

    Source: NIST SP 800-63B-4, 3.2.2 (no more than 100 consecutive failures).
    """
    if rules.max_failures is not None and past.attempts >= rules.max_failures:
        _admit_standing(number, rules, rules.max_failures, known=known, user_id=user_id, now=now)


@database.retried
def _admit_standing(
    number: Number, rules: Purpose, most: int, *, known: bool, user_id: Any, now: datetime
) -> None:
    """Raise MaxFailuresReached where ``most`` wrong guesses stand."""
    counted = standing(number.e164, rules.name, known=known, user_id=user_id, now=now)
    failures = counted.aggregate(failures=Sum("attempts"))["failures"] or 0
    if failures >= most:
        raise MaxFailuresReached(
            retry_after=None if known else _lapse(counted.order_by("created_at"), failures, most, now)
        )


def standing(
    phone_number: str, purpose: str, *, known: bool, user_id: Any, now: datetime
) -> QuerySet[OTPChallenge]:
    """Return the challenges whose wrong guesses stand against a number (E.164) for one caller and purpose."""
    rows = OTPChallenge.objects.using(database.alias())
    together = rows.of_caller(phone_number, known=known, user_id=user_id).filter(purpose=purpose)
    last_success = together.filter(verified_at__isnull=False).order_by("-verified_at").values("verified_at")
    counts = Q(purpose=purpose, known=known, failures_cleared_at__isnull=True, attempts__gt=0)
    counts &= ~Q(status=ChallengeStatus.VERIFIED)
    epoch = Value(_LONG_AGO if settings.USE_TZ else _LONG_AGO.replace(tzinfo=None))
    counts &= Q(
        GreaterThan(Coalesce("last_attempt_at", "created_at"), Coalesce(Subquery(last_success[:1]), epoch))
    )
    counts &= Q(user_id=user_id) if known else Q(created_at__gt=now - STRANGERS_COUNT_FOR)
    return rows.filter(counts, phone_number=phone_number)


@database.retried
def forgive(phone_number: str, now: datetime) -> int:
    """Have no wrong guess stand against a number (E.164) any more; returns of how many challenges."""
    rows = OTPChallenge.objects.using(database.alias()).filter(phone_number=phone_number, attempts__gt=0)
    return rows.filter(failures_cleared_at__isnull=True).update(failures_cleared_at=now)


def _lapse(counted: QuerySet[OTPChallenge], failures: int, allowed: int, now: datetime) -> int | None:
    """Return the seconds until so many strangers' failures have lapsed that fewer than allowed stand."""
    for created_at, attempts in counted.values_list("created_at", "attempts").iterator():
        failures -= attempts
        if failures < allowed:
            return max(math.ceil((created_at + STRANGERS_COUNT_FOR - now).total_seconds()), 1)
    return None


def admit_test_number(number: Number, now: datetime) -> None:
    """Raise Refused for a test number past its last day, by the clocks of ``TIME_ZONE``."""
    test_number = conf.TEST_NUMBERS.get(number.e164)
    if test_number and day_of(now) > test_number.until:
        raise Refused


def admit_sending() -> None:
    """Raise DeliveryUnavailable where the kill switch ``SENDING`` is off."""
    switch = conf.SENDING
    if not (switch if isinstance(switch, bool) else _says_true("SENDING", switch)):
        raise DeliveryUnavailable(error_code="sending_off", error_class="configuration")


def admit_risk(
    number: Number, *, purpose: str, ip: str | None, user: Any, request: HttpRequest | None
) -> None:
    """Raise Refused where the project's ``RISK`` says anything but True."""
    if conf.RISK and not _says_true(
        "RISK", conf.RISK, phone_number=number.e164, purpose=purpose, ip=ip, user=user, request=request
    ):
        raise Refused


def _says_true(name: str, hook: str | Callable[..., object], **arguments: Any) -> bool:
    """Ask a hook of the project; only exactly True admits, and a hook that raises refuses."""
    try:
        return shapes.load(hook)(**arguments) is True
    except Exception as error:
        # the class alone: a text of the project's may hold the number
        events.HOOK_FAILED.log(setting=name, error=type(error).__name__)
        return False
