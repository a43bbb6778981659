"""From a profile, a message and a status to the bytes of one callback, well behaved or not.

Variables: Kaleyra's pages on callback profiles for SMS; ``message_id``, ``to``, ``sent_time`` and
``delivered_time`` are the keys of a live profile. A variable that is not known stays as it stands.
"""

import base64
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from django_kaleyra_otp.simulator.messages import FINAL, Message, Status, stamp
from django_kaleyra_otp.simulator.profiles import SHAPE_1, SHAPE_3, Profile
from django_kaleyra_otp.simulator.wire import FORM, JSON, as_json

_VARIABLE = re.compile(r"<([a-z_]+)>")
_COLON_KEPT = {"id", "message_id"}
_MAY_BE_MISSING = ("status_trace", "description", "timestamp", "sent_time", "delivered_time")
_METHODS = {"get": "GET", "post": "POST", "put": "PUT"}

_DESCRIPTIONS = {
    "SENT": "Message has been sent",
    "SUBMITTED": "Message has been submitted",
    "DELIVRD": "Message has been delivered",
    "UNDELIVERED": "Message could not be delivered",
    "UNDELIV": "Message could not be delivered",
    "NOT-SENT": "Message has not been sent",
    "FAILED": "Message has failed",
    "EXPIRED": "Message has expired",
    "REJECTED": "Message has been rejected",
}
_OTHER_SPELLING = {
    "DELIVRD": "delivered",
    "SENT": "Sent",
    "UNDELIVERED": "UnDelivered",
    "NOT-SENT": "NotSent",
}

ENDLESS_CHUNK = b" " * 4096
BIG = 128 * 1024


class SlowBody:
    """A body of known length that takes ``seconds`` to be read."""

    def __init__(self, content: bytes, seconds: float) -> None:
        self._content, self._at, self._pause = content, 0, seconds / max(len(content), 1)

    def __len__(self) -> int:
        return len(self._content)

    def read(self, size: int = -1) -> bytes:
        """Give a few bytes, after a pause."""
        part = self._content[self._at : self._at + 8]
        self._at += len(part)
        time.sleep(self._pause * len(part))
        return part


def endless(content: bytes, until: float) -> Iterator[bytes]:
    """Give ``content``, then spaces, till the receiver hangs up or the monotonic time ``until``."""
    yield content
    while time.monotonic() < until:
        yield ENDLESS_CHUNK
        time.sleep(0.005)
    raise TimeoutError


@dataclass(frozen=True, slots=True)
class Rendered:
    """One callback, ready to go but for its transport."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def values(message: Message, status: Status, words: frozenset[str]) -> dict[str, str]:
    """Return what each variable stands for in one callback."""
    number = message.number
    if "wrong-number" in words:
        number = number[:-1] + str((int(number[-1]) + 1) % 10)
    word = status.status
    if "other-spelling" in words:
        word = _OTHER_SPELLING.get(word, word.title())
    bare, whole = message.id, message.message_id
    if "bare-uuid" in words:
        whole = bare
    elif "suffix-0" in words:
        bare = whole = f"{message.id}:0"
    elif "suffix-1" in words:
        bare = whole
    final = status.at if status.status in FINAL else None
    found = {
        "id": bare,
        "message_id": whole,
        "kid": message.kid,
        "source": message.sender,
        "recipient": number,
        "to": number.removeprefix("+"),
        "mobile": number.removeprefix("+"),
        "status": word,
        "status_trace": status.trace or status.status,
        "description": _DESCRIPTIONS.get(status.status, "Message status has changed"),
        "timestamp": stamp(status.at),
        "sent_time": stamp(message.reached("SENT")),
        "delivered_time": stamp(final),
        "message": message.body,
    }
    if "big-body" in words:
        found["description"] = "." * BIG
    if "placeholder" in words:
        found.update({name: f"<{name}>" for name in _MAY_BE_MISSING})
    if "placeholder-braces" in words:
        found.update({name: f"{{{name}}}" for name in _MAY_BE_MISSING})
    return found


def render(
    profile: Profile, message: Message, status: Status, words: frozenset[str], secret: str, token: str
) -> Rendered:
    """Fill a profile's request in.

    ``words`` are the callback's misbehaviours, ``secret`` what a Basic password is made of, ``token`` the
    Bearer token, or "".
    """
    found = values(message, status, words)
    method = next((method for word, method in _METHODS.items() if word in words), profile.http_method)
    headers = {"User-Agent": "kaleyra-simulator", **_authentication(profile, words, secret, token)}
    url = _fill_query(profile.url, found)
    if method in ("GET", "DELETE"):
        if method != profile.http_method:
            url += ("&" if "?" in url else "?") + _fill_query(SHAPE_3, found)
        return Rendered(method, url, headers, b"")
    filled = _fill(profile.body or SHAPE_1, found)
    if "garbage-body" in words:
        body = b"\xff\x00 neither JSON nor form {"
    elif profile.is_form:
        body = urlencode(filled).encode()
    else:
        body = as_json(filled)
    headers["Content-Type"] = FORM if profile.is_form else JSON
    return Rendered(method, url, headers, body)


def _authentication(profile: Profile, words: frozenset[str], secret: str, token: str) -> dict[str, str]:
    if "no-auth" in words:
        return {}
    if "wrong-auth" in words:
        return {name: "x" * len(value) for name, value in profile.credentials.items()}
    if "wrong-basic" in words:
        return _basic("x" * len(secret))
    if "basic-auth" in words:
        return _basic(secret)
    if "bearer" in words:
        return {"Authorization": f"Bearer {token}"}
    return profile.credentials


def _basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"kaleyra:{password}".encode()).decode()}


def _fill(template: Any, found: Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return _VARIABLE.sub(lambda match: found.get(match[1], match[0]), template)
    if isinstance(template, dict):
        return {name: _fill(value, found) for name, value in template.items()}
    if isinstance(template, list):
        return [_fill(value, found) for value in template]
    return template


def _fill_query(url: str, found: Mapping[str, str]) -> str:
    """Fill in the placeholders of a URL; ids keep their colon bare, as the examples have it."""

    def quoted(match: re.Match[str]) -> str:
        name = match[1]
        return quote_plus(found.get(name, match[0]), safe=":" if name in _COLON_KEPT else "")

    return _VARIABLE.sub(quoted, url)
