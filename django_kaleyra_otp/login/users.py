"""What the pages ask of a user: the number that codes go to, and whether his password is still the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model, load_backend
from django.contrib.sessions.backends.base import SessionBase
from django.db import router, transaction
from django.utils.crypto import constant_time_compare

from django_kaleyra_otp import phones
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.login.backends import PhoneBackend, is_staff


def number_of(user: Any) -> str | None:
    """Return the number, E.164, that proves a user, or None where he has none that codes are sent to.

    A test number, whose code never changes, proves nobody of the staff.
    """
    try:
        phone_number = phones.parse(phones.of_user(user) or "").e164
    except KaleyraOTPError:
        return None
    return None if phone_number in conf.TEST_NUMBERS and is_staff(user) else phone_number


def set_number(user: Any, phone_number: str) -> None:
    """Keep a number, E.164, for a user, where ``USER_PHONE`` leads to; raises IntegrityError."""
    owner, name = phones.owner_of(user)
    setattr(owner, name, phone_number)
    # its class: the type of a request's user is that of what loads him later
    with transaction.atomic(using=router.db_for_write(owner.__class__, instance=owner)):
        owner.save(update_fields=[name])


def auth_hashes(user: Any) -> list[str]:
    """Return a user's session auth hash, and behind it those of ``SECRET_KEY_FALLBACKS``."""
    fallbacks: Iterable[str] = getattr(user, "get_session_auth_fallback_hash", list)()
    return [user.get_session_auth_hash(), *fallbacks]


def has_auth_hash(user: Any, auth_hash: str) -> bool:
    """Return whether a session auth hash that was kept is still this user's."""
    return any(constant_time_compare(auth_hash, each) for each in auth_hashes(user))


def text_key(user: Any) -> str:
    """Return a user's primary key as text, which a session can hold."""
    return str(user._meta.pk.value_to_string(user))


def load(key: str, backend_path: str) -> Any:
    """Return the user whom a backend still lets in, or None."""
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    backend: Any = load_backend(backend_path)
    user = backend.get_user(get_user_model()._meta.pk.to_python(key))
    if user is None or not getattr(user, "is_active", True):
        return None
    allowed = getattr(backend, "user_can_authenticate", None)
    return user if allowed is None or allowed(user) else None


def signed_in_by_phone(session: SessionBase) -> bool:
    """Return whether the phone alone opened this session."""
    path = session.get(BACKEND_SESSION_KEY)
    return path in settings.AUTHENTICATION_BACKENDS and isinstance(load_backend(path), PhoneBackend)
