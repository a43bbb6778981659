"""What a session holds of step-ups: what was asked of its user, and what he has shown.

An *ask* is one purpose, or one purpose and what a code for it is bound to. Its *stamp* says that the right
code was given: for an ask without ``bind`` it is good until it is too old; for one with ``bind`` it holds
the proof of the code itself, which the request that acts on it redeems, so that it is good once, and of
two requests at one moment for one of them.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Self

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.crypto import salted_hmac

from django_kaleyra_otp import challenges
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import InvalidToken
from django_kaleyra_otp.login import users
from django_kaleyra_otp.login.pending import TIE

SESSION_KEY = "kaleyra_otp_step_up"
#: Asks with ``bind`` that a session holds; the oldest goes first. A session may be a cookie of 4 KiB.
MOST = 4

Bind = dict[str, str]


def require_private(purpose: str) -> None:
    """Raise ImproperlyConfigured for a purpose that does not exist, or whose codes HTTP clients ask for."""
    rules = conf.purpose(purpose)
    if rules is None:
        raise ImproperlyConfigured(f"KALEYRA_OTP['PURPOSES'] has no purpose {purpose!r}.")
    if rules.api:
        raise ImproperlyConfigured(
            f"The purpose {purpose!r} is open to HTTP ('API': True): its codes guard no view and no sign-in."
        )


def require_bind(bind: Any) -> Bind:
    """Return what a project's hook bound a code to; raises TypeError for all but a dict of text."""
    if not isinstance(bind, dict) or not all(
        isinstance(name, str) and isinstance(value, str) for name, value in bind.items()
    ):
        raise TypeError("bind must return a dict of text, such as {'amount': 'EUR 9.50', 'payee': 'Acme'}.")
    if TIE in bind:
        raise TypeError(f"bind must not have the name {TIE!r}, which ties the code to the session.")
    return bind


@dataclass(slots=True, kw_only=True)
class Ask:
    """What was asked of a session's user.

    ``max_age``: seconds that a stamp is good for, or None for as long as the session. ``pending``: the
    code that is waited for. ``stamp``: None until the right code was given; then who gave it (``user``,
    ``auth_hash``), to which number it went (``number``, a digest), when (``at``), and with ``bind`` the
    proof (``token``, ``tie``).
    """

    purpose: str
    bind: Bind | None
    max_age: int | None
    pending: dict[str, Any] | None = None
    stamp: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        """The name of this ask, the same for the same purpose and ``bind``."""
        what = json.dumps([self.purpose, self.bind], sort_keys=True)
        return salted_hmac("kaleyra_otp.login.ask", what, algorithm="sha256").hexdigest()[:20]

    @classmethod
    def load(cls, session: SessionBase, name: str) -> Self | None:
        """Return the ask of this name in a session, or None."""
        kept = session.get(SESSION_KEY, {}).get(name)
        return cls(**kept) if kept else None

    @classmethod
    def of(cls, session: SessionBase, purpose: str, bind: Bind | None, max_age: int | None) -> Self:
        """Return the ask for a purpose and ``bind`` in a session, or a new one, which is not saved."""
        new = cls(purpose=purpose, bind=bind, max_age=max_age)
        ask = cls.load(session, new.id) or new
        ask.max_age = max_age
        return ask

    def save(self, session: SessionBase) -> None:
        """Keep it in a session, as the newest."""
        asks = {**session.get(SESSION_KEY, {})}
        asks.pop(self.id, None)
        asks[self.id] = dataclasses.asdict(self)
        bound = [name for name, kept in asks.items() if kept["bind"] is not None]
        for name in bound[:-MOST]:
            del asks[name]
        session[SESSION_KEY] = asks

    def drop(self, session: SessionBase) -> None:
        """Forget it."""
        asks = {**session.get(SESSION_KEY, {})}
        if asks.pop(self.id, None):
            session[SESSION_KEY] = asks

    def give_stamp(self, user: Any, phone_number: str, token: str = "", tie: str = "") -> None:
        """Note that this user gave the right code just now, which went to this number, E.164."""
        self.pending = None
        self.stamp = {
            "user": users.text_key(user),
            "auth_hash": user.get_session_auth_hash(),
            "number": _digest(phone_number),
            "at": timezone.now().timestamp(),
            "token": token,
            "tie": tie,
        }

    def is_met(self, user: Any) -> bool:
        """Return whether this user, with this password and number, gave the right code not too long ago."""
        stamp = self.stamp
        return (
            stamp is not None
            and stamp["user"] == users.text_key(user)
            and users.has_auth_hash(user, stamp["auth_hash"])
            and stamp["number"] == _digest(users.number_of(user) or "")
            and (self.max_age is None or timezone.now().timestamp() - stamp["at"] <= self.max_age)
        )

    def spend(self, session: SessionBase, user: Any) -> bool:
        """Use up the proof of a stamp with ``bind``; returns whether it was good, and this call's."""
        stamp, self.stamp = self.stamp, None
        if stamp is None or self.bind is None or self.max_age is None:
            return False
        bind = {**self.bind, TIE: stamp["tie"]}
        try:
            challenge = challenges.redeem(
                stamp["token"], purpose=self.purpose, bind=bind, max_age=self.max_age
            )
        except InvalidToken:
            return False
        self.drop(session)
        return bool(challenge.user_id == user.pk)


def _digest(phone_number: str) -> str:
    """Return what a session, which its client may read, holds in place of a number."""
    return salted_hmac("kaleyra_otp.login.number", phone_number, algorithm="sha256").hexdigest()[:20]
