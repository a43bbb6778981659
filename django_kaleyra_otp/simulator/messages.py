"""What the simulator keeps of a message, of a callback and of a request: evidence for tests and the page.

A repr shows neither number nor text nor code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django_kaleyra_otp.simulator.fates import Knob, Part

FINAL = frozenset({"DELIVRD", "UNDELIVERED", "UNDELIV", "NOT-SENT", "FAILED", "EXPIRED", "REJECTED"})
_DIGITS = re.compile(r"(?<![0-9])[0-9]{4,10}(?![0-9])")


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime | None) -> str:
    """Write a time as Kaleyra's callbacks do; Kaleyra names no zone, the simulator means UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""


@dataclass(frozen=True, slots=True)
class Status:
    """A status that a message reached, or that a callback tells of it."""

    at: datetime
    status: str
    trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One try of one callback.

    ``attempt`` counts from 1. ``http_status`` is None where no answer came, and ``error`` then names the
    kind of failure. ``seconds`` is how long the answer took. ``path`` is the URL without its query.
    """

    at: datetime
    message_id: str
    profile_id: str
    status: str
    trace: str
    attempt: int
    method: str
    path: str
    http_status: int | None
    error: str
    seconds: float
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def succeeded(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call that reached the account's API, good or bad, the api-key left out.

    ``http_status`` is what was answered, None where the connection was left without a whole answer.
    """

    at: datetime
    method: str
    path: str
    http_status: int | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """One SMS that was accepted.

    ``id`` is the uuid of the send, ``message_id`` the same with the recipient's index, ``kid`` another
    uuid that callbacks carry. ``number`` is E.164. ``parameters`` is the send as it came. ``history``
    starts empty; ``callbacks`` holds every try. It changes as time goes on: read it again.
    """

    id: str
    message_id: str
    kid: str
    number: str = field(repr=False)
    sender: str
    type: str
    body: str = field(repr=False)
    template_id: str
    callback_profile_id: str
    parameters: Mapping[str, Any] = field(repr=False)
    knobs: Mapping[Part, tuple[Knob, ...]] = field(repr=False)
    created_at: datetime
    history: tuple[Status, ...] = ()
    callbacks: tuple[Callback, ...] = field(default=(), repr=False)
    version: int = field(default=0, repr=False)

    @property
    def code(self) -> str:
        """The last run of 4 to 10 digits in the text, or ""."""
        found = _DIGITS.findall(self.body)
        return found[-1] if found else ""

    @property
    def status(self) -> str:
        """The newest status, in Kaleyra's word; "" while it is only accepted."""
        return self.history[-1].status if self.history else ""

    @property
    def trace(self) -> str:
        return self.history[-1].trace if self.history else ""

    @property
    def delivered(self) -> bool:
        """Whether the SMS reached the handset."""
        return any(step.status == "DELIVRD" for step in self.history)

    def reached(self, *statuses: str) -> datetime | None:
        """When the message first reached one of these statuses."""
        return next((step.at for step in self.history if step.status in statuses), None)

    def as_json(self) -> dict[str, Any]:
        """As the control API and the page see it."""
        return {
            "message_id": self.message_id,
            "number": self.number,
            "sender": self.sender,
            "type": self.type,
            "body": self.body,
            "code": self.code,
            "template_id": self.template_id,
            "callback_profile_id": self.callback_profile_id,
            "references": self.parameters.get("ref_custom", []),
            "created_at": self.created_at.isoformat(),
            "fate": [str(knob) for knobs in self.knobs.values() for knob in knobs],
            "status": self.status,
            "trace": self.trace,
            "final": self.status in FINAL,
            "delivered": self.delivered,
            "history": [
                {"at": step.at.isoformat(), "status": step.status, "trace": step.trace}
                for step in self.history
            ],
            "callbacks": [callback_as_json(callback) for callback in self.callbacks],
        }


def callback_as_json(callback: Callback) -> dict[str, Any]:
    """As the control API and the page see it: no secret, no number."""
    return {
        "at": callback.at.isoformat(),
        "message_id": callback.message_id,
        "profile_id": callback.profile_id,
        "status": callback.status,
        "trace": callback.trace,
        "attempt": callback.attempt,
        "method": callback.method,
        "path": callback.path,
        "http_status": callback.http_status,
        "error": callback.error,
        "milliseconds": round(callback.seconds * 1000),
        "succeeded": callback.succeeded,
    }


def request_as_json(request: Request) -> dict[str, Any]:
    """As the control API shows it: no body, which has the code, and no headers."""
    return {
        "at": request.at.isoformat(),
        "method": request.method,
        "path": request.path,
        "http_status": request.http_status,
    }
