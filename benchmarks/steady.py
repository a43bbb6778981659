"""Calls that come at a steady rate, whether or not the ones before were answered."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

#: Calls that may be under way at once.
CLIENTS = 64


@dataclass
class Times:
    """Seconds that calls took, from when each was due, not from when a client was free to make it."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float:
        """Milliseconds that 95 calls of 100 were answered within."""
        return statistics.quantiles(self.seconds, n=100)[94] * 1000

    def __str__(self) -> str:
        cuts = [cut * 1000 for cut in statistics.quantiles(self.seconds, n=100)]
        return (
            f"{self.name:18}{len(self.seconds):8}{cuts[49]:9.0f}{cuts[94]:9.0f}{cuts[98]:9.0f}"
            f"{max(self.seconds) * 1000:9.0f}"
        )


HEAD = f"{'':18}{'calls':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}"


def call_steadily(
    rate: float, going_on: Callable[[int], bool], *calls: tuple[Times, Callable[[], object]]
) -> None:
    """Make each of the calls ``rate`` times a second for as long as ``going_on(how often so far)``.

    Raises what a call raised, once all have ended.
    """

    def one(times: Times, call: Callable[[], object], due: float) -> None:
        call()
        times.seconds.append(time.monotonic() - due)

    began, often, made = time.monotonic(), 0, []
    with ThreadPoolExecutor(CLIENTS) as pool:
        while going_on(often):
            for index, (times, call) in enumerate(calls):
                due = began + (often + index / len(calls)) / rate
                time.sleep(max(due - time.monotonic(), 0))
                made.append(pool.submit(one, times, call, due))
            often += 1
    for done in made:
        done.result()
