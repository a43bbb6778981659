"""``python -m benchmarks.enumeration``: do answers, or the time they take, tell whose number has a user?

Visitors, each with an empty cookie jar, an address and a number of his own, walk through the pages, in
turns one whose number has a user and one whose number has none: the number, a wrong code, the code once
more, and the page after each. The SMS are left to a queue (``DISPATCH: "tasks"``) without a worker. No
limit is reached.

Prints, for each request, the mean and the median of both kinds, how far the means are apart with the
standard error of that, the p of Mann and Whitney's test that one kind takes longer, and whether all answers
were the same: status, headers, the cookies' names and attributes, and the body, less the CSRF token, the
masked number and the seconds to wait. ``--check``: exit code 1 where answers differ, or where means are more
than 5 ms apart.

    python -m benchmarks.enumeration --database-url postgres://postgres@127.0.0.1:5432/
    python -m benchmarks.enumeration                                        SQLite
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import random
import re
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import django
from django.db import connection
from django.http import HttpResponse
from django.test import Client

#: Milliseconds that the means may lie apart.
APART = 5.0
#: Pairs of visitors that are under way at once: few, so that no page is looked at after its countdown.
PAIRS = 5
KINDS = ("known", "unknown")
STEPS = ("POST number", "GET code page", "POST wrong code", "GET refusal", "POST resend", "GET notice")
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]*)"')
#: Headers that follow the clock, and the body.
UNEVEN = ("Expires", "Content-Length")
WAIT = re.compile(r'data-seconds="\d+"|\d+ seconds?')


class Visitor:
    """Somebody with an empty cookie jar, an address and a number; his answers, and the ms that each took."""

    def __init__(self, number: str, address: str) -> None:
        self.number, self.answers, self.ms = number, [], []
        self.client = Client(
            enforce_csrf_checks=True, headers={"Host": "localhost", "X-Forwarded-For": address}
        )
        self.page = self.client.get("/")

    def do(self, step: str) -> None:
        """Make the next request of ``STEPS``."""
        verb, _, what = step.partition(" ")
        if verb == "GET":
            self.note(lambda: self.client.get("/?step=code"))
            return
        fields = {"number": {"phone_number": self.number}, "resend": {"resend": "1"}}
        given = fields.get(what) or {"code": f"{random.randrange(10**6):06d}"}
        found = TOKEN.search(self.page.content.decode())
        assert found is not None
        path = "/" if what == "number" else "/?step=code"
        self.note(lambda: self.client.post(path, {"csrfmiddlewaretoken": found[1], **given}))

    def note(self, request: Callable[[], HttpResponse]) -> None:
        """Make a request, time it, and keep what it answered."""
        began = time.perf_counter_ns()
        self.page = request()
        self.ms.append((time.perf_counter_ns() - began) / 1e6)
        self.answers.append(all_that_can_be_told(self.page, self.number))


def all_that_can_be_told(answer: Any, number: str) -> str:
    """Return an answer as text, without what differs between any two visitors."""
    mask = import_module("django_kaleyra_otp.phones").mask(number)
    body = WAIT.sub("", TOKEN.sub("", answer.content.decode())).replace(mask, "")
    headers = {name: value for name, value in answer.headers.items() if name not in UNEVEN}
    cookies = {
        name: {key: value for key, value in morsel.items() if key != "expires"}
        for name, morsel in sorted(answer.cookies.items())
    }
    return f"{answer.status_code}\n{headers}\n{cookies}\n{body}"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and return the exit code."""
    options = read(arguments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.enumeration_settings"
    if options.database_url is not None:
        os.environ["DATABASE_URL"] = options.database_url
    django.setup()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        print(import_module("benchmarks.__main__").machine())
        walk(10)
        made = walk(options.visitors)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    return 0 if report(made) or not options.check else 1


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enumeration", description="Who has a user?")
    parser.add_argument("--database-url", help="such as postgres://postgres@127.0.0.1:5432/; else SQLite")
    parser.add_argument("--visitors", type=int, default=300, help="of each kind")
    parser.add_argument("--check", action="store_true", help="exit code 1 where the kinds differ")
    return parser.parse_args(arguments)


def walk(n: int) -> list[tuple[str, Visitor]]:
    """Have n visitors of each kind do every step, a few pairs at a time; returns them all."""
    limits, made = import_module("django_kaleyra_otp.models").RateLimit.objects, []
    for some in batched(visitors(n), 2 * PAIRS):
        gc.collect()
        for step in STEPS:
            if step == "POST resend":
                limits.all().delete()  # the cool-down is over
            for _, visitor in some:
                visitor.do(step)
        made += some
    return made


def visitors(n: int) -> Iterator[tuple[str, Visitor]]:
    """Yield n visitors of each kind, in turns, each pair in an order of chance; makes the users first."""
    customer = import_module("tests.models").Customer
    number = import_module("benchmarks.start").number
    numbers = {kind: [number() for _ in range(n)] for kind in KINDS}
    customer.objects.bulk_create(
        customer(username=each, phone_number=each, password="!" + each) for each in numbers["known"]
    )
    for pair in zip(*(numbers[kind] for kind in KINDS), strict=True):
        for kind, each in random.sample(list(zip(KINDS, pair, strict=True)), 2):
            yield kind, Visitor(each, ".".join(str(random.randrange(1, 255)) for _ in range(4)))


def batched(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many."""
    while some := list(itertools.islice(rows, size)):
        yield some


def report(made: list[tuple[str, Visitor]]) -> bool:
    """Print the table; returns whether nobody can tell the kinds apart."""
    print(
        f"{len(made) // 2} visitors of each kind; ms\n\n"
        f"{'':18}{'mean known':>12}{'unknown':>10}{'apart':>8}{'±':>6}"
        f"{'median known':>15}{'unknown':>10}{'p':>8}   answers"
    )
    good = True
    for place, step in enumerate(STEPS):
        ms, told = defaultdict(list), set()
        for kind, visitor in made:
            ms[kind].append(visitor.ms[place])
            told.add(visitor.answers[place])
        known, unknown = (ms[kind] for kind in KINDS)
        apart = statistics.fmean(known) - statistics.fmean(unknown)
        error = sum(statistics.variance(each) / len(each) for each in (known, unknown)) ** 0.5
        p = p_of(known, unknown)
        good = good and abs(apart) <= APART and len(told) == 1
        print(
            f"{step:18}{statistics.fmean(known):12.2f}{statistics.fmean(unknown):10.2f}{apart:8.2f}{error:6.2f}"
            f"{statistics.median(known):15.2f}{statistics.median(unknown):10.2f}{p:8.3f}"
            f"   {'identical' if len(told) == 1 else f'✗ {len(told)} different ones'}"
        )
    print("\nNobody can tell." if good else "\n✗: answers or times differ.")
    return good


def p_of(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p of Mann and Whitney's U test, by its normal approximation, without ties."""
    ranks = {value: rank for rank, value in enumerate(sorted([*one, *other]), 1)}
    n, m = len(one), len(other)
    u = sum(ranks[value] for value in one) - n * (n + 1) / 2
    z = (u - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5
    return 2 * statistics.NormalDist().cdf(-abs(z))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
