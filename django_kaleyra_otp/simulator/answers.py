"""Kaleyra's own API: which call meets which answer. The first fault, in the order below, answers.

The codes that begin with X are made up, so that nobody takes them for Kaleyra's; the order of the checks
and most HTTP codes are a guess. E404, E110, RBC001, the success and the pull are Kaleyra's.
"""

import hmac
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django_kaleyra_otp.simulator import fates, misbehaviour, profiles
from django_kaleyra_otp.simulator.callbacks import Callbacks
from django_kaleyra_otp.simulator.messages import Message, Request, now
from django_kaleyra_otp.simulator.state import State
from django_kaleyra_otp.simulator.wire import Answer, Call, Unreadable, fault

TYPES = ("OTP", "TXN", "MKT", "DEFAULT", "SI")
PULLED_AT_ONCE = 100
RECIPIENTS = 100

_NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}")
_SENDER = re.compile(r"[A-Za-z0-9]{3,11}|\+?[0-9]{3,15}")
_TEMPLATE = re.compile(r"[0-9]{12,30}")
_KEY_NAMES = frozenset({"api-key", "api_key", "apikey"})
_ONE_NUMBER = "If Type is OTP then only one mobile number is allowed."

# status -> (status, status_details) of a pull; "SENT - No DLR" as a client of the API met it.
_PULLED = {
    "": ("Submitted", "SUBMITTED"),
    "SUBMITTED": ("Submitted", "SUBMITTED"),
    "SENT": ("Sent", "SENT"),
    "SENT - NO DLR": ("SENT - No DLR", "SENT - NO DLR"),
    "DELIVRD": ("Delivered", "DELIVERED"),
    "UNDELIVERED": ("UnDelivered", ""),
    "UNDELIV": ("UnDelivered", ""),
    "NOT-SENT": ("NotSent", ""),
    "FAILED": ("Failed", ""),
}

_Method = Callable[[Call, tuple[str, ...]], Answer]


class Account:
    """One account's API, ``/v1/<sid>/…``. ``elsewhere`` is where redirects point."""

    def __init__(self, state: State, callbacks: Callbacks, sid: str, api_key: str, elsewhere: str) -> None:
        self.state, self.callbacks, self.elsewhere = state, callbacks, elsewhere
        self._sid, self._key = sid, api_key
        self._routes: dict[str, dict[str, _Method]] = {
            r"/v1/([^/]+)/(?:sms|messages)": {"POST": self._send},
            r"/v1/([^/]+)/(?:sms|messages)/status": {"GET": self._pull},
            r"/v1/([^/]+)/messages/identifier": {"GET": self._identifiers},
            r"/v1/([^/]+)/callback/profiles": {"GET": self._profiles, "POST": self._create_profile},
            r"/v1/([^/]+)/callback/profiles/([^/]+)": {
                "GET": self._profile,
                "PATCH": self._update_profile,
                "DELETE": self._delete_profile,
            },
        }

    def answer(self, call: Call) -> Answer:
        """Answer one call, and keep it as evidence."""
        answer = self._answer(call)
        unfinished = answer.manner is not None and answer.manner.word in misbehaviour.UNFINISHED
        self.state.record_request(
            Request(
                at=now(),
                method=call.method,
                path=call.path,
                http_status=None if unfinished else answer.status,
                headers={name: value for name, value in call.headers.items() if name not in _KEY_NAMES},
                body=call.body,
            )
        )
        return answer

    def _answer(self, call: Call) -> Answer:
        match, methods = self._route(call.path)
        if match is None:
            return fault(404, "X404", "Not Found")
        if call.method not in methods:
            return fault(405, "X405", "Method Not Allowed", Allow=", ".join(methods))
        if not self._authentic(call, match[1]):
            return misbehaviour.UNAUTHORIZED
        if not self.state.knobs.ip_allowed:
            return misbehaviour.IP_REFUSED
        return methods[call.method](call, match.groups()[1:])

    def _route(self, path: str) -> tuple[re.Match[str] | None, dict[str, _Method]]:
        for pattern, methods in self._routes.items():
            if match := re.fullmatch(pattern, path):
                return match, methods
        return None, {}

    def _authentic(self, call: Call, sid: str) -> bool:
        """Whether SID and key are right. A key in the query is refused: it would stand in logs."""
        if any(name.lower() in _KEY_NAMES for name in call.parameters):
            return False
        key = call.headers.get("api-key", "")
        return hmac.compare_digest(
            f"{len(sid)}:{sid}{key}".encode(), f"{len(self._sid)}:{self._sid}{self._key}".encode()
        )

    # Sending

    def _send(self, call: Call, _: tuple[str, ...]) -> Answer:
        try:
            given = call.read_object()
        except Unreadable:
            return _unreadable()
        type_ = given.get("type")
        if type_ not in TYPES:
            return _invalid("X402", "type")
        numbers = _numbers(given.get("to"), call.is_form)
        if type_ == "OTP" and len(numbers) > 1:
            return fault(400, "E404", _ONE_NUMBER, {"time": _ONE_NUMBER})
        if wrong := self._wrong(given, numbers):
            return wrong
        if not self.state.knobs.balance:
            return misbehaviour.NO_BALANCE
        return self._carry_out(given, ["+" + number.lstrip("+") for number in numbers], call.path)

    def _wrong(self, given: dict[str, Any], numbers: list[str]) -> Answer | None:
        sender, body, template = given.get("sender"), given.get("body"), given.get("template_id")
        profile = given.get("callback_profile_id")
        good_numbers = 0 < len(numbers) <= RECIPIENTS and all(_NUMBER.fullmatch(number) for number in numbers)
        checks = (
            ("X601", "to", good_numbers),
            ("X602", "sender", _matches(_SENDER, sender)),
            ("X603", "body", isinstance(body or "", str) and bool(body or template)),
            ("X604", "template_id", template in (None, "") or _matches(_TEMPLATE, template)),
            ("X605", "callback_profile_id", profile in (None, "") or self._has_profile(profile)),
        )
        return next((_invalid(code, name) for code, name, good in checks if not good), None)

    def _has_profile(self, profile_id: object) -> bool:
        return isinstance(profile_id, str) and profile_id in self.state.profiles

    def _carry_out(self, given: dict[str, Any], numbers: list[str], path: str) -> Answer:
        knobs = self.state.choose(numbers[0])
        manner = next(iter(knobs.get("answer", ())), None)
        if refusal := misbehaviour.instead(manner, self.elsewhere):
            return refusal
        id_, kid, created_at = str(uuid.uuid4()), str(uuid.uuid4()), now()
        messages = [
            Message(
                id=id_,
                message_id=f"{id_}:{index}",
                kid=kid,
                number=number,
                sender=given["sender"],
                type=given["type"],
                body=given.get("body") or "",
                template_id=given.get("template_id") or "",
                callback_profile_id=given.get("callback_profile_id") or "",
                parameters=given,
                knobs=knobs if index == 1 else {**knobs, **self.state.choose(number)},
                created_at=created_at,
            )
            for index, number in enumerate(numbers, 1)
        ]
        answer = misbehaviour.bend(manner, 202, _accepted(messages))
        if manner is not None and manner.word == "202-error":
            return answer
        self.state.accept(messages)
        hasty = [message for message in messages if "before-answer" in _words(message)]
        for message in hasty:
            self.callbacks.begin_at_once(message)
        calm = [message for message in messages if message not in hasty]
        return replace(answer, afterwards=self.callbacks.prepare(calm))

    # Asking

    def _pull(self, call: Call, _: tuple[str, ...]) -> Answer:
        asked = [one.strip() for one in call.parameters.get("message_ids", "").split(",")]
        found = [message for one in asked[:PULLED_AT_ONCE] for message in self.state.find(one)]
        rows = []
        for message in found:
            status, details = _PULLED.get(message.status, (message.status, ""))
            rows.append(
                {
                    "campaign_id": message.message_id,
                    "status": status,
                    "status_details": details or message.trace,
                }
            )
        return self._platform({"data": rows, "error": {}})

    def _identifiers(self, call: Call, _: tuple[str, ...]) -> Answer:
        with self.state.lock:
            rows = [{"identifier": sender} for sender in self.state.senders]
        return self._platform(
            {"code": "MSG108", "message": "Sender ids fetched successfully.", "data": rows, "error": {}}
        )

    def _platform(self, data: dict[str, Any]) -> Answer:
        word = self.state.knobs.pull
        knob = fates.knob(word) if word else None
        return misbehaviour.instead(knob, self.elsewhere) or misbehaviour.bend(knob, 200, data)

    # Callback profiles

    def _profiles(self, call: Call, _: tuple[str, ...]) -> Answer:
        with self.state.lock:
            return profiles.fetch_all(self.state.profiles, call.parameters)

    def _create_profile(self, call: Call, _: tuple[str, ...]) -> Answer:
        return self._changed_profile(call, lambda given: profiles.create(self.state.profiles, given))

    def _profile(self, call: Call, ids: tuple[str, ...]) -> Answer:
        with self.state.lock:
            return profiles.fetch(self.state.profiles, ids[0])

    def _update_profile(self, call: Call, ids: tuple[str, ...]) -> Answer:
        return self._changed_profile(call, lambda given: profiles.update(self.state.profiles, ids[0], given))

    def _delete_profile(self, call: Call, ids: tuple[str, ...]) -> Answer:
        with self.state.lock:
            answer = profiles.delete(self.state.profiles, ids[0])
            self.state.changed()
            return answer

    def _changed_profile(self, call: Call, change: Callable[[dict[str, Any]], Answer]) -> Answer:
        try:
            given = call.read_object()
        except Unreadable:
            return _unreadable()
        with self.state.lock:
            answer = change(given)
            self.state.changed()
            return answer


def _numbers(to: object, form: bool) -> list[str]:
    """Read the recipients. In a form a bare ``+`` arrives as a space, so a leading space counts as one."""
    if isinstance(to, list):
        given = [one if isinstance(one, str) else "?" for one in to]
    elif isinstance(to, str) and to:
        given = to.split(",")
    else:
        return []
    return ["+" + one[1:] if form and one.startswith(" ") else one for one in given]


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _words(message: Message) -> set[str]:
    return {knob.word for knob in message.knobs.get("callback", ())}


def _accepted(messages: list[Message]) -> dict[str, Any]:
    first = messages[0]
    echoed = {name: first.parameters[name] for name in ("flash", "unicode") if name in first.parameters}
    return {
        "id": first.id,
        "sender": first.sender,
        "type": first.type,
        **echoed,
        **({"template_id": first.template_id} if first.template_id else {}),
        "body": first.body,
        "createdDateTime": first.created_at.isoformat(sep=" ", timespec="seconds"),
        "totalCount": len(messages),
        "data": [
            {"message_id": message.message_id, "recipient": message.number.removeprefix("+")}
            for message in messages
        ],
        "dlrurl": None,
        "error": {},
    }


def _invalid(code: str, parameter: str) -> Answer:
    return fault(400, code, f"Invalid {parameter}.", {parameter: f"Invalid {parameter}."})


def _unreadable() -> Answer:
    return fault(400, "X400", "Invalid request body.", {"body": "Invalid JSON."})
