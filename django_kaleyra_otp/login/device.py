"""The device cookie: this browser signed in with this number before, so whoever asks in it is no stranger.

It never stands in for a code. The salt that signs it holds the user, his number and his session auth hash:
a change of number or password leaves it worth nothing, and the cookie itself says nothing of them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from django_kaleyra_otp.login import users

_VALUE = "known"


def knows(request: HttpRequest, name: str, max_age: int, user: Any, phone_number: str) -> bool:
    """Return whether a request has the cookie ``name`` of this user and number, no older than that."""
    return any(
        request.get_signed_cookie(name, None, salt=_salt(user, phone_number, auth_hash), max_age=max_age)
        == _VALUE
        for auth_hash in users.auth_hashes(user)
    )


def remember(response: HttpResponse, name: str, max_age: int, user: Any, phone_number: str) -> None:
    """Keep the cookie ``name`` of this user and number for so many seconds, where session cookies go."""
    response.set_signed_cookie(
        name,
        _VALUE,
        salt=_salt(user, phone_number, users.auth_hashes(user)[0]),
        max_age=max_age,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _salt(user: Any, phone_number: str, auth_hash: str) -> str:
    return f"kaleyra_otp.device:{user.pk}:{phone_number}:{auth_hash}"
