"""The tests that django-otp publishes for devices like ours."""

from __future__ import annotations

from django.conf import settings
from django.test import override_settings
from django_otp import test_utils

from django_kaleyra_otp.backends import locmem
from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice
from tests.conftest import NUMBER, code_in, wrong


class WithADevice:
    def setUp(self):
        user = self.create_user("asha", "a password")
        self.device = KaleyraDevice.objects.create(user=user, name="phone", phone_number=NUMBER)


class WithACode(WithADevice):
    def setUp(self):
        super().setUp()
        self.device.generate_challenge()

    def valid_token(self):
        return code_in(locmem.outbox[-1])

    def invalid_token(self):
        return wrong(self.valid_token())


class ThrottlingTest(WithACode, test_utils.ThrottlingTestMixin, test_utils.TestCase):
    """R-019."""


class TimestampTest(WithACode, test_utils.TimestampTestMixin, test_utils.TestCase):
    pass


class CooldownTest(WithADevice, test_utils.CooldownTestMixin, test_utils.TestCase):
    # our cool-down is the number's, whoever asks: nobody resets it, a right code included
    test_cooldown_reset = None
    test_valid_token_verification_resets_cooldown = None

    def setUp(self):
        self.enterContext(override_settings(KALEYRA_OTP={**settings.KALEYRA_OTP, "RESEND_COOLDOWN": 10}))
        super().setUp()

    def invalid_token(self):
        return wrong(code_in(locmem.outbox[-1]))
