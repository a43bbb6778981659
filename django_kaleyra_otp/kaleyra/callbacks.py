"""From the bytes of one callback to a frozen dataclass.

The owner of a callback profile writes the request that Kaleyra makes, so the names of its keys
are read from a list of those seen, in JSON and in forms. What a callback says is kept only where
a field here names it; the text of the SMS, which holds the code, never is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django_kaleyra_otp.kaleyra import text

MOST_KEYS = 200
MOST_DEPTH = 10

# A variable that Kaleyra had no value for arrives as its own name.
PLACEHOLDER = re.compile(r"<[\w .-]{1,40}>|\{[\w .-]{1,40}\}")
EPOCH = re.compile(r"1[0-9]{9}(?:[0-9]{3})?")
NOT_DIGITS = re.compile("[^0-9]+")


@dataclass(frozen=True, slots=True)
class Callback:
    """What one callback says; a field that it does not say is "".

    ``message_id``, ``status`` and ``trace`` are Kaleyra's words as told; ``number`` is digits
    alone; ``occurred`` is a time as told, of no known zone. Not ``readable`` means that the body
    was no flat object or form within bounds, and then all fields are "".
    """

    message_id: str = ""
    status: str = ""
    trace: str = ""
    number: str = ""
    occurred: str = ""
    operator: str = ""
    circle: str = ""
    description: str = ""
    error_code: str = ""
    readable: bool = True


UNREADABLE = Callback(readable=False)


def parse(body: bytes, content_type: str = "") -> Callback:
    """Return what a callback says; never raises, whatever the bytes are.

    Takes the whole body, at most 64 KiB of it, and the Content-Type header, which matters only
    where it says multipart: that is not read. JSON and forms are told apart by how they begin,
    since the header is the profile's owner's to get wrong.

    Sources of the names: create-sms-callback-profile-to-receive-incoming-sms-messages and
    create-callback-profile-for-outgoing-whatsapp-messages, both under developers.kaleyra.io/docs/,
    and third-party code.
    """
    try:
        fields = read_fields(body, content_type)
    except (ValueError, RecursionError):
        return UNREADABLE
    description = text.mask(told(fields, "description"))
    trace = told(fields, "status_trace", "status_details")
    return Callback(
        message_id=told(fields, "message_id", "id", "kid")[:100],
        status=text.mask(told(fields, "status"), text.CODE_DIGITS)[:64],
        trace=(text.mask(trace, text.CODE_DIGITS) or description)[:64],
        number=NOT_DIGITS.sub("", told(fields, "to", "recipient", "mobile"))[:20],
        occurred=_instant(told(fields, "delivered_time", "timestamp", "sent_time"))[:40],
        operator=text.mask(told(fields, "operator"), text.CODE_DIGITS)[:64],
        circle=text.mask(told(fields, "circle"), text.CODE_DIGITS)[:64],
        description=description[:200],
        error_code=text.mask(told(fields, "error_code", "error"), text.CODE_DIGITS)[:64],
    )


def _instant(said: str) -> str:
    """Return a time as told; digits that are no time, neither a date nor seconds since 1970, are hidden."""
    return said if EPOCH.fullmatch(said) else text.mask(said, text.CODE_DIGITS)


def spellings(message_id: str) -> tuple[str, ...]:
    """Return every name that one message may have, the one told first.

    A send answers ``<uuid>:1``; callbacks name the same message so, or ``<uuid>``, or ``<uuid>:0``.
    Another number after the colon is another recipient, and stands for itself alone.
    """
    bare, colon, index = message_id.partition(":")
    if not bare or (colon and index not in ("0", "1")):
        return (message_id,) if message_id else ()
    return tuple(dict.fromkeys((message_id, bare, f"{bare}:1", f"{bare}:0")))


def profile_template() -> dict[str, str]:
    """Return the JSON body to paste into the form of a callback profile.

    Kaleyra fills in each ``<variable>``. ``<message>`` is left out on purpose: it is the code.
    """
    names = ("id", "kid", "recipient", "status", "status_trace")
    more = ("description", "source", "operator", "circle", "timestamp")
    return {name: f"<{name}>" for name in names + more}


def read_fields(body: bytes, content_type: str) -> Mapping[str, object]:
    """Return the keys and values of a body, keys in lower case with ``_`` for ``-``.

    Raises ValueError where it has none.
    """
    said = body.decode("utf-8-sig")
    if said.lstrip()[:1] in ("{", "["):
        return read_json(said)
    if "multipart/" in content_type.lower():
        raise ValueError("A multipart body is not read.")
    pairs = parse_qsl(said, max_num_fields=MOST_KEYS, errors="strict")
    if not pairs:
        raise ValueError("The body is neither a JSON object nor a form.")
    return alike(pairs)


def alike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a dict, keys in lower case with ``_`` for ``-``; raises ValueError for too many."""
    if len(pairs) > MOST_KEYS:
        raise ValueError("The object has too many keys.")
    return {key.lower().replace("-", "_"): value for key, value in pairs}


DECODER = json.JSONDecoder(object_pairs_hook=alike)


def read_json(said: str) -> Mapping[str, object]:
    """Return the one object of a JSON document; raises ValueError where it is none, or too deep."""
    document = DECODER.decode(said)
    if said.count("{") + said.count("[") > 1:
        hold_bounds(document)
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        raise ValueError("The body is no JSON object.")
    return document


def hold_bounds(document: Any) -> None:
    """Raise ValueError where a document is nested too deeply or has too many keys in all."""
    level = [document]
    keys = 0
    for _ in range(MOST_DEPTH):
        keys += sum(len(inner) for inner in level if isinstance(inner, dict))
        children = (inner.values() if isinstance(inner, dict) else inner for inner in level)
        level = [value for values in children for value in values if isinstance(value, (dict, list))]
        if keys > MOST_KEYS:
            raise ValueError("The document has too many keys.")
        if not level:
            return
    raise ValueError("The document is nested too deeply.")


def told(fields: Mapping[str, object], *names: str) -> str:
    """Return the first value that any of ``names`` has; an unfilled placeholder is none."""
    for name in names:
        said = text.word(fields.get(name))
        if said and not (said[0] in "<{" and PLACEHOLDER.fullmatch(said)):
            return said
    return ""
