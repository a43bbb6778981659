"""What a session holds of a sign-in that is under way: nothing that a client could wind back.

Guesses, time and sends are counted in the challenge's row. A client may read a session that is kept in
a signed cookie, and play an old one again; it finds the same row.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone
from django.utils.crypto import salted_hmac

from django_kaleyra_otp import codes, phones
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.models import OTPChallenge, database
from django_kaleyra_otp.types import Secret

SESSION_KEY = "kaleyra_otp_login"
#: The name, in ``bind``, of the random value that ties a challenge to its session.
TIE = "session"


def new_tie() -> str:
    """Return the random value that ties a challenge to one session."""
    return secrets.token_urlsafe(16)


@dataclass(slots=True, kw_only=True)
class Pending:
    """One sign-in that waits for its code.

    ``tie``: the random value that the challenge is bound to. ``sealed``: the challenge's id, as no
    client can read it, for over the API an id tells whether its SMS was ever sent. ``key``: the
    fingerprint of the key that sealed it. ``number``: masked. ``resend_at``: seconds since 1970, when
    another SMS may be asked for. ``next``: where to go afterwards, or "". ``notice``: a word for what
    the last request came to, or "".
    """

    session_key: ClassVar[str] = SESSION_KEY

    tie: str
    sealed: str
    key: str
    number: str
    resend_at: float
    next: str = ""
    notice: str = ""

    @classmethod
    def of(cls, challenge: OTPChallenge, tie: str, next_url: str, **more: Any) -> Self:
        """Return the state of a sign-in whose code was just sent; ``more`` is what a subclass adds."""
        key = codes.keys()[0]
        pending = cls(
            tie=tie,
            sealed=uuid.UUID(int=challenge.pk.int ^ _pad(tie, key)).hex,
            key=codes.fingerprint(key),
            number=phones.mask(challenge.phone_number),
            resend_at=0,
            next=next_url,
            **more,
        )
        pending.wait(conf.RESEND_COOLDOWN)
        return pending

    @classmethod
    def read(cls, kept: Any) -> Self | None:
        """Return what ``dataclasses.asdict`` made of one, or None for anything else."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**kept) if isinstance(kept, dict) and set(kept) == names else None

    @classmethod
    def load(cls, session: SessionBase) -> Self | None:
        """Return the sign-in that is under way in a session, or None."""
        return cls.read(session.get(cls.session_key))

    def save(self, session: SessionBase) -> None:
        """Keep it in a session."""
        session[self.session_key] = dataclasses.asdict(self)

    @classmethod
    def drop(cls, session: SessionBase) -> None:
        """Forget the sign-in that is under way in a session."""
        session.pop(cls.session_key, None)

    def own(self) -> dict[str, Any]:
        """Return what a subclass adds, which outlives the challenge."""
        base = {field.name for field in dataclasses.fields(Pending)}
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in base}

    def challenge(self) -> OTPChallenge | None:
        """Return the challenge's row as it stands, or None where it or its key is gone."""
        key = codes.key_named(self.key)
        if key is None:
            return None
        pk = uuid.UUID(int=uuid.UUID(hex=self.sealed).int ^ _pad(self.tie, key))
        return OTPChallenge.objects.using(database.alias()).filter(pk=pk).first()

    def wait(self, seconds: int) -> None:
        """Note that another SMS may be asked for after so many seconds."""
        self.resend_at = (timezone.now() + timedelta(seconds=seconds)).timestamp()

    def seconds_to_wait(self, now: datetime) -> int:
        """Return how many seconds are left, rounded up, until another SMS may be asked for."""
        return max(math.ceil(self.resend_at - now.timestamp()), 0)


@dataclass(slots=True, kw_only=True)
class SecondStep(Pending):
    """A sign-in whose password was right. It holds no password, and opens nothing by itself.

    ``user``: the user's primary key, as text. ``backend``: the dotted path of the backend that took the
    password. ``auth_hash``: his session auth hash of that moment, which a change of the password changes.
    ``since``: seconds since 1970, when the password was given.
    """

    session_key: ClassVar[str] = "kaleyra_otp_second_step"

    user: str
    backend: str
    auth_hash: str
    since: float

    def is_older_than(self, seconds: int) -> bool:
        """Return whether the password was given longer ago than that."""
        return timezone.now().timestamp() - self.since > seconds


def _pad(tie: str, key: Secret) -> int:
    """Return 128 bits that nobody has without the key; each tie seals one id."""
    mac = salted_hmac("kaleyra_otp.login", tie, key.reveal(), algorithm="sha256").digest()
    return int.from_bytes(mac[:16], "big")
