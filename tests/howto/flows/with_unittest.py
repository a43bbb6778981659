"""Tests of a shop, as its owner would write them for Django's own runner."""

from django.conf import settings
from django.db import transaction
from django.test import TestCase, TransactionTestCase, override_settings

from django_kaleyra_otp import challenges
from django_kaleyra_otp.models import SendLog
from django_kaleyra_otp.testing import (
    SMSInMemory,
    committed,
    deliver,
    expire,
    in_memory,
    last_code,
    outbox,
    release,
)

NUMBER, OTHER = "+971501234567", "+971501234568"


class OutboxTests(SMSInMemory, TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.challenge = challenges.start(NUMBER)
        cls.sms = outbox[-1]

    def test_the_outbox_is_empty_at_first(self):
        assert outbox == []
        challenges.start(OTHER)

    def test_and_at_second(self):
        assert outbox == []
        challenges.start(OTHER)

    def test_a_code_of_the_class_is_good_in_each_test(self):
        assert challenges.verify(self.challenge.id, self.sms.code).ok

    def test_the_account_is_untouched(self):
        assert settings.KALEYRA_OTP["SID"] == "HXSHOP0000000000IN"


class KeysTests(SMSInMemory, TestCase):
    kaleyra_otp = {"RESEND_COOLDOWN": 0, "CODE_LENGTH": 8}

    def test_keys_of_a_class_hold(self):
        challenges.start(NUMBER)
        challenges.start(NUMBER)

        assert [len(sms.code) for sms in outbox] == [8, 8]

    @override_settings(KALEYRA_OTP=in_memory(CODE_LENGTH=7))
    def test_a_test_may_have_its_own(self):
        challenges.start(NUMBER)

        assert len(last_code(NUMBER)) == 7


class CommitTests(SMSInMemory, TestCase):
    def test_what_a_transaction_of_the_shop_starts_waits_for_its_commit(self):
        with committed():
            with transaction.atomic():
                challenge = challenges.start(NUMBER)
            assert outbox == []

        assert challenges.verify(challenge.id, last_code(NUMBER)).ok

    def test_what_is_rolled_back_sends_nothing(self):
        with committed(), self.assertRaises(RuntimeError), transaction.atomic():  # noqa: PT027
            challenges.start(NUMBER)
            raise RuntimeError

        assert outbox == []


class QueueTests(SMSInMemory, TestCase):
    kaleyra_otp = {"DISPATCH": "django_kaleyra_otp.testing.hold"}

    def test_an_sms_waits_for_its_worker(self):
        challenge = challenges.start(NUMBER)
        assert (outbox, challenge.newest_send.status) == ([], "queued")

        release()
        release()

        assert len(outbox) == 1
        assert challenges.verify(challenge.id, last_code(NUMBER)).ok

    def test_nobody_tells_of_an_sms_that_nobody_has(self):
        challenge = challenges.start(NUMBER)

        with self.assertRaises(ValueError):  # noqa: PT027
            deliver(challenge.newest_send)


class RealTransactionTests(SMSInMemory, TransactionTestCase):
    def test_there_too(self):
        with transaction.atomic():
            challenge = challenges.start(NUMBER)

        assert challenges.verify(challenge.id, last_code(NUMBER)).ok
        expire(challenge)
        assert deliver(SendLog.objects.get()).status == "delivered"


class OutsideTests(TestCase):
    def test_other_tests_have_the_projects_own_settings(self):
        assert "BACKEND" not in settings.KALEYRA_OTP
