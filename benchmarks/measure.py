"""One request's CPU and wall time, and two views side by side."""

from __future__ import annotations

import gc
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

application = WSGIHandler()


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, and the answer that shows it did its job."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int
    says: bytes = b""

    def environ(self) -> dict[str, Any]:
        """Return the request as a WSGI server hands it over."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        return {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": self.path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_ACCEPT": "application/json",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Case:
    """One job, done by our view and by the floor's.

    ``ours`` and ``floor`` make that many calls, and the rows they need. ``budget`` is the most that
    ours may cost over the floor's, ``statements`` the most it may run; None: as it comes. ``settled``
    says whether every row is where the calls should have brought it.
    """

    name: str
    ours: Callable[[int], list[Call]]
    floor: Callable[[int], list[Call]]
    budget: float | None
    statements: int
    settled: Callable[[], bool] = lambda: True


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one view cost: CPU in ms a request, one figure a round; wall in ms, one figure a request."""

    cpu: list[float]
    wall: list[float]
    statements: list[str]


@dataclass(frozen=True, kw_only=True)
class Result:
    """Both views of a case."""

    case: Case
    ours: Side
    floor: Side

    @property
    def ratios(self) -> list[float]:
        """Ours over the floor's, one figure a round."""
        return [ours / floor for ours, floor in zip(self.ours.cpu, self.floor.cpu, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def kept(self) -> bool:
        """Whether CPU and statements are within their budgets."""
        within = self.case.budget is None or self.ratio <= self.case.budget
        return within and len(self.ours.statements) <= self.case.statements


def run(call: Call) -> tuple[float, float]:
    """Make one call; returns its CPU and its wall time in ms. Raises AssertionError for another answer."""
    environ, began = call.environ(), []
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    response = application(environ, lambda status, headers: began.append(status))
    body = b"".join(response)
    response.close()
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    answer = f"{call.path}: {began[0]} {body!r}"
    assert began[0].startswith(str(call.status)), answer
    assert call.says in body, answer
    return cpu / 1e6, wall / 1e6


@contextmanager
def statements() -> Iterator[list[str]]:
    """Gather the statements that run meanwhile; but BEGIN and COMMIT."""
    seen: list[str] = []

    def see(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith("BEGIN"):  # Django sends SQLite's as a statement
            seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        yield seen


def compare(case: Case, *, seconds: float, rounds: int, each: int) -> Result:
    """Run both views in turns, ``each`` requests a turn, for so many rounds or seconds."""
    until = time.monotonic() + seconds
    makers = {"ours": case.ours, "floor": case.floor}
    sides = {}
    for name, make in makers.items():
        for call in make(2 * each):
            run(call)
        counted = make(1)[0]
        with statements() as seen:
            run(counted)
        sides[name] = Side(cpu=[], wall=[], statements=seen)
    for number in range(rounds):
        calls = {name: make(each) for name, make in makers.items()}
        gc.collect()
        for name in sorted(makers, reverse=number % 2 == 1):
            times = [run(call) for call in calls[name]]
            sides[name].cpu.append(statistics.median(cpu for cpu, _ in times))
            sides[name].wall.extend(wall for _, wall in times)
        if time.monotonic() > until:
            break
    assert case.settled(), f"{case.name}: some rows are not where the calls should have brought them"
    return Result(case=case, **sides)
