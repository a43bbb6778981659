"""Tests of a shop, as its owner would write them for pytest."""

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as now
from django.db import transaction
from django.test import TestCase

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.testing import last_code, outbox

NUMBER = "+971501234567"


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_outbox_and_may_ask_for_the_same_number(db, sms_outbox, turn):
    assert sms_outbox == []

    challenges.start(NUMBER)

    assert [sms.to for sms in sms_outbox] == [NUMBER]


def test_no_sms_leaves_a_test_that_asks_for_no_fixture(db):
    challenge = challenges.start(NUMBER)

    assert challenges.verify(challenge.id, last_code(NUMBER)).ok


@pytest.mark.parametrize("turn", [1, 2])
def test_keys_hold_for_one_test(kaleyra_otp, turn):
    assert "CODE_TTL" not in now.KALEYRA_OTP

    kaleyra_otp(CODE_TTL=60)

    assert now.KALEYRA_OTP["CODE_TTL"] == 60


@pytest.fixture
def two_digits_more(settings):
    settings.KALEYRA_OTP = {**settings.KALEYRA_OTP, "CODE_LENGTH": 8}


def test_settings_of_other_fixtures_stand_beside_ours(two_digits_more, db, sms_outbox):
    challenges.start(NUMBER)

    assert len(sms_outbox[0].code) == 8


@pytest.fixture(scope="module", autouse=True)
def started_for_all_tests(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        delivery.send_code(NUMBER, "482913")
        transaction.set_rollback(True)
    assert now.KALEYRA_OTP["BACKEND"].endswith("LocMemBackend")


class TestOfUnittest(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.challenge = challenges.start(NUMBER)
        cls.code = last_code(NUMBER)

    def test_its_sms_are_kept_too(self):
        assert outbox == []
        assert challenges.verify(self.challenge.id, self.code).ok


@pytest.mark.django_db(transaction=True)
def test_async_code_reads_a_code_too(sms_outbox):
    async def flow():
        challenge = await challenges.astart(NUMBER)
        return await challenges.averify(challenge.id, last_code(NUMBER))

    assert async_to_sync(flow)().ok
