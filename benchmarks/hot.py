"""``python -m benchmarks.hot``: twenty workers at once on five numbers, and nobody may notice.

Four processes of five threads start, resend, guess right and wrong, look, cancel, redeem and call back,
each call one of the WSGI application over a connection of its own; half of the SMS leave in the request,
half by a queue that delivers twice. Every two seconds each process purges old rows of the same numbers and
reconciles. One SMS in twenty is refused, one in twenty loses its answer, one in ten is called back early.

Then the rows are held against what each caller was told. Prints a table; exit code 1 where an answer was
5xx for any other reason than a refused SMS, an exception was left, or the books do not agree.

    python -m benchmarks.hot --seconds 300 --database-url postgres://postgres@127.0.0.1:5432/
    python -m benchmarks.hot --seconds 300 --database-url mysql://root@127.0.0.1:3306/
    python -m benchmarks.hot --seconds 300                          SQLite
    python -m benchmarks.hot --isolation serializable --database-url ...
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.db import connection

PROCESSES, THREADS = 4, 5
#: Answers that say nothing against the database: the provider refused the SMS.
REFUSED_SMS = "502 delivery_failed"


def main(arguments: Sequence[str]) -> int:
    """Run, print, and return the exit code."""
    options = read(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.hot_settings"
    if options.database_url is not None:
        os.environ["DATABASE_URL"] = options.database_url
    os.environ["HOT_ISOLATION"] = options.isolation
    django.setup()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        print(
            import_module("benchmarks.__main__")
            .machine()
            .replace("one connection, kept open", "")
            .rstrip(", ")
        )
        books = run(options.seconds)
        faults = [*left_to_callers(books), *Reckoning(books).faults()]
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    table(books, options.seconds)
    for fault in faults[:20]:
        print(f"✗ {fault}")
    print(f"{len(faults)} faults." if faults else "The books agree: no 5xx, no deadlock left, nothing twice.")
    return 1 if faults else 0


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hot", description="Twenty workers, five numbers."
    )
    parser.add_argument("--database-url", help="such as postgres://postgres@127.0.0.1:5432/; else SQLite")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--isolation", default="", help="such as serializable; else the database's own")
    return parser.parse_args(arguments)


def run(seconds: float) -> list[dict[str, Any]]:
    """Run every process for so long, and return what each has noted."""
    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder) / f"{n}.json" for n in range(PROCESSES)]
        environment = {**os.environ, "HOT_DATABASE": str(connection.settings_dict["NAME"])}
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.hot_crowd", str(seconds), str(THREADS), str(report)],
                env={**environment, "HOT_DISPATCH": "inline" if n % 2 else "benchmarks.hot_crowd.queue"},
            )
            for n, report in enumerate(reports)
        ]
        codes = [process.wait(seconds + 300) for process in running]
        assert codes == [0] * PROCESSES, f"processes ended with {codes}"
        return [json.loads(report.read_text()) for report in reports]


def total(books: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Return the answers of all processes, by verb."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for book in books:
        for verb, counted in book["answers"].items():
            answers[verb].update(counted)
    return answers


def left_to_callers(books: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what a caller was told that the database's being busy is no excuse for."""
    for verb, counted in total(books).items():
        for answer, times in counted.items():
            bad = verb == "exceptions" or answer == "busy" or (answer[0] == "5" and answer != REFUSED_SMS)
            if bad:
                yield f"{verb}: {times} x {answer}"


class Reckoning:
    """The rows that are left, beside what callers were told."""

    def __init__(self, books: list[dict[str, Any]]) -> None:
        models = import_module("django_kaleyra_otp.models")
        self.settings = import_module("benchmarks.hot_settings")
        self.statuses = import_module("django_kaleyra_otp.kaleyra.statuses")
        self.ranks = {status.value: status.rank for status in models.DeliveryStatus}
        self.challenges = list(models.OTPChallenge.objects.all())
        self.sends = list(models.SendLog.objects.order_by("created_at"))
        self.updates = set(models.StatusUpdate.objects.values_list("message_id", "status"))
        self.guesses = Counter(tuple(each) for book in books for each in book["guesses"])
        self.redeemed = Counter(each for book in books for each in book["redeemed"])
        self.told = [tuple(each) for book in books for each in book["told"]]
        self.handed_over = [tuple(each) for book in books for each in book["handed_over"]]

    def faults(self) -> Iterator[str]:
        """Yield each thing that does not agree."""
        for challenge in self.challenges:
            yield from self._challenge(challenge)
        yield from self._sends()
        yield from self._limits()

    def _challenge(self, challenge: Any) -> Iterator[str]:
        pk = str(challenge.pk)
        right, wrong = self.guesses[pk, "verified"], self.guesses[pk, "invalid_code"]
        sends = sum(send.challenge_id == challenge.pk for send in self.sends)
        if right > 1 or (challenge.status == "verified") != (right == 1):
            yield f"{pk}: {right} successes, and it is {challenge.status}"
        if challenge.attempts != right + wrong or challenge.attempts > challenge.max_attempts:
            yield f"{pk}: {challenge.attempts} attempts for {right + wrong} guesses that were looked at"
        if challenge.sends != sends or sends > challenge.max_sends:
            yield f"{pk}: {challenge.sends} sends in it, {sends} rows"
        if self.redeemed[pk] > 1 or bool(self.redeemed[pk]) != (challenge.redeemed_at is not None):
            yield f"{pk}: redeemed {self.redeemed[pk]} times"

    def _sends(self) -> Iterator[str]:
        twice = [row for row, times in Counter(row for row, _ in self.handed_over).items() if times > 1]
        yield from (f"send {row} was handed over twice" for row in twice)
        names = dict(self.handed_over)
        heard: dict[str, int] = defaultdict(int)
        for message_id, word in self.told:
            if status := self.statuses.read(word):
                heard[message_id] = max(heard[message_id], self.ranks[status.value])
        for send in self.sends:
            if send.message_id and send.message_id != names.get(str(send.pk)):
                yield f"send {send.pk} has the name of another"
            if send.message_id and send.rank < heard[send.message_id]:
                yield f"send {send.pk} is {send.status}, and was told more"
            if send.status in ("queued", "sending"):
                yield f"send {send.pk} is {send.status} still"
        lost = {each for each in self.told if not each[0].startswith("old ")} - self.updates
        yield from (f"a callback of {word} was answered and not stored" for _, word in lost)

    def _limits(self) -> Iterator[str]:
        by_number: dict[str, list[float]] = defaultdict(list)
        for send in self.sends:
            by_number[send.phone_number].append(send.created_at.timestamp())
        for instants in by_number.values():
            for earlier, later in itertools.pairwise(instants):
                if later - earlier < self.settings.COOLDOWN - 0.001:
                    yield f"two sends to one number within {later - earlier:.3f} s"
            most = max(sum(at <= each < at + 60 for each in instants) for at in instants)
            if most > 2 * self.settings.BURST - 1:
                yield f"{most} sends to one number within a minute"


def table(books: list[dict[str, Any]], seconds: float) -> None:
    """Print each verb's answers and times."""
    times: dict[str, list[float]] = defaultdict(list)
    for book in books:
        for verb, each in book["times"].items():
            times[verb].extend(each)
    calls = sum(map(len, times.values()))
    print(f"{PROCESSES} processes of {THREADS} threads, {seconds:.0f} s, {calls} calls\n")
    print(f"{'':10}{'calls':>8}{'p50 ms':>9}{'p99 ms':>9}  answers")
    for verb, counted in sorted(total(books).items()):
        cuts = statistics.quantiles(times[verb], n=100) if len(times[verb]) > 1 else [0.0] * 99
        said = ", ".join(f"{answer} {times}" for answer, times in counted.most_common())
        print(f"{verb:10}{len(times[verb]) or '':>8}{cuts[49]:9.1f}{cuts[98]:9.1f}  {said}")
    print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
