"""How one thing that was looked at is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Health(StrEnum):
    """How a finding is: ``ok``, worth a look, or in the way of codes."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    ``name`` is a word that never changes, ``about`` the route or the check that it is of, or "";
    ``detail`` and ``mend`` are sentences, and ``mend`` is "" where there is nothing to do. ``figures`` are
    counts, and seconds, by words that never change. No secret and no phone number is in any of them.
    """

    name: str
    health: Health
    detail: str
    mend: str = ""
    about: str = ""
    figures: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name, and what it is about."""
        return f"{self.name.replace('_', ' ')} {self.about}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        return asdict(self)


#: Seconds that a clock may be off: to be looked at; and too many for codes and limits to be right.
OFF, FAR_OFF = 10, 60


def clock(name: str, whose: str, ahead: float, *, about: str = "") -> Finding:
    """Return what to think of a clock that is so many seconds ahead of this machine's."""
    off = abs(ahead)
    health = Health.OK if off < OFF else Health.WARNING if off < FAR_OFF else Health.ERROR
    way = "ahead of" if ahead > 0 else "behind"
    detail = (
        f"{whose} is {off:.0f} s {way} this machine's."
        if off >= 1
        else f"{whose} agrees with this machine's."
    )
    mend = "" if health == Health.OK else "Have NTP keep the clock of every machine."
    return Finding(name, health, detail, mend, about, {"ahead": round(ahead, 1)})


def apart(theirs: float, before: float, after: float) -> float:
    """Return how many seconds an instant lies outside those between which it was told; 0 within."""
    return max(theirs - after, 0.0) + min(theirs - before, 0.0)
