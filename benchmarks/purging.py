"""What starts and verifies take while a million sends are deleted beside them.

    python -m benchmarks.large --sends 5000000
    python -m benchmarks.purging

copies that database, serves the copy with gunicorn and the dummy backend, and has challenges started and
codes guessed at a steady rate: for a while in quiet, then while ``kaleyra_otp_purge`` deletes the oldest
sends, with their challenges and updates, in a process of its own. p95 of each in the second may be twice
that of the first (``--check``: exit code 1 where it is more).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg
import requests

from benchmarks.stage import ROOT, Stage, free_port, own_database
from benchmarks.steady import HEAD, Times, call_steadily

#: How much longer than in quiet p95 may be.
MOST = 2.0
#: Seconds between a challenge's start and the guess at it, and how long the site warms up.
AGE = 10


def days_to_keep(database_url: str, sends: int) -> int:
    """Return the most days that may be kept for at least so many of the oldest sends to go."""
    with psycopg.connect(urlunsplit(urlsplit(database_url)._replace(scheme="postgresql"))) as connection:
        connection.execute("CHECKPOINT")  # the copy is on the disk before anything is measured
        row = connection.execute(
            "SELECT extract(epoch FROM now() - created_at) / 86400 FROM kaleyra_otp_sendlog "
            "ORDER BY created_at OFFSET %s LIMIT 1",
            [sends],
        ).fetchone()
    assert row is not None, f"There are not {sends:,} sends: python -m benchmarks.large"
    return math.floor(row[0])


class Crowd:
    """Starts challenges, and guesses at those that were started."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers, self._lock = itertools.count(random.randrange(10**7)), threading.Lock()
        self._open: deque[str] = deque()

    def start(self) -> None:
        """Start a challenge of a number of its own."""
        with self._lock:
            number = next(self._numbers)
        answer = self._post("", {"phone_number": f"+9197{number * 10_007 % 10**8:08d}"})
        assert answer.status_code == 201, answer.status_code
        self._open.append(answer.json()["id"])

    def guess(self) -> None:
        """Guess wrong, most probably, at the challenge that waits for longest."""
        answer = self._post(f"{self._open.popleft()}/verify/", {"code": f"{random.randrange(10**6):06d}"})
        assert answer.status_code in (200, 400), answer.status_code

    def _post(self, path: str, body: dict[str, str]) -> requests.Response:
        return requests.post(f"{self.url}/otp/challenges/{path}", json=body, timeout=60)


class Purge:
    """``kaleyra_otp_purge``, in a process of its own."""

    def __init__(self, environment: dict[str, str], *options: str) -> None:
        command = [sys.executable, "-m", "django", "kaleyra_otp_purge", "--skip-checks", *options]
        self._popen = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
        )

    def runs(self) -> bool:
        """Return whether it has not ended."""
        return self._popen.poll() is None

    def told(self) -> str:
        """Return the line that it printed."""
        output, _ = self._popen.communicate()
        assert self._popen.returncode == 0, self._popen.returncode
        return output.strip()


def read(arguments: list[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.purging", description="Purge beside traffic.")
    parser.add_argument("--database-url", default="postgres://postgres@127.0.0.1:5432/kaleyra_otp_large")
    parser.add_argument("--sends", type=int, default=1_000_000, help="that are deleted, at least")
    parser.add_argument("--seconds", type=int, default=60, help="of quiet before")
    parser.add_argument("--rate", type=float, default=20, help="starts a second, and as many guesses")
    parser.add_argument("--check", action="store_true", help="exit code 1 where p95 is too long")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, print, and return the exit code."""
    options, port = read(arguments), free_port()
    source = urlsplit(options.database_url).path[1:]
    with own_database(options.database_url, "kaleyra_otp_purging", source) as database:
        days = days_to_keep(database, options.sends)
        environment = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.site_settings",
            "DATABASE_URL": database,
            "SITE_KALEYRA_OTP": json.dumps({"BACKEND": "django_kaleyra_otp.backends.dummy.DummyBackend"}),
        }
        stage = Stage(environment)
        try:
            stage.add_server("site", port, processes=2, threads=8)
            crowd = Crowd(f"http://127.0.0.1:{port}")
            few, many = AGE * options.rate, options.seconds * options.rate
            call_steadily(options.rate, lambda often: often < few, (Times("warm-up"), crowd.start))
            quiet = measure(crowd, options.rate, "in quiet", lambda often: often < many)
            began, purge = time.monotonic(), Purge(environment, "--days", str(days))
            beside = measure(crowd, options.rate, "beside it", lambda _: purge.runs())
            took = time.monotonic() - began
        finally:
            stage.end()
        print(f"{purge.told()}\n{took:.0f} s\n\n{HEAD}")
    good = True
    for before, during in zip(quiet, beside, strict=True):
        ratio = during.p95 / before.p95
        good = good and ratio <= MOST
        print(f"{before}\n{during}   p95: {ratio:.2f} times (at most {MOST:.0f})")
    return 1 if options.check and not good else 0


def measure(crowd: Crowd, rate: float, when: str, going_on: Callable[[int], bool]) -> tuple[Times, Times]:
    """Start and guess for as long as it goes on; return the times of both."""
    starts, guesses = Times(f"start {when}"), Times(f"verify {when}")
    call_steadily(rate, going_on, (starts, crowd.start), (guesses, crowd.guess))
    return starts, guesses


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
