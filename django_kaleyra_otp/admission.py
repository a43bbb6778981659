"""All that may refuse an SMS before it is charged."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from django_kaleyra_otp import breaker, guard, routing
from django_kaleyra_otp.guard import Past
from django_kaleyra_otp.phones import Number


def admit(
    number: Number,
    purpose: str,
    now: datetime,
    *,
    inline: bool,
    ip: str | None,
    user: Any,
    request: HttpRequest | None,
) -> Past:
    """Ask each that may refuse, and return what is known of the number.

    ``inline``: it leaves within the request; then this process must not have given every account of the
    number a rest.
    """
    guard.admit_test_number(number, now)
    past = guard.past(number, now)
    guard.admit_prefix(number, past)
    guard.admit_sending()
    if inline:
        breaker.admit(routing.routes_for(number.e164))
    guard.admit_risk(number, purpose=purpose, ip=ip, user=user, request=request)
    return past
