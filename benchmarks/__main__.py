"""``python -m benchmarks``: see the package's own docstring."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import django
from django.db import connection

#: Seconds that one case may take, the making of its rows included.
SECONDS = 14.0


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return the exit code."""
    options = read(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    if options.database_url is not None:
        os.environ["DATABASE_URL"] = options.database_url
    django.setup()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        print(machine())
        if options.explain:
            # models can be imported only now that Django is set up
            return 0 if import_module("benchmarks.explain").explain(options.rows) or not options.check else 1
        return measure(options)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="CPU beside the floor.")
    parser.add_argument("--database-url", help="such as postgres://postgres@127.0.0.1:5432/; else SQLite")
    parser.add_argument("--only", default="", help="cases whose names begin so: start, verify, GET, webhook")
    parser.add_argument("--rounds", type=int, default=160, help="turns that the two views take, at most")
    parser.add_argument("--each", type=int, default=10, help="requests in a turn")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a budget is not kept")
    parser.add_argument("--explain", action="store_true", help="print plans of the hot statements instead")
    parser.add_argument("--rows", type=int, default=100_000, help="challenges stored before --explain")
    return parser.parse_args(arguments)


def machine() -> str:
    """Return what was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in cpuinfo() if line.startswith("model name")),
        platform.machine(),
    )
    with connection.cursor() as cursor:
        ask = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}
        cursor.execute(ask.get(connection.vendor, "SELECT version()"))
        version = str(cursor.fetchone()[0])
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("Django", "djangorestframework"))
    return (
        f"{os.cpu_count()} x {model}, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, "
        f"{versions}\n{connection.display_name} {version}, one connection, kept open"
    )


def cpuinfo() -> list[str]:
    """Return the lines that Linux tells of its processors; none elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def measure(options: argparse.Namespace) -> int:
    """Compare every case, print one line each, and return the exit code."""
    compare = import_module("benchmarks.measure").compare
    cases = [
        case
        for name in ("start", "verify", "callback")
        for case in import_module(f"benchmarks.{name}").CASES
        if case.name.startswith(options.only)
    ]
    print(
        "CPU: ms of this process a request, WSGI call to closed response, in-process"
        f"{', database included' if connection.vendor == 'sqlite' else ', database server not included'}; "
        "ratio: median of rounds (quartiles)\nBudgets are PostgreSQL's; "
        "elsewhere the database's own work weighs otherwise.\n"
    )
    print(
        f"{'':20}{'ratio':>7} {'quartiles':13}{'budget':>7}    {'ours':>7}{'floor':>7}   "
        f"{'statements':12}{'wall p50':>9}{'p99':>7}{'floor p50':>11}{'p99':>7}{'requests':>10}"
    )
    began, kept = time.monotonic(), True
    for case in cases:
        result = compare(case, seconds=SECONDS, rounds=options.rounds, each=options.each)
        print(line(result), flush=True)
        kept = kept and result.kept
    print(f"\n{time.monotonic() - began:.0f} s. " + ("Every budget is kept." if kept else "✗: over budget."))
    return 0 if kept or not options.check else 1


def line(result: Any) -> str:
    """Return one row of the table."""
    low, _, high = statistics.quantiles(result.ratios, n=4)
    budget = "" if result.case.budget is None else f"{result.case.budget:.2f}"
    sides = [*percentiles(result.ours.wall), *percentiles(result.floor.wall)]
    return (
        f"{result.case.name:20}{result.ratio:7.2f} ({low:.2f}-{high:.2f})  {budget:>7} "
        f"{'✓' if result.kept else '✗'}  {statistics.median(result.ours.cpu):7.3f}"
        f"{statistics.median(result.floor.cpu):7.3f}   "
        f"{len(result.ours.statements)} / {len(result.floor.statements):<8}"
        f"{sides[0]:9.2f}{sides[1]:7.2f}{sides[2]:11.2f}{sides[3]:7.2f}{len(result.ours.wall):10}"
    )


def percentiles(times: list[float]) -> tuple[float, float]:
    """Return the 50th and the 99th percentile."""
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
