"""Which fate a call meets: what somebody set for its number or for the next calls, else the magic number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django_kaleyra_otp.simulator import fates
from django_kaleyra_otp.simulator.fates import Knob, Part


@dataclass(slots=True)
class Rule:
    """``number`` None is every number; ``left`` None is for ever, else the calls it still holds for."""

    number: str | None
    knobs: dict[Part, tuple[Knob, ...]]
    left: int | None

    @property
    def words(self) -> list[str]:
        return [str(knob) for knobs in self.knobs.values() for knob in knobs]

    def as_json(self) -> dict[str, Any]:
        """As the control API and the page see it."""
        return {"number": self.number, "fate": self.words, "left": self.left}


class Rules:
    """The rules in force. Not thread-safe: the state's lock guards it."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def set(self, number: str | None, words: tuple[str, ...], times: int | None) -> None:
        """Set the fate of ``number`` (None: of all), for the next ``times`` calls or for ever (None).

        Rules with ``times`` queue up. One without takes the place of all there are for that number; with
        no words it only clears them. Raises ValueError for words that are no good.
        """
        knobs = fates.knobs(words)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ValueError("times is a whole number from 1")
        if times is None:
            self._rules = [rule for rule in self._rules if rule.number != number]
        if knobs:
            self._rules.append(Rule(number, knobs, times))

    def clear(self) -> None:
        self._rules.clear()

    def choose(self, number: str) -> Mapping[Part, tuple[Knob, ...]]:
        """Return the knobs of one call, part by part, and count it.

        For each part the first of these that says anything: the number's own rule, the rule for the next
        calls, the magic number, the rule for all numbers; else delivered, answered and called back well.
        """
        own = self._first(number)
        following = self._first(None, counted=True)
        always = self._first(None, counted=False)
        magic = fates.magic(number)
        chosen: dict[Part, tuple[Knob, ...]] = {"delivery": (Knob(fates.DEFAULT, ""),)}
        chosen.update(always.knobs if always else {})
        if magic is not None:
            chosen[magic.part] = (Knob(magic, magic.default),)
        chosen.update(following.knobs if following else {})
        chosen.update(own.knobs if own else {})
        for rule in (own, following):
            if rule is not None and rule.left is not None:
                rule.left -= 1
        self._rules = [rule for rule in self._rules if rule.left != 0]
        return chosen

    def _first(self, number: str | None, counted: bool | None = None) -> Rule | None:
        rules = [rule for rule in self._rules if rule.number == number]
        if counted is not None:
            rules = [rule for rule in rules if (rule.left is not None) == counted]
        return min(rules, key=lambda rule: rule.left is None, default=None)
