"""What Kaleyra's answers prove, and the exceptions that say so.

KaleyraError
  Refused          Kaleyra said no: nothing was sent
    RateLimited    ... and asks to wait
  NotConnected     the request never left: nothing was sent
  AnswerLost       the request may have arrived: nobody may send it again
"""

from __future__ import annotations

import email.utils
import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol

import requests

from django_kaleyra_otp.kaleyra import text, transport
from django_kaleyra_otp.kaleyra.errors import ErrorClass, classify, explain

LONGEST_MESSAGE = 200
LONGEST_WAIT_SECONDS = 3600
MESSAGE_ID = re.compile(r"[!-~]{1,100}")


class Hidden(Protocol):
    """A text that shows itself to nobody who does not ask: the API key, the body of an SMS."""

    def reveal(self) -> str: ...


class KaleyraError(Exception):
    """Base of everything a call raises.

    ``code`` is Kaleyra's, or ""; ``message`` one line of at most 200 characters with digits
    hidden; ``http_status`` None where no answer came; ``error_class`` whose fault it is.
    """

    def __init__(
        self, code: str, message: str, http_status: int | None, error_class: ErrorClass, *more: object
    ) -> None:
        self.code = text.mask(text.printable(code, 32), text.CODE_DIGITS)
        self.message = text.mask(text.one_line(message[:2000]))[:LONGEST_MESSAGE]
        self.http_status = http_status
        self.error_class = error_class
        super().__init__(self.code, self.message, http_status, error_class, *more)

    def __str__(self) -> str:
        status = f"HTTP {self.http_status}" if self.http_status else ""
        return ": ".join(filter(None, [" ".join(filter(None, [status, self.code])), self.message]))


class Refused(KaleyraError):
    """Kaleyra said no, or our request could not even be written: surely nothing was sent."""

    def __init__(
        self,
        code: str,
        message: str,
        http_status: int | None,
        error_class: ErrorClass,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code, message, http_status, error_class, retry_after)
        self.retry_after = retry_after


class RateLimited(Refused):
    """HTTP 429; ``retry_after`` is whole seconds, at most an hour, or None where Kaleyra does not say."""


class NotConnected(KaleyraError):
    """No connection was made (time-out, refused, no such host, bad certificate): the request never left."""

    def __init__(self, message: str = "") -> None:
        super().__init__("", message, None, ErrorClass.NETWORK)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,)


class AnswerLost(KaleyraError):
    """The request may have arrived, and no clear answer came back.

    ``message_id`` is the id that an answer told beside an error, or "".
    """

    def __init__(
        self, http_status: int | None = None, code: str = "", message: str = "", message_id: str = ""
    ) -> None:
        blamed = ErrorClass.VENDOR if http_status else ErrorClass.NETWORK
        super().__init__(code, message, http_status, blamed)
        self.message_id = message_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.http_status, self.code, self.message, self.message_id)


@dataclass(frozen=True, slots=True)
class Sent:
    """Kaleyra took the SMS; ``message_id`` is the name its callbacks and pulled statuses use."""

    message_id: str
    http_status: int


@dataclass(frozen=True, slots=True)
class PulledStatus:
    """One answer to "what became of it?", in Kaleyra's own words."""

    message_id: str
    status: str
    trace: str


@dataclass(frozen=True, slots=True)
class CallbackProfile:
    """One callback profile; ``status`` is 1 active, 2 switched off by Kaleyra, 3 switched off, 0 not told."""

    id: str
    title: str
    status: int
    url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``document`` is the JSON object, or None, and then ``trouble`` says why."""

    status: int
    document: dict[str, Any] | None = field(repr=False)
    trouble: str
    retry_after: int | None
    secrets: tuple[Hidden, ...] = field(repr=False)

    def told(self) -> tuple[str, str, str]:
        """Return code, message and the name of the faulty parameter, each "" where it is not told."""
        document = self.document or {}
        error = document.get("error")
        first = error[0] if isinstance(error, list) and error else error
        inner = first if isinstance(first, dict) else {}
        code = text.word(document.get("code")) or text.word(inner.get("code"))
        parameter = text.word(inner.get("parameter")) or next(iter(inner), "")
        said = text.word(document.get("message")) or text.word(inner.get("message"))
        reason = text.flatten(error)
        if not said or said not in reason:
            said = "; ".join(filter(None, (said, reason)))
        return self.clear(code), self.clear(said or self.trouble), parameter

    def clear(self, said: str) -> str:
        """Return what Kaleyra ``said`` without anything that we had told it in confidence."""
        said = text.one_line(said[:2000])
        for secret in self.secrets:
            said = text.without(said, text.one_line(secret.reveal()))
        return said

    @property
    def bears_error(self) -> bool:
        """Whether the answer says no in words, whatever its HTTP status."""
        document = self.document or {}
        return bool(document.get("error")) or explain(text.word(document.get("code"))) is not None

    def refuse(self) -> NoReturn:
        """Raise what a clear no is."""
        code, message, parameter = self.told()
        error_class = classify(code, self.status, parameter)
        kind = RateLimited if self.status == 429 else Refused
        raise kind(code, message, self.status, error_class, self.retry_after)

    def lose(self, why: str = "", message_id: str = "") -> NoReturn:
        """Raise what an unclear answer is."""
        code, message, _ = self.told()
        raise AnswerLost(self.status, code, message or why, message_id)


def receive(response: requests.Response, secrets: tuple[Hidden, ...]) -> Answer:
    """Read one answer. A 3xx or 4xx is a no, whatever became of its body; a 5xx is never clear.

    Returns what is 2xx; raises Refused, RateLimited or AnswerLost.
    """
    status = response.status_code
    document, trouble = None, ""
    try:
        loaded = json.loads(transport.read_body(response))
    except (ValueError, RecursionError):
        trouble = "The answer was not readable JSON, or too long."
    except Exception as error:
        trouble = f"The answer broke off: {transport.cause_name(error)}."
    else:
        if isinstance(loaded, dict):
            document = loaded
        else:
            trouble = "The answer was no JSON object."
    answer = Answer(status, document, trouble, wait_of(response.headers.get("Retry-After", "")), secrets)
    if 300 <= status < 500:
        answer.refuse()
    if not 200 <= status < 300 or document is None:
        answer.lose()
    return answer


def wait_of(retry_after: str) -> int | None:
    """Return a ``Retry-After`` header, in seconds or as a date, as whole seconds from 0 to an hour, or None.

    Source: RFC 9110, 10.2.3.
    """
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        seconds = float(retry_after)
    else:
        try:
            moment = email.utils.parsedate_to_datetime(retry_after)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = (moment - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
    return max(0, min(LONGEST_WAIT_SECONDS, math.ceil(seconds)))


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the objects under ``data``: a list, one object, or an object that holds the list."""
    data = (answer.document or {}).get("data")
    if isinstance(data, dict):
        data = next((value for value in data.values() if isinstance(value, list)), [data])
    rows = [row for row in data if isinstance(row, dict) and row] if isinstance(data, list) else []
    if not rows and answer.bears_error:
        answer.refuse()
    return rows


def read_sent(answer: Answer) -> Sent:
    """An id and no error is a yes, an error and no id a no; all else is unclear."""
    document = answer.document or {}
    data = document.get("data")
    first = data[0] if isinstance(data, list) and data else data
    told = [first.get("message_id"), first.get("id")] if isinstance(first, dict) else []
    ids = (text.word(each) for each in [*told, document.get("id")])
    message_id = next((each for each in ids if MESSAGE_ID.fullmatch(each)), "")
    if not message_id and answer.bears_error:
        answer.refuse()
    if not message_id or document.get("error"):
        answer.lose("Neither a clear yes nor a clear no was told.", message_id)
    return Sent(message_id, answer.status)


def read_statuses(answer: Answer) -> list[PulledStatus]:
    """Return the statuses that an answer tells; rows without an id or a status are left out."""
    found: list[PulledStatus] = []
    for row in rows_of(answer):
        message_id = (
            text.word(row.get("campaign_id")) or text.word(row.get("message_id")) or text.word(row.get("id"))
        )
        trace = text.word(row.get("status_details")) or text.word(row.get("status_trace"))
        status = text.word(row.get("status"))[:64]
        if MESSAGE_ID.fullmatch(message_id) and status:
            found.append(PulledStatus(message_id, status, trace[:64]))
    return found


def read_identifiers(answer: Answer) -> list[str]:
    """Return the sender ids that an answer lists."""
    names = (text.word(row.get("identifier"))[:64] for row in rows_of(answer))
    return [name for name in names if name]


def read_profiles(answer: Answer) -> list[CallbackProfile]:
    """Return the callback profiles that an answer lists; rows without an id are left out."""
    profiles: list[CallbackProfile] = []
    for row in rows_of(answer):
        status = text.word(row.get("status"))
        profile = CallbackProfile(
            id=(
                text.word(row.get("profile_id"))
                or text.word(row.get("profileId"))
                or text.word(row.get("id"))
            )[:100],
            title=text.word(row.get("title"))[:200],
            status=int(status) if status in ("1", "2", "3") else 0,
            url=text.word(row.get("url"))[:500],
        )
        if profile.id:
            profiles.append(profile)
    return profiles


def read_profile(answer: Answer) -> CallbackProfile:
    """Return the one callback profile of an answer; raises AnswerLost where it tells none."""
    profiles = read_profiles(answer)
    if not profiles:
        answer.lose("No profile was told.")
    return profiles[0]
