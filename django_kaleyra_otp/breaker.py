"""When an account does not answer, stop asking it for a while: per process, per account.

Ten failures in a row to connect or to read an answer open the breaker for 30 seconds; then one
send is let through, and how it ends decides. A refusal is an answer and never opens it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django_kaleyra_otp.exceptions import DeliveryUnavailable
from django_kaleyra_otp.types import Route

FAILURES = 10
SECONDS_OPEN = 30.0

_lock = threading.Lock()


@dataclass(slots=True)
class _Account:
    failures: int = 0
    closed_until: float = 0.0  # nobody may ask before; time.monotonic()
    alarmed: bool = False


_accounts: dict[tuple[str, str], _Account] = {}


def _of(route: Route) -> _Account:
    return _accounts.setdefault((route.base_url, route.sid), _Account())


def admit(routes: Sequence[Route]) -> None:
    """Raise DeliveryUnavailable where every one of these routes' accounts is given a rest."""
    now = time.monotonic()
    with _lock:
        rests = [_of(route).closed_until - now for route in routes]
    if rests and min(rests) > 0:
        raise DeliveryUnavailable(
            error_code="breaker", error_class="network", retry_after=int(min(rests)) + 1
        )


def take(route: Route) -> bool:
    """Return whether this call may ask the account; after a rest, one call may, as a probe."""
    now = time.monotonic()
    with _lock:
        account = _of(route)
        if account.closed_until > now:
            return False
        if account.failures >= FAILURES:
            account.closed_until = now + SECONDS_OPEN  # until the probe has told
        return True


def answered(route: Route) -> None:
    """Note that the account answered, whatever it said."""
    with _lock:
        account = _of(route)
        account.failures, account.closed_until = 0, 0.0


def failed(route: Route) -> bool:
    """Note that no connection or no answer came; returns whether that opened the breaker."""
    with _lock:
        account = _of(route)
        account.failures += 1
        if account.failures < FAILURES:
            return False
        account.closed_until = time.monotonic() + SECONDS_OPEN
        return account.failures == FAILURES


def first_alarm(route: Route, *, fault: bool) -> bool:
    """Return whether a fault of the account is new: True once, and again after it was gone."""
    with _lock:
        account = _of(route)
        new = fault and not account.alarmed
        account.alarmed = fault
        return new


def reset() -> None:
    """Forget every account; for tests."""
    with _lock:
        _accounts.clear()
