"""How a code follows from a row and a key. No code is stored anywhere.

A leaked database alone gives no code, nor a leaked key alone; both together give every live one.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import uuid
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import Invalid
from django_kaleyra_otp.types import Secret

NONCE_BYTES = 16


def new_nonce() -> bytes:
    """Return 128 random bits; raises what the system's random source raises."""
    return secrets.token_bytes(NONCE_BYTES)


def keys() -> tuple[Secret, ...]:
    """Return the secrets that codes are derived from, the one for new challenges first."""
    return conf.CODE_KEY or tuple(
        Secret(str(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


def fingerprint(key: Secret) -> str:
    """Return the name of a key: 16 hex digits that do not lead back to it."""
    return salted_hmac("kaleyra_otp.fingerprint", "", key.reveal(), algorithm="sha256").hexdigest()[:16]


def key_named(name: str) -> Secret | None:
    """Return the key with this fingerprint, or None where it was taken out of the settings."""
    return next((key for key in keys() if fingerprint(key) == name), None)


def digest_bind(bind: Any, key: Secret) -> str:
    """Return 64 hex digits for a context, or "" for None.

    Takes any JSON value. Two values are the same context where their JSON is the same with keys
    sorted: key order does not matter, ``10`` and ``10.0`` and ``"10"`` differ. Raises Invalid for
    what JSON cannot hold.
    """
    if bind is None:
        return ""
    try:
        text = json.dumps(bind, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = None
    if text is None:
        raise Invalid(
            errors={"bind": ["Give a value that JSON can hold: dict, list, str, int, float, bool."]}
        )
    return salted_hmac("kaleyra_otp.bind", text, key.reveal(), algorithm="sha256").hexdigest()


def derive(
    challenge_id: uuid.UUID,
    nonce: bytes | memoryview,
    *,
    purpose: str,
    bind_digest: str,
    key: Secret,
    length: int,
) -> Secret:
    """Return the code of one challenge; the same inputs give the same code.

    Takes ``nonce``, 16 random bytes; ``bind_digest``, 64 hex digits or ""; ``length``, a count of
    digits. Returns that many decimal digits, leading zeros kept: a code is text from end to end
    and never an int.

    Source: NIST SP 800-63B-4, 3.1.3.2 (six decimal digits or more). The bias of taking 256 bits
    modulo 10**10 is under 2**-222.
    """
    parts = (challenge_id.bytes, bytes(nonce), purpose.encode(), bind_digest.encode())
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    mac = salted_hmac("kaleyra_otp.code", message, key.reveal(), algorithm="sha256").digest()
    return Secret(f"{int.from_bytes(mac, 'big') % 10**length:0{length}d}")


def same(one: Secret, other: Secret) -> bool:
    """Compare two codes in constant time."""
    return hmac.compare_digest(one.reveal().encode(), other.reveal().encode())


def clean(given: object, length: int) -> Secret | None:
    """Return a guess without ASCII spaces and hyphens, or None for what is no code at all.

    A code is a str of ``length`` ASCII digits; numbers, other digits and other characters are none.
    """
    if isinstance(given, Secret):
        given = given.reveal()
    if not isinstance(given, str) or len(given) > 64:
        return None
    if not re.fullmatch(rf"[0-9]{{{length}}}", given.replace(" ", "").replace("-", "")):
        return None
    return Secret(given.replace(" ", "").replace("-", ""))
