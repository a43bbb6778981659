"""One HTTP call that came in, and the answer to it, both whole and in memory."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from django_kaleyra_otp.simulator.fates import Knob

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Unreadable(ValueError):
    """A body that is neither a JSON object nor a form."""


def as_json(data: object) -> bytes:
    """Return ``data`` as JSON without a needless space."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """A request: header names in lower case, ``query`` as sent, the whole body."""

    method: str
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def parameters(self) -> dict[str, str]:
        """The query's values; of a repeated name the last one."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").split(";")[0].strip().lower() == FORM

    def read_object(self) -> dict[str, Any]:
        """Read the body as a form if the header says so, else as a JSON object.

        Raises Unreadable.
        """
        try:
            if self.is_form:
                return dict(parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=200))
            data = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable from error
        if not isinstance(data, dict):
            raise Unreadable
        return data


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: ``manner`` is how it misbehaves, ``afterwards`` runs once it has left or failed to."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    manner: Knob | None = None
    afterwards: Callable[[], None] = _nothing


def fault(status: int, code: str, message: str, error: object = None, **headers: str) -> Answer:
    """Return an error of Kaleyra's shape A: code, message, and ``error`` by parameter."""
    body = {"code": code, "message": message, "error": {} if error is None else error}
    return Answer(status, as_json(body), headers)
