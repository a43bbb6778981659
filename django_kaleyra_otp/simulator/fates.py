"""What can become of one SMS: the magic numbers, and every misbehaviour by its word.

A fate has three parts. *delivery* is what becomes of the SMS, *answer* is how the answer to the send
behaves, *callback* is how the callbacks behave. Each word below sets one part; a call may be given
several words, of which at most one for the delivery and one for the answer. A word that takes a value
is written ``delay=0.8``.

Times of *delivery* are multiplied by the time scale; values given to words are real seconds, since the
time-outs they are meant to try are real too.

Statuses and traces: Kaleyra's pages "SMS Status and Status Trace Codes" and "SMS Callback"; which status
a trace of the old API (DNDNUMB and the like) comes with is a guess.
"""

from dataclasses import dataclass
from typing import Literal

Part = Literal["delivery", "answer", "callback"]
Takes = Literal["", "seconds", "status", "url"]

# A mobile range that phone number libraries hold valid. The last four digits choose the fate.
SERIES = "+91999990"


@dataclass(frozen=True, slots=True)
class Step:
    """One status that a message reaches, ``after`` so many seconds (unscaled) from its acceptance."""

    after: float
    status: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """One row of the table: ``suffix`` is the last four digits in ``SERIES`` that choose it."""

    suffix: str
    word: str
    part: Part
    meaning: str
    steps: tuple[Step, ...] = ()
    takes: Takes = ""
    default: str = ""

    @property
    def number(self) -> str:
        """The magic number, E.164."""
        return SERIES + self.suffix


@dataclass(frozen=True, slots=True)
class Knob:
    """A word as somebody set it, with its value where it takes one."""

    fate: Fate
    value: str

    @property
    def word(self) -> str:
        return self.fate.word

    @property
    def seconds(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return f"{self.word}={self.value}" if self.fate.takes else self.word


def _steps(*statuses: tuple[str, str], sent: bool = True) -> tuple[Step, ...]:
    first = (Step(0.2, "SENT", "SENT"),) if sent else ()
    return first + tuple(Step(1.0, status, trace) for status, trace in statuses)


_NOT_SENT = {
    "NOT-ALLOWED": "country not enabled for the account",
    "NO-CREDITS": "the account has no credit",
    "SERIES-BLOCK": "number series blocked",
    "KLR-INV-NUMBER": "Kaleyra holds the number invalid",
    "INV-MOB-PATTRN": "not the pattern of a mobile number",
    "SPAM": "text taken for spam",
    "BLACKLIST": "number blacklisted",
    "CON-DND": "do not disturb, by consent",
    "DND-NUMB": "do not disturb",
    "OPT-OUT": "the person opted out",
    "NOT-OPTIN": "the person never opted in",
    "OUTPUT-REJ": "the person left the group",
    "TEMPLATE-NOT-FOUND": "no DLT template fits the text",
    "INV-TEMPLATE-MATCH": "text and DLT template differ",
    "SENDER-ID-NOT-FOUND": "unknown sender id",
    "REJECTED-MULTIPART": "text over one part",
    "BLOCKED-COUNTRY": "country blocked",
    "KYC-NOT-APPROVED": "the account is not approved",
}
_UNDELIVERED = {
    "INV-NUMBER": "invalid number",
    "INVALID-SUB": "no such subscriber",
    "ABSENT-SUB": "handset off or out of reach",
    "HANDSET-ERR": "handset error",
    "MEM-EXEC": "handset memory full",
    "NET-ERR": "network error",
    "BARRED": "the subscriber barred SMS",
    "FAILED": "roaming or operator failure",
    "SERVER-ERR": "the operator's server failed",
    "SNDRID-NOT-ALLOTED": "sender id not allotted",
    "MOB-OFF": "handset switched off",
}
_OLD = {
    "DNDNUMB": "NOT-SENT",
    "OPTOUT-REJ": "NOT-SENT",
    "SERIES-BLK": "NOT-SENT",
    "MAX-LENGTH": "NOT-SENT",
    "MEMEXEC": "UNDELIV",
    "INVALID-NUM": "UNDELIV",
    "HANDSET-BUSY": "UNDELIV",
    "TIME-OUT-PROM": "UNDELIV",
}


def _deliveries() -> list[Fate]:
    def row(suffix: str, word: str, meaning: str, steps: tuple[Step, ...]) -> Fate:
        return Fate(suffix, word, "delivery", meaning, steps)

    rows = [
        row("0000", "delivered", "SENT, then DELIVRD", _steps(("DELIVRD", "DELIVRD"))),
        row("0100", "not-sent", "NOT-SENT without a trace", _steps(("NOT-SENT", "NOT-SENT"), sent=False)),
        row("0200", "undelivered", "UNDELIVERED without a trace", _steps(("UNDELIVERED", "UNDELIVERED"))),
    ]
    for index, (trace, meaning) in enumerate(_NOT_SENT.items(), 101):
        steps = _steps(("NOT-SENT", trace), sent=False)
        rows.append(row(f"{index:04}", trace.lower(), f"NOT-SENT: {meaning}", steps))
    for index, (trace, meaning) in enumerate(_UNDELIVERED.items(), 201):
        word = "undelivered-failed" if trace == "FAILED" else trace.lower()
        rows.append(row(f"{index:04}", word, f"UNDELIVERED: {meaning}", _steps(("UNDELIVERED", trace))))
    rows += [
        row("0301", "failed", "FAILED", _steps(("FAILED", "FAILED"))),
        row("0302", "expired", "EXPIRED: the retries ran out", _steps(("EXPIRED", "EXPIRED"))),
        row("0303", "rejected", "REJECTED: the operator's blacklist", _steps(("REJECTED", "REJECTED"))),
        row("0304", "submitted", "SUBMITTED, and no further", (Step(0.2, "SUBMITTED", "SUBMITTED"),)),
        row("0305", "never-final", "SENT, and never a final status", _steps()),
        row("0306", "sent-no-dlr", "SENT - NO DLR: no report", _steps(("SENT - NO DLR", "SENT - NO DLR"))),
        row("0307", "unknown-status", "a status word nobody knows", _steps(("PARKED", "PARKED"))),
        row("0308", "straight", "DELIVRD with no SENT before it", _steps(("DELIVRD", "DELIVRD"), sent=False)),
        row("0309", "late", "DELIVRD after 40 s", (*_steps(), Step(40.0, "DELIVRD", "DELIVRD"))),
        row("0310", "lost", "accepted, then silence for ever", ()),
    ]
    for index, (trace, status) in enumerate(_OLD.items(), 401):
        steps = _steps((status, trace), sent=status == "UNDELIV")
        rows.append(row(f"{index:04}", trace.lower(), f"{status}, in the words of the old API", steps))
    return rows


def _answers() -> list[Fate]:
    def row(suffix: str, word: str, meaning: str, takes: Takes = "", default: str = "") -> Fate:
        return Fate(suffix, word, "answer", meaning, takes=takes, default=default)

    return [
        row("1101", "delay", "the answer comes late", "seconds", "2"),
        row("1102", "hang", "sent, but never answered"),
        row("1103", "close", "sent, connection closed without a byte"),
        row("1104", "close-mid-answer", "sent, connection closed amid the answer"),
        row("1105", "drip", "sent, answered a byte at a time, so far apart", "seconds", "0.1"),
        row("1106", "truncated-json", "sent, half of the JSON in a whole answer"),
        row("1107", "html-200", "not sent, 200 with an HTML page"),
        row("1108", "html-502", "not sent, 502 with an HTML page"),
        row("1109", "huge", "sent, an answer of 8 MiB"),
        row("1110", "redirect", "not sent, 307 to elsewhere", "url"),
        row("1111", "429", "not sent, 429 without Retry-After"),
        row("1112", "429-retry-after", "not sent, 429 with Retry-After", "seconds", "1"),
        row("1113", "503-retry-after", "not sent, 503 with Retry-After", "seconds", "1"),
        row("1114", "500-unsent", "not sent, 500"),
        row("1115", "500-sent", "sent, and 500 all the same"),
        row("1116", "status", "not sent, some other HTTP status with a JSON error", "status", "400"),
        row("1117", "unauthorized", "not sent, 401: key or SID wrong"),
        row("1118", "ip-refused", "not sent, 403: IP not allowed"),
        row("1119", "no-balance", "not sent, 400: balance 0"),
        row("1120", "202-error", "not sent, 202 whose error is not empty"),
        row("1121", "error-list", "sent, error is an empty list"),
        row("1122", "error-null", "sent, error is null"),
        row("1123", "error-absent", "sent, no error in the answer"),
        row("1124", "no-id", "sent, no id in the answer"),
        row("1125", "200", "sent, 200 in place of 202"),
    ]


def _callbacks() -> list[Fate]:
    def row(suffix: str, word: str, meaning: str, takes: Takes = "", default: str = "") -> Fate:
        return Fate(suffix, word, "callback", meaning, takes=takes, default=default)

    return [
        row("1201", "no-callback", "no callback at all; a pull tells the status"),
        row("1202", "before-answer", "all callbacks before the send is answered"),
        row("1203", "duplicate", "every callback twice"),
        row("1204", "out-of-order", "the final status first, SENT after it"),
        row("1205", "two-finals", "another final status after the true one"),
        row("1206", "other-spelling", "delivered, Sent, UnDelivered, NotSent"),
        row("1207", "bare-uuid", "message id without :1"),
        row("1208", "suffix-0", "message id with :0"),
        row("1209", "suffix-1", "message id with :1 in every variable"),
        row("1210", "wrong-number", "somebody else's number"),
        row("1211", "placeholder", "trace and times arrive as <status_trace>"),
        row("1212", "placeholder-braces", "trace and times arrive as {status_trace}"),
        row("1213", "no-auth", "no secret"),
        row("1214", "wrong-auth", "a wrong secret"),
        row("1215", "basic-auth", "the secret as a Basic password"),
        row("1216", "wrong-basic", "a wrong Basic password"),
        row("1217", "bearer", "Bearer, with a token fetched from the URL first", "url"),
        row("1218", "get", "GET, values in the query"),
        row("1219", "post", "POST"),
        row("1220", "put", "PUT"),
        row("1221", "chunked-body", "chunked, no Content-Length"),
        row("1222", "slow-body", "a body that takes so long to arrive", "seconds", "5"),
        row("1223", "endless-body", "a body that never ends"),
        row("1224", "big-body", "a body of 128 KiB"),
        row("1225", "garbage-body", "a body that is neither JSON nor form"),
    ]


TABLE: tuple[Fate, ...] = (*_deliveries(), *_answers(), *_callbacks())
BY_WORD = {fate.word: fate for fate in TABLE}
BY_SUFFIX = {fate.suffix: fate for fate in TABLE}
DEFAULT = BY_WORD["delivered"]


def knob(text: str) -> Knob:
    """Read one word, ``duplicate`` or ``delay=0.8``.

    Raises ValueError for an unknown word and for a value that the word does not take.
    """
    word, equals, value = text.strip().partition("=")
    fate = BY_WORD.get(word.strip().lower())
    if fate is None:
        raise ValueError(f"unknown fate {word!r}")
    if equals and not fate.takes:
        raise ValueError(f"{fate.word} takes no value")
    value = value.strip() or fate.default
    if fate.takes == "seconds" and not (_is_number(value) and 0 <= float(value) <= 3600):
        raise ValueError(f"{fate.word} takes seconds, 0 to 3600")
    if fate.takes == "status" and not (value.isdecimal() and 200 <= int(value) <= 599):
        raise ValueError(f"{fate.word} takes an HTTP status, 200 to 599")
    if fate.takes == "url" and value and not _is_url(value):
        raise ValueError(f"{fate.word} takes an http or https URL")
    return Knob(fate, value)


def knobs(words: tuple[str, ...]) -> dict[Part, tuple[Knob, ...]]:
    """Read several words and sort them by part.

    Raises ValueError for an unknown word, and for two that decide the same delivery or answer.
    """
    parts: dict[Part, tuple[Knob, ...]] = {}
    for word in words:
        new = knob(word)
        parts[new.fate.part] = (*parts.get(new.fate.part, ()), new)
    for part in ("delivery", "answer"):
        if len(parts.get(part, ())) > 1:
            raise ValueError(f"more than one fate for the {part}")
    return parts


def magic(number: str) -> Fate | None:
    """The fate that a number's last four digits choose, None outside ``SERIES`` and for other digits."""
    if not number.startswith(SERIES) or len(number) != len(SERIES) + 4:
        return None
    return BY_SUFFIX.get(number[len(SERIES) :])


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def _is_url(text: str) -> bool:
    return (
        text.isascii() and text.isprintable() and " " not in text and text.startswith(("http://", "https://"))
    )
