"""What verify takes while Kaleyra takes every SMS and answers none.

    python -m benchmarks.hanging --database-url postgres://postgres@127.0.0.1:5432/

serves a site with gunicorn and the Kaleyra backend, inline, beside the simulator, and has a process of
32 threads start challenges without a pause, each thread as soon as it was answered. Meanwhile codes are
guessed at a steady rate, whether or not the guesses before were answered. That is measured while
Kaleyra answers, and again from the moment on in which it hangs. p95 of verify in the second may be
twice that of the first (``--check``: exit code 1 where it is more); and no number may get two SMS.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from benchmarks.stage import ROOT, Stage, free_port, own_database
from benchmarks.steady import HEAD, Times, call_steadily

#: How much longer than in health p95 of verify may be.
MOST = 2.0
#: Wrong guesses that each challenge is given.
GUESSES = 9


@dataclass
class Phase(Times):
    """What was measured in one phase: the times of the guesses, and how many starts were answered how."""

    starts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        told = ", ".join(f"{count} {answer}" for answer, count in sorted(self.starts.items()))
        return f"{super().__str__()}   {told}"


def flood(url: str, threads: int, first: int, stop: Any, told: Any) -> None:
    """Start challenges, a number each, from so many threads, until ``stop``; then put counts in ``told``."""
    numbers, counts, lock = itertools.count(first), Counter[str](), threading.Lock()

    def one(_: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not stop.is_set():
                answer = begin(session, url, next(numbers))
                with lock:
                    counts[answer if isinstance(answer, str) else "201"] += 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, range(threads)))
    told.put(counts)


def begin(session: requests.Session, url: str, number: int) -> str | dict[str, Any]:
    """Start one challenge; returns it, or the status and word of the refusal."""
    try:
        answer = session.post(
            f"{url}/otp/challenges/", json={"phone_number": f"+9198{number:08d}"}, timeout=60
        )
    except requests.RequestException as error:
        return type(error).__name__
    if answer.status_code == 201:
        return dict(answer.json())
    return f"{answer.status_code} {answer.json().get('code', '')}"


class Load:
    """A flood of starts, and guesses at a steady rate."""

    def __init__(self, options: argparse.Namespace, url: str, simulator: str) -> None:
        self.options, self.url, self.simulator = options, url, simulator
        self.challenges: Iterator[str] = iter(())
        self._local = threading.local()
        self._first = 10_000_000

    def prepare(self) -> None:
        """Start as many challenges as there will be guesses for, while Kaleyra answers."""
        guesses = 2 * self.options.seconds * self.options.rate
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(self._begin, range(guesses // GUESSES + 2)))
        ids = [answer["id"] for answer in answers if isinstance(answer, dict)]
        assert len(ids) == len(answers), answers
        self.challenges = iter(ids * GUESSES)

    def _begin(self, number: int) -> str | dict[str, Any]:
        return begin(self._session(), self.url, number)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        return self._local.session

    def set_fate(self, *words: str) -> None:
        """Choose what becomes of every SMS from now on."""
        answer = requests.post(
            f"{self.simulator}/_control/fates",
            json={"number": None, "fate": words},
            headers={"X-Simulator": "1"},
            timeout=10,
        )
        answer.raise_for_status()

    def measure(self, name: str, *fate: str, warm_up: float = 0.0) -> Phase:
        """Flood, guess, and return what it took; the fate holds from the first measured guess on."""
        phase, spawn = Phase(name), multiprocessing.get_context("spawn")
        stop, told = spawn.Event(), spawn.Queue()
        self._first += 10_000_000
        arguments = (self.url, self.options.flood, self._first, stop, told)
        flooding = spawn.Process(target=flood, args=arguments, daemon=True)
        flooding.start()
        time.sleep(3 + warm_up)
        self.set_fate(*fate)
        count = self.options.seconds * self.options.rate
        call_steadily(self.options.rate, lambda made: made < count, (phase, self._guess))
        stop.set()
        phase.starts = told.get(timeout=60)
        flooding.join()
        return phase

    def _guess(self) -> None:
        # a connection of its own: gunicorn closes one that was idle for two seconds, at any moment
        answer = requests.post(
            f"{self.url}/otp/challenges/{next(self.challenges)}/verify/",
            json={"code": f"{random.randrange(10**6):06d}"},
            timeout=60,
        )
        assert answer.status_code in (200, 400), answer.status_code


def read(arguments: list[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hanging", description="Kaleyra hangs.")
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="a PostgreSQL server")
    parser.add_argument("--seconds", type=int, default=30, help="that each of the two phases is measured")
    parser.add_argument("--rate", type=int, default=20, help="guesses a second")
    parser.add_argument("--flood", type=int, default=32, help="threads that start challenges")
    parser.add_argument("--processes", type=int, default=4, help="of gunicorn")
    parser.add_argument("--threads", type=int, default=8, help="of each process of gunicorn")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that Kaleyra takes in health")
    parser.add_argument("--check", action="store_true", help="exit code 1 where verify takes too long")
    options = parser.parse_args(arguments)
    if not options.database_url:
        parser.error("name a PostgreSQL server: --database-url postgres://postgres@127.0.0.1:5432/")
    return options


def main(arguments: list[str]) -> int:
    """Measure, print, and return the exit code."""
    options = read(arguments)
    port, simulator_port = free_port(), free_port()
    url, simulator = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulator_port}"
    with own_database(options.database_url, "kaleyra_otp_hanging") as database:
        environment = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.site_settings",
            "DATABASE_URL": database,
            "SIMULATOR_URL": simulator,
            "SITE_KALEYRA_OTP": json.dumps({"TIMEOUT": [3.05, 10], "MAX_ATTEMPTS": GUESSES + 1}),
        }
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0", "--skip-checks"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, **environment}, check=True)
        stage = Stage(environment)
        try:
            stage.add_simulator(simulator_port, f"{url}/otp/webhook/", 1.0)
            stage.add_server("site", port, processes=options.processes, threads=options.threads)
            load = Load(options, url, simulator)
            load.prepare()
            healthy = load.measure("healthy", f"delay={options.latency}", warm_up=2)
            hanging = load.measure("hanging", "hang")
            messages = requests.get(f"{simulator}/_control/messages", timeout=30).json()
        finally:
            stage.end()
    sms = Counter(message["number"] for message in messages)
    return report(options, healthy, hanging, max(sms.values()))


def report(options: argparse.Namespace, healthy: Phase, hanging: Phase, most_sms: int) -> int:
    """Print both phases and return the exit code."""
    ratio = hanging.p95 / healthy.p95
    good = ratio <= MOST and most_sms == 1
    print(
        f"{options.processes} processes of {options.threads} threads, {options.flood} threads of starts, "
        f"{options.rate} guesses/s; Kaleyra takes {options.latency} s, then hangs\n"
        f"{HEAD}   starts\n"
        f"{healthy}\n{hanging}\n"
        f"p95 of verify: {ratio:.2f} times that in health (at most {MOST:.0f}); "
        f"SMS to one number: at most {most_sms}. {'✓' if good else '✗'}"
    )
    return 1 if options.check and not good else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
