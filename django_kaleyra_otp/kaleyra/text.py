"""Text from the other end of the wire, made fit to be stored, logged and shown."""

from __future__ import annotations

import itertools
import operator
import re

HIDDEN = "••••"
LONG_DIGITS = re.compile(r"\d{4,}")
CODE_DIGITS = re.compile(r"\d{6,}")


def gettext_noop(sentence: str) -> str:
    """Return a sentence as it is. A tool that collects what is to be translated finds it by this name."""
    return sentence


def printable(text: str, cap: int) -> str:
    """Return ``text`` without control characters and lone surrogates, at most ``cap`` characters of it."""
    if not text.isprintable():
        text = "".join(character for character in text if character.isprintable())
    return text[:cap]


def one_line(text: str) -> str:
    """Return ``text`` with each run of white space as one space and without control characters."""
    spaced = " ".join(text.split())
    return printable(spaced, len(spaced))


def word(raw: object) -> str:
    """Return a JSON text or whole number as one line of text, and "" for anything else."""
    if type(raw) is int:
        return str(raw)
    if type(raw) is not str:
        return ""
    said = raw.strip()
    return said if said.isprintable() else one_line(said)


def mask(text: str, digits: re.Pattern[str] = LONG_DIGITS) -> str:
    """Return ``text`` with each run of ``digits`` hidden: it may be a code or a phone number."""
    return digits.sub(HIDDEN, text)


def without(text: str, secret: str) -> str:
    """Return ``text`` with every stretch that it shares with ``secret`` hidden.

    A stretch is eight characters, or the whole of a shorter secret; a secret of less than four
    characters would hide half of any sentence, so it hides nothing.
    """
    length = min(8, len(secret))
    if length < 4:
        return text
    shared = [False] * len(text)
    for at in range(len(text) - length + 1):
        if text[at : at + length] in secret:
            shared[at : at + length] = [True] * length
    stretches = itertools.groupby(zip(shared, text, strict=True), key=operator.itemgetter(0))
    return "".join(HIDDEN if hide else "".join(pair[1] for pair in pairs) for hide, pairs in stretches)


def flatten(value: object, depth: int = 5) -> str:
    """Return what a JSON value says, as one text: ``{"to": "Invalid."}`` is "to: Invalid."."""
    if value is None or depth == 0:
        return ""
    if isinstance(value, dict):
        told = ((key, flatten(inner, depth - 1)) for key, inner in value.items())
        return "; ".join(f"{key}: {inner}" for key, inner in told if inner)
    if isinstance(value, list):
        return "; ".join(inner for inner in (flatten(item, depth - 1) for item in value) if inner)
    return str(value)
