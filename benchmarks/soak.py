"""``python -m benchmarks.soak``: customers, while processes are killed; then every row is accounted for.

On PostgreSQL, with a database that it makes and drops: two servers of two gunicorn processes (one hands
its SMS over in the request, one by django-tasks-db and two workers), two loops of
``kaleyra_otp_reconcile``, and the simulator, of which one send in ten goes wrong in its answer, its
callbacks or its delivery. Each second or so a process is killed (``kill -9``; one in ten is asked to end)
and started again. Customers ask, guess, resend, cancel, redeem, several at once, and hang up.

Afterwards leases are waited for, and the rows are held against what each customer was told and what the
simulator accepted (``benchmarks.reckoning``). Prints a table; exit code 1 where anything is wrong.

    python -m benchmarks.soak --seconds 600 --database-url postgres://postgres@127.0.0.1:5432/
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import django
import requests
from django.core.management import call_command

from benchmarks.clients import Customers, Handsets
from benchmarks.stage import Stage, free_port, own_database

RECONCILE = """
import time, django
from django.core.management import call_command
django.setup()
while True:
    call_command("kaleyra_otp_reconcile")
    time.sleep(3)
"""
#: Seconds after the load in which what is stuck must have been put right: a lease of 60, and a run or two.
SETTLING = 120.0
TIME_SCALE = 0.3


def main(arguments: Sequence[str]) -> int:
    """Run, print, and return the exit code."""
    options = read(arguments)
    with own_database(options.database_url, "kaleyra_otp_soak") as database_url:
        ports = {name: free_port() for name in ("kaleyra", "inline", "tasks")}
        os.environ.update(
            DJANGO_SETTINGS_MODULE="benchmarks.site_settings",
            DATABASE_URL=database_url,
            SIMULATOR_URL=f"http://127.0.0.1:{ports['kaleyra']}",
            SITE_DISPATCH="tasks",
        )
        django.setup()
        call_command("migrate", verbosity=0)
        stage = Stage({})
        try:
            return soak(stage, ports, options)
        finally:
            stage.end()
            if options.keep_logs:
                print(f"Logs: {stage.folder}")
            else:
                shutil.rmtree(stage.folder)


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Right under fire.")
    parser.add_argument("--seconds", type=float, default=600, help="of load; settling takes two minutes more")
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="a PostgreSQL server")
    parser.add_argument("--customers", type=int, default=12, help="at once")
    parser.add_argument("--seed", type=int, default=None, help="of what is chosen at random")
    parser.add_argument("--keep-logs", action="store_true", help="leave what the processes printed")
    options = parser.parse_args(arguments)
    if not (options.database_url or "").startswith("postgres"):
        parser.error("--database-url, or DATABASE_URL, must name a PostgreSQL server")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    return options


def soak(stage: Stage, ports: dict[str, int], options: argparse.Namespace) -> int:
    """Load, kill, settle, reckon; returns the exit code."""
    site = {name: f"http://127.0.0.1:{ports[name]}" for name in ("inline", "tasks")}
    stage.add_simulator(ports["kaleyra"], f"{site['tasks']}/otp/webhook/", TIME_SCALE)
    # as Kaleyra: three more tries, ten seconds apart, whatever the scale of the rest
    pause = {"retry_seconds": 10 / TIME_SCALE}
    knobs = f"{os.environ['SIMULATOR_URL']}/_control/knobs"
    requests.post(knobs, json=pause, headers={"X-Simulator": "1"}, timeout=10).raise_for_status()
    victims = [
        stage.add_server(name, ports[name], processes=2, threads=4, SITE_DISPATCH=name) for name in site
    ]
    victims *= 2  # half of what is killed is web
    for number in (1, 2):
        victims.append(stage.add(f"worker-{number}", "-m", "django", "db_worker", "--interval", "0.1"))
        victims.append(stage.add(f"reconcile-{number}", "-c", RECONCILE))
    stage.supervise()
    handsets = Handsets(os.environ["SIMULATOR_URL"])
    customers = Customers(list(site.values()), handsets, options.seed)
    print(f"Seed {options.seed}; {options.customers} customers for {options.seconds:.0f} s", flush=True)
    kills = Counter[str]()
    customers.start(options.customers)
    try:
        kill(stage, victims, kills, options)
    finally:
        customers.stop.set()
        customers.join()
    settled = settle()
    handsets.stop()
    messages = list(handsets.messages.values())
    reckoning = import_module("benchmarks.reckoning").Reckoning(customers.stories, messages)
    reckoning.reckon()
    check_workers(reckoning)
    check_answers(customers, reckoning)
    check_profile(reckoning)
    for failure in customers.failures:
        reckoning.wrong("a customer met something unforeseen", failure)
    for crash in stage.crashes:
        reckoning.wrong("a process that ended by itself", crash)
    for line in complaints(stage):
        reckoning.wrong("an exception that nobody caught", line)
    show(customers, reckoning, kills, stage.restarts, settled)
    return 1 if reckoning.violations else 0


def kill(stage: Stage, victims: list[Any], kills: Counter[str], options: argparse.Namespace) -> None:
    """Kill a process at random each second or so."""
    chance, until = random.Random(options.seed), time.monotonic() + options.seconds
    pause = threading.Event()
    while time.monotonic() < until:
        pause.wait(chance.uniform(0.3, 1.7))
        kills[stage.kill_one(chance, victims)] += 1


def settle() -> float:
    """Wait until no send is under way; returns the seconds it took."""
    models = import_module("django_kaleyra_otp.models")
    under_way = models.SendLog.objects.filter(status__in=["queued", "sending"])
    unnamed = models.StatusUpdate.objects.filter(send_log__isnull=True)
    began, still, last = time.monotonic(), 0, -1
    # a lease begins with the last send; then a few runs in which nothing moves any more
    while time.monotonic() < began + SETTLING and (still < 4 or time.monotonic() < began + 60):
        time.sleep(3)
        now = under_way.count() * 1_000_000 + unnamed.count()
        still = still + 1 if now == last and not under_way.exists() else 0
        last = now
    return time.monotonic() - began


def check_answers(customers: Customers, reckoning: Any) -> None:
    """503 is an answer; 502 only where Kaleyra was made to say no; any other 5xx is wrong."""
    noes = {story.number for story in customers.stories if "status=400" in story.fate}
    for story in customers.stories:
        for verb, answers in story.said.items():
            for answer in answers:
                if answer.status == 502 and story.number in noes and answer.word == "delivery_failed":
                    continue
                if answer.status >= 500 and (answer.status != 503 or not answer.word):
                    reckoning.wrong("an answer 5xx", f"{verb} {answer.status} {answer.word} {story.fate}")


def check_workers(reckoning: Any) -> None:
    """The workers must have had their part in it."""
    tasks = import_module("django_tasks_db.models").DBTaskResult.objects
    for status, count in sorted(Counter(tasks.values_list("status", flat=True)).items()):
        reckoning.figures[f"tasks {status.lower()}"] = count
    if not tasks.filter(status="SUCCESSFUL").exists():
        reckoning.wrong("workers that did nothing", tasks.count())


def check_profile(reckoning: Any) -> None:
    """Kaleyra must not have switched the callback profile off."""
    state = requests.get(f"{os.environ['SIMULATOR_URL']}/_control/state", timeout=30).json()
    for profile in state["profiles"]:
        if profile["status"] != 1:
            reckoning.wrong("a callback profile that was switched off", profile["title"])


def complaints(stage: Stage) -> list[str]:
    """Return the last line of each traceback that a process printed."""
    found = []
    for process in stage.processes:
        lines = process.log.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("Traceback"):
                rest = (one for one in lines[number + 1 :] if one and not one.startswith(" "))
                found.append(f"{process.name}: {next(rest, '?')}")
    return found


def show(customers: Customers, reckoning: Any, kills: Counter[str], restarts: int, settled: float) -> None:
    """Print the table."""
    print("\nKilled")
    for victim, count in sorted(kills.items()):
        print(f"{count:8}  {victim}")
    print(f"{sum(kills.values()):8}  in all; {restarts} groups started again")
    print("\nAnswers")
    for (verb, status, word), count in sorted(customers.statuses.items()):
        print(f"{count:8}  {verb:8} {status or '':3} {word}")
    if len(customers.seconds) > 1:
        cuts = statistics.quantiles(customers.seconds, n=100)
        print(f"          p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms")
    print(f"\nRows, after {settled:.0f} s more")
    for name, figure in reckoning.figures.items():
        print(f"{figure:8}  {name}")
    print()
    for rule, places in reckoning.violations.items():
        print(f"✗ {len(places):6}  {rule}: {'; '.join(places[:5])}")
    if not reckoning.violations:
        print("Every challenge, every send and every callback is accounted for.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
