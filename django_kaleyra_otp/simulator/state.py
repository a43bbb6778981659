"""Everything the simulator knows, behind one lock; each change counts a version up and wakes who waits."""

import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from django_kaleyra_otp.simulator.fates import Knob, Part, knob
from django_kaleyra_otp.simulator.messages import Callback, Message, Request, Status, now
from django_kaleyra_otp.simulator.profiles import AUTO_DISABLED, Profile
from django_kaleyra_otp.simulator.rules import Rules

T = TypeVar("T")

KEPT = 10_000  # messages, callbacks and requests beyond that push out the oldest


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What holds for the whole account.

    ``time_scale`` multiplies every time of a fate and ``retry_seconds``; ``retries`` is how often a
    callback is tried again; after ``disable_after`` callbacks given up in a row a profile is switched off
    (0: never). ``callback_timeout`` is real seconds. ``pull`` is a word for the answer to every pull and
    platform call, or "".
    """

    ip_allowed: bool = True
    balance: bool = True
    time_scale: float = 1.0
    retries: int = 3
    retry_seconds: float = 10.0
    disable_after: int = 5
    callback_timeout: float = 10.0
    pull: str = ""

    def changed(self, changes: Mapping[str, Any]) -> "Knobs":
        """Return these knobs with some turned. Raises ValueError for an unknown name or a wrong value."""
        defaults = {one.name: one.default for one in fields(self)}
        for name, value in changes.items():
            if name not in defaults:
                raise ValueError(f"no knob {name!r}; there are {', '.join(defaults)}")
            expected = type(defaults[name])
            number = expected is float and type(value) is int
            if not (type(value) is expected or number) or (expected in (int, float) and value < 0):
                raise ValueError(
                    f"{name} is a {expected.__name__}" + (" from 0" if expected is not bool else "")
                )
        if (word := changes.get("pull")) and knob(word).fate.part != "answer":
            raise ValueError("pull is a word for an answer")
        return replace(self, **changes)


class State:
    """Messages, profiles, rules and knobs of one account."""

    def __init__(
        self, profiles: Callable[[], Iterable[Profile]], knobs: Knobs, senders: Iterable[str]
    ) -> None:
        self.lock = threading.Condition(threading.RLock())
        self._first_profiles, self._first_knobs, self._first_senders = profiles, knobs, tuple(senders)
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Forget all and start anew, profiles, rules and knobs too."""
        with self.lock:
            self.epoch = str(uuid.uuid4())
            self.messages: OrderedDict[str, Message] = OrderedDict()
            self._by_change: OrderedDict[str, Message] = OrderedDict()
            self.callbacks: deque[Callback] = deque(maxlen=KEPT)
            self.requests: deque[Request] = deque(maxlen=KEPT)
            self.profiles = {profile.profile_id: profile for profile in self._first_profiles()}
            self.senders = dict.fromkeys(self._first_senders)
            self.rules = Rules()
            self.knobs = self._first_knobs
            self.changed()

    def changed(self, message: Message | None = None) -> None:
        """Count a change and wake who waits; call it with the lock held."""
        self.version += 1
        if message is not None:
            message.version = self.version
            self._by_change[message.message_id] = message
            self._by_change.move_to_end(message.message_id)
        self.lock.notify_all()

    def wait_for(self, predicate: Callable[[], T], timeout: float) -> T:
        """Wait until ``predicate`` (called with the lock held) is true; return what it returned last."""
        with self.lock:
            return self.lock.wait_for(predicate, timeout)

    def choose(self, number: str) -> Mapping[Part, tuple[Knob, ...]]:
        """Return the fate of one send, and count it."""
        with self.lock:
            chosen = self.rules.choose(number)
            self.changed()
            return chosen

    def accept(self, messages: Iterable[Message]) -> None:
        """Keep messages that were accepted."""
        with self.lock:
            for message in messages:
                self.messages[message.message_id] = message
                self.senders.setdefault(message.sender)
                self.changed(message)
            while len(self.messages) > KEPT:
                oldest, _ = self.messages.popitem(last=False)
                del self._by_change[oldest]

    def advance(self, message: Message, status: Status) -> None:
        """Let a message reach a status."""
        with self.lock:
            message.history = (*message.history, status)
            if self.knows(message):
                self.changed(message)

    def knows(self, message: Message) -> bool:
        """Whether a message is still of this account: no reset has swept it away."""
        return self.messages.get(message.message_id) is message

    def find(self, message_id: str) -> list[Message]:
        """The messages of a whole message id, or of the uuid without an index."""
        with self.lock:
            if message_id in self.messages:
                return [self.messages[message_id]]
            first = self.messages.get(f"{message_id}:1")
            if first is None:
                return []
            return [message for message in self.messages.values() if message.id == first.id]

    def changes(self, version: int, limit: int) -> list[Message]:
        """The messages changed after ``version``, last change last, at most the ``limit`` newest."""
        with self.lock:
            found: list[Message] = []
            for message in reversed(self._by_change.values()):
                if message.version <= version or len(found) == limit:
                    break
                found.append(message)
            return found[::-1]

    def record_request(self, request: Request) -> None:
        """Keep one call to the account's API."""
        with self.lock:
            self.requests.append(request)

    def record_callback(self, message: Message, callback: Callback) -> None:
        """Keep one try of a callback."""
        with self.lock:
            if self.knows(message):
                message.callbacks = (*message.callbacks, callback)
                self.callbacks.append(callback)
                self.changed(message)

    def record_outcome(self, profile: Profile, succeeded: bool) -> None:
        """Count a callback that arrived or was given up; too many of the latter switch the profile off."""
        with self.lock:
            profile.failures = 0 if succeeded else profile.failures + 1
            if 0 < self.knobs.disable_after <= profile.failures:
                profile.status = AUTO_DISABLED
                profile.modified_at = now()
            self.changed()

    def turn(self, changes: Mapping[str, Any]) -> Knobs:
        """Turn knobs and return them all. Raises ValueError."""
        with self.lock:
            self.knobs = self.knobs.changed(changes)
            self.changed()
            return self.knobs
