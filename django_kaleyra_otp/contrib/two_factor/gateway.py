"""The way out for codes that two-factor's phone plugin makes."""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import get_language
from two_factor.middleware.threadlocals import get_current_request

from django_kaleyra_otp import delivery
from django_kaleyra_otp.exceptions import Cooldown, KaleyraOTPError

logger = logging.getLogger(__name__)

#: Seconds that a code of two-factor's PhoneDevice is good for, at least: five steps of TOTP after its own.
GOOD_FOR = 150


class Gateway:
    """For ``TWO_FACTOR_SMS_GATEWAY``: our routes, log, limits and callbacks.

    With two-factor's middleware ``ThreadLocals``, limits by address and ``RISK`` see the request, and
    what was refused is shown as a message.
    """

    purpose = "second_factor"

    def send_sms(self, device: Any, token: str) -> None:
        """Send a code to ``device.number``.

        Within the cool-down nothing is sent: the code of the SMS before is good still. A refusal is
        raised where the set-up page says so; elsewhere the page for the code is shown, for two-factor
        would make an error 500 of it and so keep the person from every other device.
        """
        request = get_current_request()
        user = device.user if device.user_id else getattr(request, "user", None)
        try:
            delivery.send_code(
                device.number.as_e164,
                token,
                purpose=self.purpose,
                ttl=GOOD_FOR,
                language=get_language(),
                user=user,
                known=device.pk is not None,  # in the set-up, anybody's number may stand there
                request=request,
            )
        except Cooldown:
            logger.info("A code was sent to this number a moment ago; it was not sent again.")
        except KaleyraOTPError as refusal:
            if device.pk is None and device.user_id:
                raise
            logger.warning("A code of two-factor's was not sent: %s.", refusal.code)
            if request is not None:
                messages.error(request, str(refusal.detail), fail_silently=True)

    def make_call(self, device: Any, token: str) -> NoReturn:
        """Raise ImproperlyConfigured: no call can be made."""
        raise ImproperlyConfigured("This gateway makes no calls: unset TWO_FACTOR_CALL_GATEWAY.")
