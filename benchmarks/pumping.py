"""The guard against a pumper, and beside an outage: ``python -m benchmarks.pumping``.

Each run plays a day of honest people of five countries, 60 to 90 % of whom type their code in. Into it
comes a pumper: 200 numbers of one series, all delivered, none verified. Or an operator that delivers
nothing for half an hour. Time is played too: what the app takes for now is the time of the event.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import multiprocessing
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

COUNTRIES = ("IN", "AE", "FR", "GB", "BR")
DAY = 24 * 3600


@dataclass
class Result:
    """How one run went."""

    attack_sent: int = 0
    attack_refused: int = 0
    honest_sent: int = 0
    honest_refused: int = 0
    blocks: int = 0
    alarms: list[str] = field(default_factory=list)


class Day:
    """Events in the order of their time, and the clock that the app reads."""

    def __init__(self, seed: int) -> None:
        from django.utils import timezone

        self.chance = random.Random(seed)
        self.began = timezone.now() - timedelta(days=2)
        self.now = self.began
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.result = Result()

    def at(self, second: float, event: Callable[[], None]) -> None:
        """Have something happen some seconds after the day began."""
        heapq.heappush(self.events, (second, next(self.order), event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Have something happen some seconds from now."""
        self.at((self.now - self.began).total_seconds() + seconds, event)

    def play(self) -> None:
        """Let everything happen."""
        with mock.patch("django.utils.timezone.now", side_effect=lambda: self.now):
            while self.events:
                second, _, event = heapq.heappop(self.events)
                self.now = self.began + timedelta(seconds=second)
                event()


def people(chance: random.Random, country: str, operators: int = 12) -> list[list[str]]:
    """Return the mobile numbers of a country's operators: a list for each, of one series."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    from django_kaleyra_otp import phones

    kind = PhoneNumberType.MOBILE
    example = phonenumbers.format_number(
        phonenumbers.example_number_for_type(country, kind), PhoneNumberFormat.E164
    )
    code = len(phones.series(example)) - 4
    found: dict[str, list[str]] = {}
    while len(found) < operators or min(map(len, found.values())) < 60:
        head = example[: code + 1] + f"{chance.randrange(1000):03d}"
        if len(found) == operators:
            head = next(name for name, numbers in found.items() if len(numbers) < 60)
        number = head + "".join(chance.choices("0123456789", k=len(example) - len(head)))
        parsed = phonenumbers.parse(number)
        theirs = phonenumbers.region_code_for_number(parsed) == country
        if theirs and phonenumbers.number_type(parsed) == kind:
            found.setdefault(phones.series(number), []).append(number)
    return list(found.values())


def send(day: Day, number: str, *, honest: bool, arrives: bool, used_after: float | None) -> None:
    """Ask for a code; it arrives, or the operator says that it did not; it is typed in, or not."""
    from django_kaleyra_otp import challenges, delivery, tracking
    from django_kaleyra_otp.exceptions import KaleyraOTPError
    from django_kaleyra_otp.kaleyra.callbacks import Callback
    from django_kaleyra_otp.models import SendLog

    try:
        challenge = challenges.start(number)
    except KaleyraOTPError:
        refused = "honest_refused" if honest else "attack_refused"
        setattr(day.result, refused, getattr(day.result, refused) + 1)
        return
    sent = "honest_sent" if honest else "attack_sent"
    setattr(day.result, sent, getattr(day.result, sent) + 1)
    message_id = SendLog.objects.values_list("message_id", flat=True).get(challenge=challenge)
    told = "DELIVRD" if arrives else "UNDELIV"
    day.after(
        day.chance.uniform(2, 20),
        lambda: tracking.record_status(Callback(message_id=message_id, status=told)),
    )
    if arrives and used_after is not None:
        code = delivery.code_of(challenge)
        assert code is not None
        day.after(used_after, lambda: challenges.verify(challenge.pk, code.reveal()))


def watch(day: Day) -> None:
    """Do what ``kaleyra_otp_reconcile`` does each minute."""
    from django_kaleyra_otp import conversion, outages

    conversion.watch(day.now)
    outages.watch(day.now)


def honest(
    day: Day, seconds: int, per_country: int, out: Callable[[str, int, float], bool]
) -> dict[str, list[list[str]]]:
    """Fill the day with people who sign in; returns each country's numbers, those of an operator together."""
    found = {}
    for country in COUNTRIES:
        operators, conversion = people(day.chance, country), day.chance.uniform(0.6, 0.9)
        found[country] = operators
        for _ in range(per_country):
            operator = day.chance.randrange(len(operators))
            number, second = day.chance.choice(operators[operator]), day.chance.uniform(0, seconds)
            used = day.chance.uniform(8, 90) if day.chance.random() < conversion else None
            arrives = not out(country, operator, second)
            day.at(
                second, lambda n=number, a=arrives, u=used: send(day, n, honest=True, arrives=a, used_after=u)
            )
    for second in range(60, seconds + 3600, 60):
        day.at(second, lambda: watch(day))
    return found


def pumped(seed: int, hours: float) -> Result:
    """Play a day with a pumper in it, who asks for 200 codes within some hours, in a series of his own."""
    from django_kaleyra_otp import phones

    day = Day(seed)
    theirs = honest(day, DAY, 240, lambda *_: False)
    country, draw = day.chance.choice(COUNTRIES), random.Random(seed + 10_000)
    taken = {phones.series(numbers[0]) for numbers in theirs[country]}
    [numbers] = people(draw, country, operators=1)
    while phones.series(numbers[0]) in taken:
        [numbers] = people(draw, country, operators=1)
    pool = {f"{numbers[0][:-5]}{n:05d}" for n in day.chance.sample(range(100_000), 400)}
    began = day.chance.uniform(3 * 3600, 18 * 3600)
    for number in valid(sorted(pool))[:200]:
        second = began + day.chance.uniform(0, hours * 3600)
        day.at(second, lambda n=number: send(day, n, honest=False, arrives=True, used_after=None))
    day.play()
    return finish(day)


def out(seed: int, _hours: float) -> Result:
    """Play eight hours; four operators of twelve, of one country, deliver nothing for half an hour."""
    day = Day(seed)
    country, began = day.chance.choice(COUNTRIES), day.chance.uniform(3 * 3600, 6 * 3600)
    honest(
        day,
        8 * 3600,
        1600,
        lambda where, operator, at: where == country and operator < 4 and began <= at < began + 1800,
    )
    day.play()
    return finish(day)


def valid(numbers: list[str]) -> list[str]:
    """Return the numbers that an SMS may go to."""
    from django_kaleyra_otp import phones
    from django_kaleyra_otp.exceptions import KaleyraOTPError

    kept = []
    for number in numbers:
        try:
            phones.parse(number)
        except KaleyraOTPError:
            continue
        kept.append(number)
    return kept


def finish(day: Day) -> Result:
    """Return what the run left behind."""
    from django_kaleyra_otp.models import Alarm, BlockedPrefix

    day.result.blocks = BlockedPrefix.objects.count()
    day.result.alarms = [f"{a.kind} {a.subject}" for a in Alarm.objects.order_by("pk")]
    return day.result


def one(job: tuple[str, int, str, float]) -> Result:
    """Play one run in an empty database of its own, in memory."""
    scenario, seed, mode, hours = job
    from django.core.management import call_command
    from django.test import override_settings

    from benchmarks import settings

    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    guarded = {
        **settings.KALEYRA_OTP,
        "ALLOWED_COUNTRIES": list(COUNTRIES),
        "GUARD": {"MODE": mode},
        "RESEND_COOLDOWN": 0,
    }
    with override_settings(KALEYRA_OTP=guarded):
        return {"pumping": pumped, "outage": out}[scenario](seed, hours)


def prepare() -> None:
    """Set a worker up."""
    import logging

    import django

    logging.disable()
    django.setup()


def results(options: argparse.Namespace) -> Iterator[Result]:
    """Play the runs, several at once."""
    jobs = [(options.scenario, seed, options.mode, options.hours) for seed in range(options.runs)]
    with multiprocessing.get_context("spawn").Pool(options.processes, prepare) as pool:
        yield from pool.imap_unordered(one, jobs)


def main() -> int:
    """Play the runs and print what came of them; 1 where a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pumping", description=__doc__)
    parser.add_argument("--scenario", choices=["pumping", "outage"], default="pumping")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--mode", choices=["off", "monitor", "enforce"], default="enforce")
    parser.add_argument("--hours", type=float, default=1.0, help="how long the pumper takes")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.in_memory")
    told: list[Result] = list(results(options))

    def row(name: str, values: list[Any]) -> None:
        print(f"{name:16} {min(values):>6} {sorted(values)[len(values) // 2]:>8} {max(values):>6}")

    print(f"{options.scenario}, {options.mode}, {len(told)} runs")
    print(f"{'':16} {'least':>6} {'median':>8} {'most':>6}")
    row("attack sent", [each.attack_sent for each in told])
    row("attack refused", [each.attack_refused for each in told])
    row("honest sent", [each.honest_sent for each in told])
    row("honest refused", [each.honest_refused for each in told])
    row("blocks", [each.blocks for each in told])
    row("alarms", [len(each.alarms) for each in told])
    for alarms in sorted({", ".join(each.alarms) for each in told}):
        print(f"  {sum(', '.join(each.alarms) == alarms for each in told):>4} x {alarms or 'no alarm'}")
    missed = any(each.honest_refused for each in told)
    if options.scenario == "pumping":
        missed |= options.mode == "enforce" and max(each.attack_sent for each in told) >= 60
    else:
        missed |= any(each.blocks or len(each.alarms) != 1 for each in told)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
