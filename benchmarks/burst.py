"""``python -m benchmarks.burst``: 2,000 callbacks at 200 a second, and callbacks while the database is away.

The burst runs on the PostgreSQL server that ``--database-url`` names, in a database that is made and
dropped; gunicorn with two processes stores it. Latency is counted from the moment at which a callback was
due, so that a queue shows.

The outage runs on a PostgreSQL server of its own, where one can be made: callbacks and calls of the API
meet a database that refuses connections, and one that takes them and stays silent; then it is back, the
simulator calls again as Kaleyra does, and nothing may be missing. Exit code 1 where anything is.

    python -m benchmarks.burst --database-url postgres://postgres@127.0.0.1:5432/
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import requests

from benchmarks import cluster
from benchmarks.stage import Stage, free_port, own_database, wait_for
from django_kaleyra_otp import simulator

TARGET = 300.0  # ms, p99 of the burst on a machine that is not busy with other things
SECRET = {"X-Kaleyra-Otp-Secret": simulator.CALLBACK_SECRET}
CONTROL = {"X-Simulator": "1"}
OUTAGE = 12.0  # seconds; the simulator calls again after 10, 20 and 30
THREADS = 16


def main(arguments: Sequence[str]) -> int:
    """Run, print, and return the exit code."""
    options = read(arguments)
    if options.part == "burst":
        return burst(options)
    if options.part == "outage":
        return outage(options)
    # one process has one DATABASE_URL
    codes = [
        subprocess.run([sys.executable, "-m", "benchmarks.burst", "--part", part, *arguments]).returncode
        for part in ("burst", "outage")
    ]
    return max(codes)


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.burst", description="Callbacks in a burst.")
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="a PostgreSQL server")
    parser.add_argument("--callbacks", type=int, default=2000, help="in the burst")
    parser.add_argument("--rate", type=float, default=200, help="of the burst, a second")
    parser.add_argument("--part", choices=["burst", "outage"], help="this alone")
    options = parser.parse_args(arguments)
    if options.part != "outage" and not (options.database_url or "").startswith("postgres"):
        parser.error("--database-url, or DATABASE_URL, must name a PostgreSQL server")
    return options


@contextmanager
def site(server_url: str) -> Iterator[tuple[Stage, str, str]]:
    """Serve the project beside the simulator; gives the stage and both addresses."""
    with own_database(server_url, "kaleyra_otp_burst") as database_url:
        web, kaleyra = free_port(), free_port()
        os.environ.update(
            DJANGO_SETTINGS_MODULE="benchmarks.site_settings",
            DATABASE_URL=database_url,
            SIMULATOR_URL=f"http://127.0.0.1:{kaleyra}",
        )
        import_module("django").setup()
        import_module("django.core.management").call_command("migrate", verbosity=0)
        stage = Stage({})
        try:
            url = f"http://127.0.0.1:{web}"
            stage.add_simulator(kaleyra, f"{url}/otp/webhook/", 1.0)
            stage.add_server("web", web, processes=2, threads=8)
            yield stage, url, os.environ["SIMULATOR_URL"]
        finally:
            import_module("django.db").connections.close_all()
            stage.end()
            shutil.rmtree(stage.folder)


# The burst


def burst(options: argparse.Namespace) -> int:
    """Send callbacks at a steady rate, whatever they are answered; returns the exit code."""
    with site(options.database_url) as (stage, url, _):
        web = stage.processes[1]
        models = import_module("django_kaleyra_otp.models")
        names = [f"{uuid.uuid4()}:1" for _ in range(options.callbacks // 2)]
        models.SendLog.objects.bulk_create(map(submitted, names))
        calls = [(name, status) for name in names for status in ("SENT", "DELIVRD")]
        sessions = [session() for _ in range(64)]

        cpu, began = web.cpu(), time.monotonic() + 0.5

        def one(number: int) -> tuple[str, float, float]:
            due = began + number / options.rate
            time.sleep(max(0.0, due - time.monotonic()))
            message_id, status = calls[number]
            called = time.monotonic()
            try:
                answer = sessions[number % 64].post(
                    f"{url}/otp/webhook/", json=told(message_id, status), headers=SECRET, timeout=60
                )
            except requests.RequestException as error:
                outcome = type(error).__name__
            else:
                outcome = str(answer.status_code)
            return outcome, time.monotonic() - due, time.monotonic() - called

        with ThreadPoolExecutor(64) as pool:
            results = list(pool.map(one, range(len(calls))))
        took, cpu = time.monotonic() - began, web.cpu() - cpu
        statuses = Counter(status for status, _, _ in results)
        stored = models.StatusUpdate.objects.filter(send_log__isnull=False).count()
        delivered = models.SendLog.objects.filter(status="delivered").count()
    print(
        f"Burst: {len(calls)} callbacks in {took:.1f} s, {len(calls) / took:.0f}/s; answers {dict(statuses)}"
    )
    print(f"  stored and joined {stored} of {len(calls)}, sends delivered {delivered} of {len(names)}")
    print(f"  CPU of the web processes: {cpu * 1000 / len(calls):.2f} ms a callback")
    p99 = 0.0
    for what, column in (("from when it was due", 1), ("from when it was sent", 2)):
        cuts = statistics.quantiles((result[column] * 1000 for result in results), n=100)
        p99 = cuts[98] if column == 1 else p99
        print(f"  {what}: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms")
    print(f"  p99 {'within' if p99 < TARGET else 'over'} {TARGET:.0f} ms, load {os.getloadavg()[0]:.1f}")
    fine = statuses == {"204": len(calls)} and stored == len(calls) and delivered == len(names)
    print("Burst: every callback is there." if fine else "✗ Burst: callbacks are missing or were refused.")
    return 0 if fine else 1


def session() -> requests.Session:
    """Return a session that keeps its connection."""
    made = requests.Session()
    made.trust_env = False
    return made


def submitted(message_id: str) -> Any:
    """Return a send that Kaleyra accepted, not saved yet."""
    models, now = import_module("django_kaleyra_otp.models"), import_module("django.utils.timezone").now()
    return models.SendLog(
        phone_number="+919876543210",
        country="IN",
        block="+91987654",
        body="{code} is your code.",
        status="submitted",
        rank=models.DeliveryStatus.SUBMITTED.rank,
        message_id=message_id,
        submitted_at=now,
        created_at=now,
    )


def told(message_id: str, status: str) -> dict[str, str]:
    """Return a callback's body."""
    return {
        "id": message_id,
        "recipient": "919876543210",
        "status": status,
        "status_trace": status,
        "timestamp": "2026-01-01 00:00:00",
    }


# The outage


def outage(options: argparse.Namespace) -> int:
    """Take the database away in both ways; returns the exit code."""
    binaries = cluster.binaries()
    if binaries is None:
        print("Outage: left out, since no PostgreSQL server is installed here to be stopped.")
        return 0
    server = cluster.Cluster(binaries)
    try:
        server.start()
        with site(server.url) as (stage, url, kaleyra):
            web = stage.processes[1]

            def freeze_and_forget() -> None:
                before = web.children()
                for pid in before:
                    os.kill(pid, signal.SIGKILL)
                wait_for(lambda: not set(before) & set(web.children()), "the end of the web processes")
                server.freeze()

            ways = [
                Outage("refuses connections", server.stop, server.start, 200),
                Outage("takes connections and is silent", freeze_and_forget, server.thaw, 8),
                Outage("is silent on connections that were kept", server.freeze, server.thaw, 8, slow=True),
            ]
            fine = [way.holds(url, kaleyra) for way in ways]
            server.stop()
            server.start()
            print(f"Outage, the database was restarted while nobody called: {recover(url)} calls were 503")
            complaints = web.log.read_text(errors="replace").count("Traceback")
        if complaints:
            print(f"✗ Outage: {complaints} tracebacks in the server's log")
        return 0 if all(fine) and not complaints else 1
    finally:
        server.remove()


@dataclass
class Outage:
    """The database goes away and comes back, while ``count`` messages are told of.

    ``slow``: nobody can be answered meanwhile, since a thread waits in each statement.
    """

    name: str
    leave: Callable[[], None]
    come_back: Callable[[], None]
    count: int
    slow: bool = False

    def holds(self, url: str, kaleyra: str) -> bool:
        """Go through it; returns whether every answer was right and nothing is missing."""
        control(kaleyra, "fates", {"number": None, "fate": ["lost"]})  # callbacks come when we say so
        first = secrets.randbelow(900_000)
        ids = start_some(url, first, self.count)
        numbers = {number_of(first + index) for index in range(self.count)}
        told = requests.get(f"{kaleyra}/_control/messages", timeout=30).json()
        messages = [message for message in told if message["number"] in numbers]
        problems: list[str] = []
        print(f"Outage, the database {self.name}:")
        self._meanwhile(url, kaleyra, messages, ids[0], problems)
        stale = recover(url)
        print(f"  back: {stale} calls were 503 before {2 * THREADS} in a row went well")
        try:
            wait_for(lambda: every(kaleyra, messages), "Kaleyra's calling again")
        except TimeoutError as late:
            problems.append(str(late))
        self._count(messages, problems)
        for problem in problems:
            print(f"✗ {problem}")
        return not problems

    def _meanwhile(
        self, url: str, kaleyra: str, messages: list[dict[str, Any]], challenge_id: str, problems: list[str]
    ) -> None:
        """Call back, and call the API, while the database is away."""
        self.leave()
        gone = time.monotonic()
        try:
            with ThreadPoolExecutor(THREADS) as pool:
                told = [(message, status) for message in messages for status in ("SENT", "DELIVRD")]
                tries = list(pool.map(lambda one: fire(kaleyra, *one), told))
            calls = Counter[str]() if self.slow else call_all(url, challenge_id, problems)
            time.sleep(max(0.0, OUTAGE - (time.monotonic() - gone)))
        finally:
            self.come_back()
        outcomes = Counter(str(one["http_status"] or one["error"]) for one in tries)
        slowest = max(one["milliseconds"] for one in tries)
        print(f"  away for {time.monotonic() - gone:.0f} s")
        print(f"  {len(tries)} callbacks: first tries {dict(outcomes)}, slowest {slowest} ms")
        print(f"  calls of the API: {dict(calls)}")
        if set(outcomes) - ({"ReadTimeout", "503"} if self.slow else {"503"}):
            problems.append("a callback was answered otherwise than 503")

    def _count(self, messages: list[dict[str, Any]], problems: list[str]) -> None:
        """Look for every callback among the rows."""
        import_module("django.db").connections.close_all()  # ours was lost as well
        models = import_module("django_kaleyra_otp.models")
        names = [message["message_id"] for message in messages]
        delivered = models.SendLog.objects.filter(message_id__in=names, status="delivered").count()
        updates = models.StatusUpdate.objects.filter(send_log__message_id__in=names).count()
        print(f"  updates {updates} of {2 * self.count}, sends delivered {delivered} of {self.count}")
        if (updates, delivered) != (2 * self.count, self.count):
            problems.append("callbacks are missing")


def number_of(index: int) -> str:
    """Return one of a million numbers."""
    return f"+919876{index % 1_000_000:06d}"


def start_some(url: str, first: int, count: int) -> list[str]:
    """Start challenges and return their ids."""

    def one(number: int) -> str:
        answer = requests.post(f"{url}/otp/challenges/", json={"phone_number": number_of(number)}, timeout=30)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, range(first, first + count)))


def control(kaleyra: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Tell the simulator what to do."""
    answer = requests.post(f"{kaleyra}/_control/{path}", json=body, headers=CONTROL, timeout=90)
    answer.raise_for_status()
    return answer.json()  # type: ignore[no-any-return]


def fire(kaleyra: str, message: dict[str, Any], status: str) -> dict[str, Any]:
    """Have the simulator call back now; returns its first try. It calls again by itself."""
    return control(kaleyra, "fire", {"message_id": message["message_id"], "status": status})


def call_all(url: str, challenge_id: str, problems: list[str]) -> Counter[str]:
    """Make every call of the API while there is no database; each must be 503 as the contract says."""
    seen = Counter[str]()
    challenge = f"/otp/challenges/{challenge_id}/"
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/otp/challenges/", {"phone_number": "+919876999999"}),
        ("GET", challenge, None),
        ("POST", f"{challenge}verify/", {"code": "123456"}),
        ("POST", f"{challenge}resend/", {}),
        ("DELETE", challenge, None),
    ]
    for method, path, body in calls:
        try:
            answer = requests.request(method, url + path, json=body, timeout=5)
        except requests.RequestException as error:
            seen[type(error).__name__] += 1
            continue
        word = answer.json().get("code") if answer.content else ""
        seen[f"{answer.status_code} {word}"] += 1
        if (answer.status_code, word) != (503, "delivery_unavailable"):
            problems.append(
                f"{method} {path.replace(challenge_id, '<id>')} was answered {answer.status_code}"
            )
    return seen


def recover(url: str) -> int:
    """Call until as many calls as there are threads twice over went well in a row; returns the others."""
    stale = well = 0
    deadline = time.monotonic() + 30
    while well < 2 * THREADS:
        answer = requests.get(f"{url}/otp/challenges/{uuid.uuid4()}/", timeout=30)
        well, stale = (well + 1, stale) if answer.status_code == 404 else (0, stale + 1)
        if time.monotonic() > deadline:
            raise TimeoutError("the site did not recover by itself")
    return stale


def every(kaleyra: str, messages: list[dict[str, Any]]) -> bool:
    """Whether each message has both its callbacks answered 2xx."""
    wanted = {message["message_id"] for message in messages}
    told = {
        (callback["message_id"], callback["status"])
        for callback in requests.get(f"{kaleyra}/_control/callbacks", timeout=30).json()
        if callback["succeeded"] and callback["message_id"] in wanted
    }
    return len(told) == 2 * len(wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
