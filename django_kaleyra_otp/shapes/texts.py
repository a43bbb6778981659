"""The texts: what may stand in one, and whom it is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django_kaleyra_otp.shapes.values import entries, matches, prefixes

#: A placeholder of a text: {name}, in small letters.
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")

#: Control characters but LF, the line and paragraph separators, and halves of a surrogate pair.
_UNPRINTED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HOST = r"@[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_ORIGIN_LINE = re.compile(rf"{_HOST} #\{{code\}}( {_HOST})?")


@dataclass(frozen=True, slots=True)
class Message:
    """One text, and what it is for; None and () match everything."""

    body: str
    purpose: str | None = None
    language: str | None = None
    prefixes: tuple[str, ...] = ()
    template_id: str = ""
    registered: str | None = None


def _body(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "must be a text."
    if len(value) > 1000 or value != value.strip() or _UNPRINTED.search(value):
        return "must be at most 1000 characters, with no space at either end and no control character."
    if "{code}" not in value:
        return "must have {code} in it."
    if set("{}") & set(PLACEHOLDER.sub("", value)):
        return "has a brace that is no placeholder; a placeholder is {name}, in small letters."
    return _origin_line(value) or _android_hash(value)


def _origin_line(body: str) -> str:
    """Complain of a line for WebOTP that browsers would not read.

    Source: WICG, Origin-bound one-time codes, 3.1: the last line is ``@host #code``, or, for a form in
    another site's frame, ``@host #code @embedded.host``.
    """
    *others, last = body.split("\n")
    if any(line.startswith("@") for line in others):
        return "has a line that begins with @ and is not the last."
    if last.startswith("@") and not _ORIGIN_LINE.fullmatch(last):
        return "has a last line that browsers cannot read; write it as '@example.com #{code}'."
    return ""


def _android_hash(body: str) -> str:
    """Complain of a text that is marked for Android's SMS Retriever and lacks what that looks for.

    Source: Google, "Perform SMS verification on a server": it ends with the app's hash, 11 characters.
    """
    if body.startswith("<#>") and not re.search(r"\s[A-Za-z0-9+/]{11}\Z", body):
        return "begins with <#> and must end with the 11 characters of your Android app's hash."
    return ""


def messages(value: Any) -> str:
    """Complain of a value that is no list of texts."""
    if isinstance(value, (list, tuple)) and not value:
        return "must hold at least one text."
    return entries(
        value,
        {"BODY": _body},
        {
            "purpose": matches(r"[a-z][a-z0-9_]{0,31}", "must be a purpose"),
            "language": matches(
                r"[a-z]{2,3}(-[a-z0-9]{2,8})*", "must be a language in small letters, such as 'hi'"
            ),
            "prefixes": prefixes,
            "TEMPLATE_ID": matches(r"[0-9]{12,30}", "must be 12 to 30 digits"),
            "REGISTERED": lambda text: (
                "" if isinstance(text, str) and text else "must be the registered text."
            ),
        },
    )


def parse_messages(value: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return the texts in their order."""
    return tuple(
        Message(
            body=text["BODY"],
            purpose=text.get("purpose"),
            language=text.get("language"),
            prefixes=tuple(text.get("prefixes", ())),
            template_id=text.get("TEMPLATE_ID", ""),
            registered=text.get("REGISTERED"),
        )
        for text in value
    )
