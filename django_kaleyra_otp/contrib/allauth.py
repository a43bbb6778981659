"""Phone numbers and codes by SMS for django-allauth's account adapter."""

from __future__ import annotations

import logging
import secrets
from typing import Any, NoReturn

from allauth.account import app_settings
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.ratelimit import respond_429
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils.translation import get_language

from django_kaleyra_otp import delivery, guard, lookup, phones
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DeliveryFailed, KaleyraOTPError, RateLimited

logger = logging.getLogger(__name__)


class KaleyraAdapterMixin:
    """Put it before ``DefaultAccountAdapter``, and name the class in ``ACCOUNT_ADAPTER``.

    The number is at ``USER_PHONE``; beside it stands a bool, whether it is verified. allauth makes the
    codes, keeps them in the session and counts the guesses there.
    """

    request: HttpRequest | None
    #: Which text and which limits a code gets.
    purpose = "verify"
    #: The field, beside the number, that says whether it is verified.
    phone_verified_field = "phone_verified"

    # The number

    def phone_form_field(self, **kwargs: Any) -> Any:
        """Return allauth's field, which leaves it to ``clean_phone`` what is a number."""
        return super().phone_form_field(**{"validators": [], **kwargs})  # type: ignore[misc]

    def clean_phone(self, phone: str) -> str:
        """Return a number in its one spelling; raises ValidationError where no code can go to it."""
        try:
            number = phones.parse(phone)
            guard.admit_country(number)
        except KaleyraOTPError as refusal:
            raise ValidationError(str(refusal.detail), code=refusal.code) from None
        return number.e164

    def get_phone(self, user: Any) -> tuple[str, bool] | None:
        """Return a user's number and whether it is verified, or None where he has none."""
        phone = phones.of_user(user)
        return (phone, self._is_verified(user)) if phone else None

    def set_phone(self, user: Any, phone: str, verified: bool) -> None:
        """Give a user a number."""
        owner, field = phones.owner_of(user)
        setattr(owner, field, phone)
        setattr(owner, self.phone_verified_field, verified)
        owner.save(update_fields=[field, self.phone_verified_field])

    def set_phone_verified(self, user: Any, phone: str) -> None:
        """Note that a user's number is verified; a number that was changed to is his from now on."""
        self.set_phone(user, phone, True)

    def get_user_by_phone(self, phone: str) -> Any:
        """Return the user of a number, or None.

        A user whose number is verified comes before those who merely typed it. A number that is
        verified for two is nobody's.
        """
        users = [user for user in lookup.users_with(phone).order_by("pk") if phones.of_user(user) == phone]
        verified = [user for user in users if self._is_verified(user)]
        found = verified or users[:1]
        return found[0] if len(found) == 1 else None

    def _is_verified(self, user: Any) -> bool:
        owner, _ = phones.owner_of(user)
        return bool(getattr(owner, self.phone_verified_field))

    # The code

    def generate_phone_verification_code(self, *, user: Any = None, phone: str = "") -> str:
        """Return a random code of the purpose's length."""
        if settings.SESSION_ENGINE == "django.contrib.sessions.backends.signed_cookies":
            raise ImproperlyConfigured(
                "allauth keeps codes and guesses in the session, and a signed cookie shows and repeats "
                "them: use a SESSION_ENGINE that keeps sessions on the server."
            )
        rules = conf.purpose(self.purpose)
        length = rules.code_length if rules else conf.CODE_LENGTH
        return f"{secrets.randbelow(10**length):0{length}d}"

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        """Send a code."""
        self._send(phone, code, decoy=False)

    def send_unknown_account_sms(self, phone: str, **kwargs: Any) -> None:
        """Send nothing to a number without an account, and be refused as one that has one."""
        self._send(phone, self.generate_phone_verification_code(), decoy=True)

    def send_account_already_exists_sms(self, phone: str, **kwargs: Any) -> None:
        """Send nothing to a number that has an account already, and be refused as one that has none."""
        self._send(phone, self.generate_phone_verification_code(), decoy=True)

    def _send(self, phone: str, code: str, *, decoy: bool) -> None:
        """Send a code, or seem to: a send that fails is not told, for only a true one can."""
        user = getattr(self.request, "user", None)
        user = user if user is not None and user.is_authenticated else None
        try:
            delivery.send_code(
                phone,
                code,
                purpose=self.purpose,
                # allauth does not say which of its two kinds of code it is: promise what holds for both
                ttl=min(app_settings.LOGIN_BY_CODE_TIMEOUT, app_settings.PHONE_VERIFICATION_TIMEOUT),
                language=get_language(),
                user=user,
                known=user is not None and phones.of_user(user) == phone,
                request=self.request,
                decoy=decoy,
            )
        except DeliveryFailed as failure:
            logger.warning("A code of allauth's was not sent: %s.", failure.code)
        except KaleyraOTPError as refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: KaleyraOTPError) -> NoReturn:
        """Raise what allauth, and its headless API, turn into an answer."""
        if isinstance(refusal, RateLimited) and self.request is not None:
            answer = respond_429(self.request)
            if refusal.retry_after:
                answer["Retry-After"] = str(refusal.retry_after)
            raise ImmediateHttpResponse(answer) from None
        raise PermissionDenied(str(refusal.detail)) from None
