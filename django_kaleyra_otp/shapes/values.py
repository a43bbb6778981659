"""One value, or a list of dicts: the complaints that the settings share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import phonenumbers
from django.utils.module_loading import import_string

#: Characters of a secret, at least.
MIN_SECRET = 32
#: The queues that ``DISPATCH`` has a word for: what puts an SMS into each.
QUEUES = {"tasks": "django_kaleyra_otp.tasks.enqueue", "celery": "django_kaleyra_otp.tasks.publish"}

Complaint = Callable[[Any], str]


def matches(pattern: str, mend: str) -> Complaint:
    """Return the complaint about a value that is no str matching ``pattern`` whole."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: "" if isinstance(value, str) and compiled.fullmatch(value) else mend + "."


def whole(low: int, high: int) -> Complaint:
    """Return the complaint about a value that is no int from ``low`` to ``high``."""
    return lambda value: (
        "" if type(value) is int and low <= value <= high else f"must be a whole number from {low} to {high}."
    )


def whole_or_none(low: int, high: int) -> Complaint:
    """Return the complaint about a value that is neither None nor an int from ``low`` to ``high``."""
    return lambda value: (
        ""
        if value is None or not whole(low, high)(value)
        else f"must be None or a whole number from {low} to {high}."
    )


def one_of(*choices: str | None) -> Complaint:
    """Return the complaint about a value that is none of ``choices``."""
    return lambda value: "" if value in choices else f"must be one of {', '.join(map(repr, choices))}."


def boolean(value: Any) -> str:
    """Complain of a value that is neither True nor False."""
    return "" if isinstance(value, bool) else "must be True or False."


def optional_line(length: int) -> Complaint:
    """Return the complaint about a value that is neither None nor one printable line."""

    def complaint(value: Any) -> str:
        fine = value is None or (
            isinstance(value, str)
            and 0 < len(value) <= length
            and value.isprintable()
            and not set("{}") & set(value)
        )
        return "" if fine else f"must be None or one line of 1 to {length} characters without braces."

    return complaint


dotted_path = matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", "must be a dotted path, such as 'shop.sms.Backend'")


def optional_dotted_path(value: Any) -> str:
    """Complain of a value that is neither None nor the path of something to call."""
    return "" if value is None or not dotted_path(value) else "must be None or the dotted path of a callable."


def switch(value: Any) -> str:
    """Complain of a value that is neither a bool nor a dotted path nor a callable."""
    fine = isinstance(value, bool) or callable(value) or not dotted_path(value)
    return "" if fine else "must be True, False, or the dotted path of a callable."


def dispatch(value: Any) -> str:
    """Complain of a value that names no way for an SMS to leave."""
    fine = value in ("inline", *QUEUES) or not dotted_path(value)
    return "" if fine else "must be 'inline', 'tasks', 'celery' or the dotted path of a callable."


def prefixes(value: Any) -> str:
    """Complain of a value that is no list of dialling prefixes."""
    fine = isinstance(value, (list, tuple)) and all(
        isinstance(prefix, str) and re.fullmatch(r"\+[0-9]{1,14}", prefix) for prefix in value
    )
    return "" if fine else "must be a list of prefixes such as '+91'."


def meets(prefixes: Iterable[str], prefix: str) -> bool:
    """Return whether some number has this prefix and one of those."""
    return any(one.startswith(prefix) or prefix.startswith(one) for one in prefixes)


def countries(value: Any) -> str:
    """Complain of a value that is neither None nor "*" nor a list of ISO 3166 codes."""
    if value is None or (isinstance(value, str) and value == "*"):
        return ""
    fine = isinstance(value, (list, tuple, set, frozenset)) and all(
        isinstance(code, str) and code in phonenumbers.SUPPORTED_REGIONS for code in value
    )
    return "" if fine else "must be a list of ISO codes in capital letters, such as ['IN', 'AE'], or '*'."


def timeout(value: Any) -> str:
    """Complain of a value that is no pair of seconds."""
    fine = (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(type(part) in (int, float) and 0.1 <= part <= 15 for part in value)
    )
    return "" if fine else "must be two numbers of seconds, 0.1 to 15 each."


def _long_enough(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= MIN_SECRET


def code_keys(value: Any) -> str:
    """Complain of a value that is neither None nor a list of secrets."""
    fine = value is None or (
        isinstance(value, (list, tuple)) and bool(value) and all(map(_long_enough, value))
    )
    return "" if fine else f"must be None or a list of secrets of {MIN_SECRET} characters or more."


def webhook_secret(value: Any) -> str:
    """Complain of a value that is neither a secret nor a list of them; "" is none yet."""
    if isinstance(value, str) and value == "":
        return ""
    secrets = value if isinstance(value, (list, tuple)) else [value]
    fine = secrets and all(
        _long_enough(secret) and re.fullmatch(r"[!-~][ -~]*[!-~]", secret) for secret in secrets
    )
    wrong = (
        f"must be {MIN_SECRET} or more characters of printable ASCII, no space at an end, or a list of such."
    )
    return "" if fine else wrong


def entries(value: Any, required: Mapping[str, Complaint], optional: Mapping[str, Complaint]) -> str:
    """Complain of a value that is no list of dicts with these keys."""
    if not isinstance(value, (list, tuple)):
        return "must be a list of dicts."
    for number, entry in enumerate(value):
        if not isinstance(entry, dict):
            return f"[{number}] must be a dict."
        for key in required:
            if key not in entry:
                return f"[{number}] lacks {key!r}."
        for key, part in entry.items():
            test = required.get(key) or optional.get(key)
            if test is None:
                return f"[{number}] has an unknown key {key!r}; known: {', '.join([*required, *optional])}."
            if wrong := test(part):
                return f"[{number}][{key!r}]{'' if wrong.startswith('[') else ' '}{wrong}"
    return ""


def entry(value: Any, required: Mapping[str, Complaint], optional: Mapping[str, Complaint]) -> str:
    """Complain of a value that is no dict with these keys."""
    return entries([value], required, optional).removeprefix("[0]").lstrip()


def load(hook: Any) -> Callable[..., Any]:
    """Return what a setting names: a callable as it is, a dotted path imported."""
    found: Callable[..., Any] = hook if callable(hook) else import_string(hook)
    return found
