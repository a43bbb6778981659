"""The proof that ``verify`` gives and ``redeem`` takes.

It names a challenge and is signed; whether it was used, how old it is, what it is for and in which
context, the challenge's own row says.
"""

from __future__ import annotations

import uuid

from django.core.signing import BadSignature, Signer

from django_kaleyra_otp import codes


def _signer() -> Signer:
    newest, *older = codes.keys()
    return Signer(
        key=newest.reveal(),
        fallback_keys=[key.reveal() for key in older],
        salt="kaleyra_otp.token",
        algorithm="sha256",
    )


def issue(challenge_id: uuid.UUID) -> str:
    """Return the token of a verified challenge: 32 hex digits, a colon, a signature."""
    return _signer().sign(challenge_id.hex)


def read(token: object) -> uuid.UUID | None:
    """Return the challenge that a token of ours names, or None for any other value."""
    if not isinstance(token, str) or len(token) > 200 or not token.isascii():
        return None
    try:
        return uuid.UUID(hex=_signer().unsign(token))
    except (BadSignature, ValueError):
        return None
