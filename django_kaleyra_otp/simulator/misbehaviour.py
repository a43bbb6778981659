"""Answers that are not what the API promises. What only the socket can do wrong is the server's part."""

from typing import Any

from django_kaleyra_otp.simulator.fates import Knob
from django_kaleyra_otp.simulator.wire import Answer, as_json, fault

HTML = "text/html; charset=utf-8"
HUGE = 8 * 1024 * 1024
SOCKET_WORDS = frozenset({"delay", "hang", "close", "close-mid-answer", "drip"})
UNFINISHED = frozenset({"hang", "close", "close-mid-answer"})

UNAUTHORIZED = Answer(
    401,
    as_json(
        {
            "code": "RBC001",
            "message": "Incorrect SID or API Key.",
            "data": {},
            "error": {"error": "Incorrect SID or API Key."},
        }
    ),
)
IP_REFUSED = fault(403, "X403", "IP not allowed.")
NO_BALANCE = fault(400, "E110", "Insufficient Balance.")


def instead(knob: Knob | None, elsewhere: str) -> Answer | None:
    """Return the answer of a word that stands for a call that was not carried out, else None.

    ``elsewhere`` is where a redirect without a URL of its own points.
    """
    if knob is None:
        return None
    retry_after = {"Retry-After": f"{knob.seconds:g}"} if knob.fate.takes == "seconds" else {}
    match knob.word:
        case "html-200":
            return Answer(200, b"<html><body><h1>Welcome</h1></body></html>", content_type=HTML)
        case "html-502":
            page = b"<html><body><center><h1>502 Bad Gateway</h1></center></body></html>"
            return Answer(502, page, content_type=HTML)
        case "redirect":
            return Answer(307, b"", {"Location": knob.value or elsewhere})
        case "429":
            return fault(429, "X429", "Too many requests.")
        case "429-retry-after":
            return fault(429, "X429", "Too many requests.", **retry_after)
        case "503-retry-after":
            return fault(503, "X503", "Service unavailable.", **retry_after)
        case "500-unsent":
            return fault(500, "X500", "Internal error.")
        case "status":
            return fault(int(knob.value), f"X{knob.value}", "Not accepted.")
        case "unauthorized":
            return UNAUTHORIZED
        case "ip-refused":
            return IP_REFUSED
        case "no-balance":
            return NO_BALANCE
        case _:
            return None


def bend(knob: Knob | None, status: int, data: dict[str, Any]) -> Answer:
    """Return the answer to a call that was carried out, as the word has it."""
    if knob is None:
        return Answer(status, as_json(data))
    match knob.word:
        case "truncated-json":
            whole = as_json(data)
            return Answer(status, whole[: len(whole) // 2])
        case "huge":
            return Answer(status, as_json({**data, "dlrurl": "." * HUGE}))
        case "500-sent":
            return fault(500, "X500", "Internal error.")
        case "202-error":
            data = {**data, "error": {"body": "Not accepted."}}
        case "error-list":
            data = {**data, "error": []}
        case "error-null":
            data = {**data, "error": None}
        case "error-absent":
            data = {name: value for name, value in data.items() if name != "error"}
        case "no-id":
            nameless = [
                {name: value for name, value in one.items() if name not in ("message_id", "campaign_id")}
                for one in data["data"]
            ]
            data = {**{name: value for name, value in data.items() if name != "id"}, "data": nameless}
        case "200":
            status = 200
    return Answer(status, as_json(data), manner=knob if knob.word in SOCKET_WORDS else None)
