"""The control API under ``/_control/``: what was seen, what is set, and what shall happen next.

Reading needs nothing. Whatever changes something needs the header ``X-Simulator: 1``, which a web page
from elsewhere cannot send; the Host check of the server does the rest.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django_kaleyra_otp.simulator import fates, profiles
from django_kaleyra_otp.simulator.callbacks import Callbacks
from django_kaleyra_otp.simulator.fates import Fate
from django_kaleyra_otp.simulator.messages import callback_as_json, request_as_json
from django_kaleyra_otp.simulator.state import State
from django_kaleyra_otp.simulator.wire import Answer, Call, Unreadable, as_json, fault

HEADER = "x-simulator"
LONGEST_WAIT = 30.0  # seconds
MOST_CHANGES = 500
LONGEST_WORD = 64

_Method = Callable[[Call], Answer]


class Control:
    """``account`` is what the page shows of the account: no key and no secret."""

    def __init__(
        self,
        state: State,
        callbacks: Callbacks,
        reset: Callable[[], None],
        stopping: threading.Event,
        account: dict[str, str],
    ) -> None:
        self.state, self.callbacks, self._account = state, callbacks, account
        self._reset, self._stopping = reset, stopping
        self._routes: dict[str, dict[str, _Method]] = {
            "/_control/state": {"GET": self._changes, "DELETE": self._forget},
            "/_control/messages": {"GET": self._messages},
            "/_control/callbacks": {"GET": self._callbacks},
            "/_control/requests": {"GET": self._requests},
            "/_control/fates": {"GET": self._fates, "POST": self._set_fate},
            "/_control/knobs": {"GET": self._knobs, "POST": self._turn},
            "/_control/fire": {"POST": self._fire},
            "/_control/profiles": {"POST": self._switch},
        }

    def answer(self, call: Call) -> Answer:
        """Answer one call."""
        methods = self._routes.get(call.path)
        if methods is None:
            return fault(404, "X404", "Not Found")
        if call.method not in methods:
            return fault(405, "X405", "Method Not Allowed", Allow=", ".join(methods))
        if call.method != "GET" and call.headers.get(HEADER) != "1":
            return fault(403, "X403", "The header X-Simulator: 1 is missing.")
        try:
            return methods[call.method](call)
        except Unreadable:
            return fault(400, "X400", "Invalid JSON.")
        except ValueError as error:
            return fault(400, "X400", str(error))

    def _changes(self, call: Call) -> Answer:
        """What changed after a version, waiting up to ``wait`` seconds for the first change."""
        after, wait = call.parameters.get("after", "0"), call.parameters.get("wait", "0")
        if not (after.isdecimal() and wait.isdecimal()):
            raise ValueError("after and wait are whole numbers")
        seen, epoch = int(after), call.parameters.get("epoch", "")
        state = self.state

        def news() -> bool:
            return state.version > seen or state.epoch != epoch or self._stopping.is_set()

        state.wait_for(news, min(float(wait), LONGEST_WAIT))
        with state.lock:
            if state.epoch != epoch:
                seen = 0
            return _ok(
                {
                    "epoch": state.epoch,
                    "version": state.version,
                    "account": self._account,
                    "messages": [message.as_json() for message in state.changes(seen, MOST_CHANGES)],
                    "count": len(state.messages),
                    "profiles": [
                        {
                            "profile_id": profile.profile_id,
                            "title": profile.title,
                            "method": profile.http_method,
                            "url": profile.url,
                            "status": profile.status,
                            "failures": profile.failures,
                        }
                        for profile in state.profiles.values()
                    ],
                    "rules": [rule.as_json() for rule in state.rules],
                    "knobs": asdict(state.knobs),
                }
            )

    def _messages(self, call: Call) -> Answer:
        with self.state.lock:
            return _ok([message.as_json() for message in self.state.messages.values()])

    def _callbacks(self, call: Call) -> Answer:
        with self.state.lock:
            return _ok([callback_as_json(callback) for callback in self.state.callbacks])

    def _requests(self, call: Call) -> Answer:
        with self.state.lock:
            return _ok([request_as_json(request) for request in self.state.requests])

    def _fates(self, call: Call) -> Answer:
        with self.state.lock:
            rules = [rule.as_json() for rule in self.state.rules]
        table = [fate_as_json(fate) for fate in fates.TABLE]
        return _ok({"series": fates.SERIES, "table": table, "rules": rules})

    def _set_fate(self, call: Call) -> Answer:
        """``{"number": "+91…" or null, "fate": ["word", …], "times": null or a count}``."""
        given = call.read_object()
        number, words = given.get("number"), given.get("fate", [])
        if not (number is None or isinstance(number, str)):
            raise ValueError("number is a text or null")
        if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
            raise ValueError("fate is a list of words")
        with self.state.lock:
            self.state.rules.set(number, tuple(words), given.get("times"))
            self.state.changed()
            return _ok([rule.as_json() for rule in self.state.rules])

    def _knobs(self, call: Call) -> Answer:
        return _ok(asdict(self.state.knobs))

    def _turn(self, call: Call) -> Answer:
        return _ok(asdict(self.state.turn(call.read_object())))

    def _switch(self, call: Call) -> Answer:
        """``{"profile_id", "status": 1 or 3}``: switch a callback profile on again, or off."""
        given = call.read_object()
        with self.state.lock:
            answer = profiles.update(
                self.state.profiles,
                str(given.get("profile_id")),
                {"status": given.get("status", profiles.ACTIVE)},
            )
            self.state.changed()
            return answer

    def _fire(self, call: Call) -> Answer:
        """``{"message_id", "status": "DELIVRD", "trace": "", "fate": ["callback word", …]}``."""
        given = call.read_object()
        found = self.state.find(str(given.get("message_id")))
        if not found:
            return fault(404, "X404", "No such message.")
        status, trace, words = given.get("status", "DELIVRD"), given.get("trace", ""), given.get("fate", [])
        if (
            not all(isinstance(word, str) and len(word) <= LONGEST_WORD for word in (status, trace))
            or not status
        ):
            raise ValueError("status and trace are texts of at most 64 characters")
        if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
            raise ValueError("fate is a list of words")
        return _ok(callback_as_json(self.callbacks.fire(found[0], status, trace, callback_knobs(*words))))

    def _forget(self, call: Call) -> Answer:
        self._reset()
        return Answer(204, b"")


def callback_knobs(*words: str) -> tuple[fates.Knob, ...]:
    """Read words for one callback. Raises ValueError for those that are for something else."""
    parts = fates.knobs(words)
    if set(parts) - {"callback"}:
        raise ValueError("only words for a callback")
    return parts.get("callback", ())


def fate_as_json(fate: Fate) -> dict[str, Any]:
    """One row of the table, as the page shows it."""
    return {
        "number": fate.number,
        "word": fate.word,
        "part": fate.part,
        "meaning": fate.meaning,
        "takes": fate.takes,
        "default": fate.default,
    }


def _ok(data: object) -> Answer:
    return Answer(200, as_json(data))
