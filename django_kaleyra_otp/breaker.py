"""When an account does not answer, stop asking it for a while: per process, per account.

Ten failures in a row to connect or to read an answer open the breaker for 30 seconds; then one
send is let through, and how it ends decides. A refusal is an answer and never opens it.

Until ten have failed, each waits for as long as ``TIMEOUT`` says, and whoever waits in a request holds
a thread of the server. So half of a process's threads may wait at once: who comes later waits for one
of them to be answered, and is turned away where none is for a second. The other half verifies codes, but
for who waits there: only a queue (``DISPATCH``) makes verifying independent of a slow account.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django_kaleyra_otp.exceptions import DeliveryUnavailable
from django_kaleyra_otp.types import Route

FAILURES = 10
SECONDS_OPEN = 30.0

#: How long a fault must be gone for it to be new again.
SECONDS_CALM = 900.0
#: Requests that may wait for an account's answer at a time, at least.
FEWEST_SLOTS = 3
#: How long all of them may wait without one answer until no other waits for a slot.
SECONDS_SILENT = 1.0
#: How long a request waits for a slot while others are answered; then ``TIMEOUT`` begins.
LONGEST_WAIT = 5.0

_lock = threading.Condition(threading.Lock())


@dataclass(slots=True)
class _Account:
    failures: int = 0
    closed_until: float = 0.0  # nobody may ask before; time.monotonic()
    silent_as: str = ""  # the route by which it fell silent
    faults: dict[str, float] = field(default_factory=dict)  # when each was last seen; time.monotonic()
    waiting: int = 0  # requests that hold a slot
    silent_since: float = 0.0  # no answer came since every slot was taken; 0 = it did


_accounts: dict[tuple[str, str], _Account] = {}


def _of(route: Route) -> _Account:
    return _accounts.setdefault((route.base_url, route.sid), _Account())


def slots() -> int:
    """Return how many requests of this process may wait for one account: half of its threads, or three."""
    return max(threading.active_count() // 2, FEWEST_SLOTS)


def _stuck(account: _Account, now: float) -> bool:
    """Return whether every slot is taken and none was answered for a while."""
    silent = account.silent_since and now - account.silent_since >= SECONDS_SILENT
    return bool(silent) and account.waiting >= slots()


def admit(routes: Sequence[Route]) -> None:
    """Raise DeliveryUnavailable where none of these routes' accounts may be asked by a request now."""
    now = time.monotonic()
    with _lock:
        accounts = [_of(route) for route in routes]
        waits = [
            max(account.closed_until - now, LONGEST_WAIT if _stuck(account, now) else 0.0)
            for account in accounts
        ]
    if waits and min(waits) > 0:
        raise DeliveryUnavailable(
            error_code="breaker", error_class="network", retry_after=int(min(waits)) + 1
        )


@contextmanager
def slot(route: Route) -> Iterator[bool]:
    """Give a request one of the account's few slots for as long as it waits; False where none came free."""
    with _lock:
        account = _of(route)
        taken = _take_slot(account)
    try:
        yield taken
    finally:
        if taken:
            with _lock:
                account.waiting -= 1
                _lock.notify_all()


def _take_slot(account: _Account) -> bool:
    """Wait for a slot, with the lock held; returns whether one came free."""
    latest = time.monotonic() + LONGEST_WAIT
    while account.waiting >= slots():
        now = time.monotonic()
        account.silent_since = account.silent_since or now
        left = min(account.silent_since + SECONDS_SILENT, latest) - now
        if left <= 0:
            return False
        _lock.wait(left)
    account.waiting += 1
    return True


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


def answered(route: Route) -> str:
    """Note that the account answered, whatever it said; where that ended a rest, returns whose it was.

    That is the name of the route by which the account fell silent, which may be another; else "".
    """
    with _lock:
        account = _of(route)
        silent, account.silent_as = account.silent_as, ""
        account.failures, account.closed_until, account.silent_since = 0, 0.0, 0.0
        return silent


def failed(route: Route) -> bool:
    """Note that no connection or no answer came; returns whether that opened the breaker."""
    with _lock:
        account = _of(route)
        account.failures += 1
        if account.failures < FAILURES:
            return False
        account.closed_until = time.monotonic() + SECONDS_OPEN
        if account.failures > FAILURES:
            return False
        account.silent_as = route.name
        return True


def is_new_fault(route: Route, fault: str) -> bool:
    """Note a fault that an SMS was refused for; returns whether it was not seen for a quarter of an hour.

    ``fault`` is its code, or "" for one of the account as a whole, which ``accepted`` ends.
    """
    now = time.monotonic()
    with _lock:
        faults = _of(route).faults
        last = faults.get(fault)
        faults[fault] = now
        return last is None or now - last >= SECONDS_CALM


def accepted(route: Route) -> None:
    """Note that the account took an SMS: SID, key and balance are in order."""
    with _lock:
        _of(route).faults.pop("", None)


def reset() -> None:
    """Forget every account; for tests."""
    with _lock:
        _accounts.clear()
