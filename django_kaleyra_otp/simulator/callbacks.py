"""Fires the callbacks of messages: when, how often, and what becomes of a profile whose calls fail."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests

from django_kaleyra_otp.simulator import templates
from django_kaleyra_otp.simulator.fates import Knob, Step
from django_kaleyra_otp.simulator.messages import Callback, Message, Status, now
from django_kaleyra_otp.simulator.profiles import ACTIVE, SECRET_HEADER, Profile
from django_kaleyra_otp.simulator.schedule import Schedule
from django_kaleyra_otp.simulator.state import State

ANSWER_BYTES = 64 * 1024


class NoProfile(ValueError):
    """A callback that cannot go: its message names no profile, or one that is gone or switched off."""


@dataclass(frozen=True, slots=True)
class _Event:
    """One moment of a message: a status it reaches (``moves``), told ``calls`` times, or both."""

    after: float
    status: str
    trace: str
    moves: bool = True
    calls: int = 1


@dataclass(slots=True)
class _Pending:
    """One callback on its way: its first try ends ``first``, its last one counts for the profile."""

    message: Message
    status: Status
    knobs: tuple[Knob, ...]
    attempt: int = 1
    first: Future[Callback | None] = field(default_factory=Future)

    @property
    def words(self) -> frozenset[str]:
        return frozenset(knob.word for knob in self.knobs)

    def value(self, word: str) -> str:
        return next(knob.value for knob in self.knobs if knob.word == word)


class Callbacks:
    """The way back: ``secret`` is what a Basic password is made of."""

    def __init__(self, state: State, schedule: Schedule, secret: str) -> None:
        self.state, self.schedule, self._secret = state, schedule, secret

    def prepare(self, messages: list[Message]) -> Callable[[], None]:
        """Return what lets messages meet their fate, counted from when it is called; call it once."""
        self.schedule.hold()

        def begin() -> None:
            with self.state.lock:  # a reset clears the schedule under it: nothing slips in behind
                scale = self.state.knobs.time_scale
                for message in filter(self.state.knows, messages):
                    for event in _plan(message):
                        self.schedule.later(event.after * scale, self._at(message, event))
            self.schedule.release()

        return begin

    def begin_at_once(self, message: Message) -> None:
        """Let a message meet all of its fate now, and return once each callback was tried."""
        tried = [first for event in _plan(message) for first in self._happen(message, event)]
        for first in tried:
            first.result()

    def fire(
        self, message: Message, status: str, trace: str = "", knobs: tuple[Knob, ...] = (), moves: bool = True
    ) -> Callback:
        """Fire one callback by hand and return its first try.

        The message reaches the status too, unless ``moves`` is false. Raises NoProfile.
        """
        profile = self.state.profiles.get(message.callback_profile_id)
        if profile is None or profile.status != ACTIVE:
            raise NoProfile("The message has no active callback profile.")
        (first,) = self._happen(message, _Event(0, status, trace or status, moves), knobs)
        callback = first.result()
        if callback is None:
            raise NoProfile("The profile, or the message, went away.")
        return callback

    def _at(self, message: Message, event: _Event) -> Callable[[], None]:
        def happen() -> None:
            self._happen(message, event)

        return happen

    def _happen(
        self, message: Message, event: _Event, knobs: tuple[Knob, ...] | None = None
    ) -> list[Future[Callback | None]]:
        status = Status(now(), event.status, event.trace)
        if event.moves:
            self.state.advance(message, status)
        if knobs is None:
            knobs = tuple(message.knobs.get("callback", ()))
        pending = [_Pending(message, status, knobs) for _ in range(event.calls)]
        for one in pending:
            self._send(one)
        return [one.first for one in pending]

    def _send(self, pending: _Pending) -> None:
        def job(session: requests.Session) -> None:
            callback = None
            try:
                callback = self._try(pending, session)
            finally:
                if not pending.first.done():
                    pending.first.set_result(callback)

        if not self.schedule.work(pending.message.message_id, job):
            pending.first.set_result(None)

    def _try(self, pending: _Pending, session: requests.Session) -> Callback | None:
        message, state = pending.message, self.state
        profile = state.profiles.get(message.callback_profile_id)
        if profile is None or profile.status != ACTIVE or not state.knows(message):
            return None
        callback = self._call(pending, profile, session)
        state.record_callback(message, callback)
        if callback.succeeded:
            state.record_outcome(profile, True)
        elif pending.attempt > state.knobs.retries:
            state.record_outcome(profile, False)
        else:
            pending.attempt += 1
            pause = state.knobs.retry_seconds * state.knobs.time_scale
            with state.lock:
                if state.knows(message):
                    self.schedule.later(pause, lambda: self._send(pending))
        return callback

    def _call(self, pending: _Pending, profile: Profile, session: requests.Session) -> Callback:
        message, status, words = pending.message, pending.status, pending.words
        began = time.monotonic()
        http_status, error, method, url, headers, body = None, "", "", profile.url, {}, b""
        try:
            token = self._token(pending, profile, session) if "bearer" in words else ""
            secret = profile.headers.get(SECRET_HEADER, self._secret)
            rendered = templates.render(profile, message, status, words, secret, token)
            method, url, headers, body = rendered.method, rendered.url, rendered.headers, rendered.body
            http_status = self._transmit(pending, rendered, session)
        except (requests.RequestException, OSError, ValueError) as failure:
            error = type(failure).__name__  # its text may hold a URL, and that a number
        return Callback(
            at=now(),
            message_id=message.message_id,
            profile_id=profile.profile_id,
            status=status.status,
            trace=status.trace,
            attempt=pending.attempt,
            method=method,
            path=url.partition("?")[0],
            http_status=http_status,
            error=error,
            seconds=time.monotonic() - began,
            url=url,
            body=body,
            headers=headers,
        )

    def _transmit(self, pending: _Pending, rendered: templates.Rendered, session: requests.Session) -> int:
        timeout, words = self.state.knobs.callback_timeout, pending.words
        request = requests.Request(
            rendered.method, rendered.url, headers=rendered.headers, data=rendered.body
        )
        prepared = request.prepare()
        if rendered.body and "slow-body" in words:
            slow = templates.SlowBody(rendered.body, float(pending.value("slow-body")))
            prepared.body = slow  # type: ignore[assignment]  # anything with read() will do
        elif rendered.body and words & {"chunked-body", "endless-body"}:
            until = time.monotonic() + timeout
            parts = (
                templates.endless(rendered.body, until) if "endless-body" in words else iter([rendered.body])
            )
            prepared.body = parts  # type: ignore[assignment]
            del prepared.headers["Content-Length"]
            prepared.headers["Transfer-Encoding"] = "chunked"
        with session.send(prepared, timeout=timeout, allow_redirects=False, stream=True) as answer:
            read = 0
            for part in answer.iter_content(ANSWER_BYTES):  # to its end, so that the connection can be kept
                read += len(part)
                if read > ANSWER_BYTES:
                    break
            return answer.status_code

    def _token(self, pending: _Pending, profile: Profile, session: requests.Session) -> str:
        """Ask the receiver's token URL, as Kaleyra's "Advanced Authentication" does; the form is a guess."""
        url = pending.value("bearer") or profile.token_url or urljoin(profile.url, "token/")
        answer = session.post(
            url,
            data={
                "grant_type": "client_credentials",
                "client_id": profile.client_id,
                "client_secret": profile.client_secret,
            },
            timeout=self.state.knobs.callback_timeout,
            allow_redirects=False,
        )
        answer.raise_for_status()
        token = answer.json()
        if not isinstance(token, dict) or not isinstance(token.get("access_token"), str):
            raise ValueError("no access_token")
        return str(token["access_token"])


def _plan(message: Message) -> list[_Event]:
    """When a message reaches which status, and which of them are told when."""
    steps: tuple[Step, ...] = message.knobs["delivery"][0].fate.steps
    words = frozenset(knob.word for knob in message.knobs.get("callback", ()))
    calls = 0 if "no-callback" in words else 2 if "duplicate" in words else 1
    events = [_Event(step.after, step.status, step.trace, True, calls) for step in steps]
    if "out-of-order" in words and len(steps) > 1:
        first, last = events[0], events[-1]
        events[0] = _Event(first.after, first.status, first.trace, True, 0)
        events.append(_Event(last.after + 0.3, first.status, first.trace, False, calls))
    if "two-finals" in words and steps:
        other = ("UNDELIVERED", "ABSENT-SUB") if steps[-1].status == "DELIVRD" else ("DELIVRD", "DELIVRD")
        events.append(_Event(steps[-1].after + 0.5, *other, False, calls))
    return events
