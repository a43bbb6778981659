"""The frozen values that travel between rooms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final


@final
class Secret:
    """A text that no repr, log line or traceback shows: a code, a body, a key.

    ``reveal()`` gives the text; call it inside the expression that needs it, never into a variable.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(•••)"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> str:
        raise TypeError("A Secret is not pickled: a task carries a row's id and no code.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SMS:
    """One text message, ready to be handed to a provider.

    ``to`` is E.164 and left out of the repr; ``body`` is the whole text with the code in it, ``code``
    the code alone; ``template_id`` the DLT template of India, or ""; ``segments`` how many parts it is
    billed as; ``reference`` our own name for this send.
    """

    to: str = field(repr=False)
    body: Secret
    code: Secret
    template_id: str = ""
    segments: int = 1
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One account of a provider, and the sender to use.

    ``timeout`` is seconds to connect, and seconds for the whole answer.
    """

    name: str
    sid: str
    api_key: Secret
    base_url: str
    sender: str
    callback_profile_id: str
    timeout: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a provider answered to an SMS that it accepted.

    ``message_id`` is the name its callbacks will use, or "" where it sends none.
    """

    message_id: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a provider answered when it was asked for one message, in its own words."""

    message_id: str
    status: str
    trace: str = ""
