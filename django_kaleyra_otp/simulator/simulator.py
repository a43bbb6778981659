"""The whole of Kaleyra on loopback, to be started in a test or from the command line."""

import ssl
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from django_kaleyra_otp.simulator import page, profiles
from django_kaleyra_otp.simulator.answers import Account
from django_kaleyra_otp.simulator.callbacks import Callbacks
from django_kaleyra_otp.simulator.control import Control, callback_knobs
from django_kaleyra_otp.simulator.messages import Callback, Message, Request
from django_kaleyra_otp.simulator.profiles import Profile
from django_kaleyra_otp.simulator.schedule import Schedule
from django_kaleyra_otp.simulator.server import HOSTS, Server
from django_kaleyra_otp.simulator.state import Knobs, State
from django_kaleyra_otp.simulator.wire import Answer, Call

SID = "HXSIM0000000000IN"
API_KEY = "A" + 32 * "0"
SENDER = "KLRHXA"
CALLBACK_URL = "http://127.0.0.1:8000/otp/webhook/"
CALLBACK_SECRET = "simulator-callback-secret-0000000000"  # noqa: S105  known to all on purpose


class Simulator:
    """Kaleyra on a port of this machine.

    ``with Simulator(time_scale=0.1) as kaleyra:`` serves at ``kaleyra.base_url`` until the block ends.

    ``profiles`` are callback profiles, or plain data for them; left out, there are the three ready ones,
    which call ``callback_url`` with ``callback_secret`` in the header X-Kaleyra-Otp-Secret. ``time_scale``
    multiplies the seconds of every fate and of the pause between retries. ``port`` 0 is a free one.
    ``tls`` is a certificate file and its key file: the simulator then speaks https.

    Raises ValueError for a host that is not loopback and for settings that are no good; ``start`` and
    ``with`` raise OSError if the port is taken.
    """

    def __init__(
        self,
        *,
        sid: str = SID,
        api_key: str = API_KEY,
        callback_url: str = CALLBACK_URL,
        callback_secret: str = CALLBACK_SECRET,
        profiles: Iterable[Profile | Mapping[str, Any]] | None = None,
        senders: Iterable[str] = (SENDER,),
        time_scale: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: tuple[str, str] | None = None,
    ) -> None:
        if host not in HOSTS:
            raise ValueError(f"the host must be loopback, one of {', '.join(HOSTS)}")
        self.sid, self.host, self.port = sid, host, port
        self._api_key, self._secret, self._tls = api_key, callback_secret, tls
        self._callback_url = callback_url
        self._given = None if profiles is None else [_settings(one) for one in profiles]
        knobs = Knobs().changed({"time_scale": time_scale})
        self.state = State(self._profiles, knobs, senders)
        self._schedule = Schedule()
        self._callbacks = Callbacks(self.state, self._schedule, callback_secret)
        self._taken: dict[str, set[str]] = {}
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<Simulator {self.host}:{self.port}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Begin to serve; a simulator starts once. Raises OSError if the port is taken."""
        context = None
        if self._tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*self._tls)
        self._server = Server(self.host, self.port, self._answer, context)
        self.port = self._server.server_port
        elsewhere = f"{self._scheme}://localhost:{self.port}/elsewhere"
        self._account = Account(self.state, self._callbacks, self.sid, self._api_key, elsewhere)
        shown = {"base_url": self.base_url, "sid": self.sid}
        self._control = Control(self.state, self._callbacks, self.reset, self._server.stopping, shown)
        self._schedule.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="simulator", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every connection, callback and thread; what was seen can still be read."""
        if self._server is None or self._thread is None:
            return
        with self.state.lock:
            self._server.stopping.set()
            self.state.lock.notify_all()
        self._schedule.stop()
        self._server.stop()
        self._thread.join()
        self._server = self._thread = None

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:<port>``, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self._scheme}://{host}:{self.port}"

    # What was seen

    @property
    def messages(self) -> list[Message]:
        """The messages that were accepted, oldest first."""
        with self.state.lock:
            return list(self.state.messages.values())

    def messages_to(self, number: str) -> list[Message]:
        """The messages to one number (E.164), oldest first."""
        return [message for message in self.messages if message.number == number]

    @property
    def callbacks_fired(self) -> list[Callback]:
        """Every try of every callback, in the order they ended."""
        with self.state.lock:
            return list(self.state.callbacks)

    @property
    def requests(self) -> list[Request]:
        """Every call that reached the account's API, refused ones too."""
        with self.state.lock:
            return list(self.state.requests)

    @property
    def profiles(self) -> dict[str, Profile]:
        """The callback profiles by id, as they stand."""
        with self.state.lock:
            return dict(self.state.profiles)

    def wait_for_message(self, number: str, timeout: float = 5.0) -> Message:
        """Return the oldest message to ``number`` that no call of this method has returned yet.

        So a second call waits for the next message. Raises TimeoutError after ``timeout`` seconds.
        """

        def unseen() -> Message | None:
            taken = self._taken.setdefault(number, set())
            for message in self.messages_to(number):
                if message.message_id not in taken:
                    taken.add(message.message_id)
                    return message
            return None

        found = self.state.wait_for(unseen, timeout)
        if found is None:
            raise TimeoutError(f"no message to the number ending in {number[-4:]} within {timeout} s")
        return found

    def wait_until_idle(self, timeout: float = 5.0) -> None:
        """Wait until every message has met its fate and no callback is to be tried again.

        Raises TimeoutError after ``timeout`` seconds.
        """
        if not self._schedule.wait_until_idle(timeout):
            raise TimeoutError(f"callbacks are still under way after {timeout} s")

    # What shall happen

    def set_fate(self, number: str | None, *words: str, times: int | None = None) -> None:
        """Choose the fate of a number, or of all (None), by the words of ``fates.TABLE``.

        For the next ``times`` sends, or for ever. No words: the number's own fate is forgotten.
        Raises ValueError for an unknown word and for two that contradict each other.
        """
        with self.state.lock:
            self.state.rules.set(number, words, times)
            self.state.changed()

    def knobs(self, **changes: Any) -> Knobs:
        """Turn knobs of the account and return them all; see ``Knobs``. Raises ValueError."""
        return self.state.turn(changes)

    def fire(self, message: Message, status: str = "DELIVRD", trace: str = "", *words: str) -> Callback:
        """Let a message reach a status now, and return the first try of the callback that tells it.

        ``words`` are callback words of ``fates.TABLE``. Raises ValueError for other words, and where
        the message has no active callback profile.
        """
        return self._callbacks.fire(message, status, trace, callback_knobs(*words))

    def set_callback_url(self, url: str) -> None:
        """Point every profile there is, and the ready ones after a reset, at ``url``."""
        with self.state.lock:
            self._callback_url = url
            for profile in self.state.profiles.values():
                profile.url = url
            self.state.changed()

    def reset(self) -> None:
        """Forget messages, callbacks, requests, fates; profiles and knobs are again as at the start."""
        with self.state.lock:
            self._schedule.clear()
            self._taken.clear()
            self.state.reset()

    # Inside

    @property
    def _scheme(self) -> str:
        return "http" if self._tls is None else "https"

    def _profiles(self) -> list[Profile]:
        if self._given is None:
            return profiles.ready(self._callback_url, self._secret)
        return [profiles.profile(settings) for settings in self._given]

    def _answer(self, call: Call) -> Answer:
        if call.path.startswith("/_control/"):
            return self._control.answer(call)
        return page.answer(call) or self._account.answer(call)


def _settings(profile: Profile | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(profile, Profile):
        return dict(profile)
    names = ("profile_id", "token_url", "client_id", "client_secret")
    return {**profile.as_settings(), **{name: getattr(profile, name) for name in names}}
