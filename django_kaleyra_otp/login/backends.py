"""Who may sign in with a number."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_backends
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_kaleyra_otp import challenges, lookup, phones
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import InvalidToken


class PhoneBackend(ModelBackend):
    """Signs in the one active user whose number the redeemed challenge proves.

    Passwords are neither read nor changed. Staff and superusers are refused; a subclass that lets
    them in overrides ``allows``. A test number, whose code never changes, lets them in nowhere.
    """

    purpose = "login"

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, otp_token: str | None = None, otp_bind: Any = None
    ) -> Any:
        """Redeem a token of ``challenges.verify`` and return its number's user, or None.

        ``otp_bind`` must be the ``bind`` that the challenge was started with. The token is used up,
        also where nobody may sign in with its number. Raises DatabaseBusy.
        """
        if otp_token is None:
            return None
        try:
            challenge = challenges.redeem(otp_token, purpose=self.purpose, bind=otp_bind)
        except InvalidToken:
            return None
        user = self.find(challenge.phone_number)
        if user is not None and challenge.user_id not in (None, user.pk):
            return None  # somebody else asked for this code, and his guesses were counted apart
        return user

    async def aauthenticate(  # type: ignore[override]
        self, request: HttpRequest | None, otp_token: str | None = None, otp_bind: Any = None
    ) -> Any:
        """Do what ``authenticate`` does, from async code."""
        return await sync_to_async(self.authenticate)(request, otp_token, otp_bind)

    def find(self, phone_number: str) -> Any:
        """Return the user who may sign in with a number, E.164, or None.

        That is the only active user with this number at ``USER_PHONE``, if he is allowed. A number that
        two active users share lets neither in.
        """
        users = [
            user
            for user in lookup.users_with(phone_number)
            if self.user_can_authenticate(user) and phones.of_user(user) in (None, phone_number)
        ]
        if len(users) != 1 or not self.allows(users[0]):
            return None
        if phone_number in conf.TEST_NUMBERS and is_staff(users[0]):
            return None
        return users[0]

    def allows(self, user: Any) -> bool:
        """Return whether a user may sign in by number alone: nobody of the staff may."""
        return not is_staff(user)


def is_staff(user: Any) -> bool:
    """Return whether a user may enter the admin, or do anything at all."""
    return bool(getattr(user, "is_staff", False) or getattr(user, "is_superuser", False))


def find_user(phone_number: str) -> Any:
    """Return the user whom the project's PhoneBackend would sign in with a number, or None.

    Where there are several, it is the first: that one uses up the token.
    Raises ImproperlyConfigured where ``AUTHENTICATION_BACKENDS`` has no PhoneBackend.
    """
    backends = [backend for backend in get_backends() if isinstance(backend, PhoneBackend)]
    if not backends:
        raise ImproperlyConfigured(
            "AUTHENTICATION_BACKENDS has no django_kaleyra_otp.login.backends.PhoneBackend, "
            "nor a class made from it: nobody can sign in by number."
        )
    return backends[0].find(phone_number)
