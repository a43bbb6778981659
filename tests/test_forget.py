"""``kaleyra_otp_forget``: nothing of one number is left, and nothing of another is gone."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from django_kaleyra_otp import challenges, delivery, retention
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.exceptions import KaleyraOTPError, MaxFailuresReached
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog, StatusUpdate
from django_kaleyra_otp.types import Receipt
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import later


def update_of(number, send=None):
    return StatusUpdate.objects.create(
        send_log=send,
        message_id=str(uuid.uuid4()),
        status="SENT",
        fingerprint=uuid.uuid4().hex,
        phone_number=number.lstrip("+"),
        received_at=timezone.now(),
    )


def lived(number, user=None):
    """Let a number ask as a stranger and as a known user, guess wrong, and be told of."""
    for arguments in ({}, {"user": user, "known": True} if user else {"purpose": "login"}):
        challenge = challenges.start(number, **arguments)
        update_of(number, challenge.newest_send)
        challenges.verify(challenge.pk, "000000")
        later(31)
    delivery.send_code(number, "482913")
    update_of(number)


def rows_that_name(number):
    """Count the rows of every table of ours that hold a number anywhere."""
    digits, count = number.lstrip("+"), 0
    for model in apps.get_app_config("kaleyra_otp").get_models():
        for row in model.objects.values():
            count += any(digits in str(value) for value in row.values())
    return count


def test_a_project_whose_users_have_no_number_forgets_one_all_the_same(db, capsys, configure):
    """R-113: Django's own user model has no field for it, and USER_PHONE is not set."""
    lived(NUMBER)
    configure(USER_PHONE="no_such_field")

    forget(NUMBER, capsys)

    assert rows_that_name(NUMBER) == 0


def forget(number, capsys):
    call_command("kaleyra_otp_forget", number)
    return capsys.readouterr()


def test_nothing_of_the_number_is_left_and_nothing_of_another_is_gone(db, user, capsys):
    """R-113."""
    lived(NUMBER, user)
    lived(OTHER)
    others = (rows_that_name(OTHER), OTPChallenge.objects.filter(phone_number=OTHER).count())
    assert rows_that_name(NUMBER) == 8

    told = forget(NUMBER, capsys).out

    assert rows_that_name(NUMBER) == 0
    assert (rows_that_name(OTHER), OTPChallenge.objects.filter(phone_number=OTHER).count()) == others
    assert "2 challenges, 3 sends, 3 status updates, 8 rate limits" in told
    assert NUMBER not in told
    assert "0 challenges, 0 sends, 0 status updates, 0 rate limits" in forget(NUMBER, capsys).out


def test_its_limits_begin_anew_and_those_that_others_share_stay(db, capsys, configure):
    configure(LIMITS=[{"scope": "phone", "rate": "5/d"}, {"scope": "global", "rate": "100/d"}])
    challenges.start(NUMBER)
    assert RateLimit.objects.count() == 3

    forget(NUMBER, capsys)

    assert RateLimit.objects.count() == 1
    challenges.start(NUMBER)


def test_wrong_guesses_that_counted_are_gone(db, capsys, configure, outbox):
    """It is an operator's act, like opening the number."""
    configure(MAX_FAILURES=5, LIMITS=[], RESEND_COOLDOWN=0)
    challenge = challenges.start(NUMBER)
    for _ in range(5):
        challenges.verify(challenge.pk, wrong(code_in(outbox[-1])))
    with pytest.raises(MaxFailuresReached):
        challenges.start(NUMBER)

    forget(NUMBER, capsys)

    challenges.start(NUMBER)


def test_an_idempotency_key_goes_with_its_challenge(api, capsys, configure):
    configure(RESEND_COOLDOWN=0)
    first = api.start(NUMBER, key="a-key-of-one-caller").json()["id"]

    forget(NUMBER, capsys)

    assert api.start(NUMBER, key="a-key-of-one-caller").json()["id"] != first


@pytest.mark.parametrize("written", [" +91 98765-43210 ", "+919876543210"])
def test_a_number_may_be_written_as_people_do(challenge, capsys, written):
    forget(written, capsys)

    assert OTPChallenge.objects.count() == 0


def test_a_number_that_is_no_longer_in_use_is_forgotten_too(challenge, capsys):
    OTPChallenge.objects.update(phone_number="+999123456")

    forget("+999123456", capsys)

    assert OTPChallenge.objects.count() == 0


@pytest.mark.parametrize("text", ["asha", "98765", "+", "+91 98765 4321x"])
def test_what_is_no_number_is_refused(challenge, text):
    with pytest.raises(CommandError, match="no phone number"):
        call_command("kaleyra_otp_forget", text)
    assert OTPChallenge.objects.count() == 1


def test_what_stays_is_told(db, capsys, configure):
    until = (timezone.now() + timezone.timedelta(days=9)).date().isoformat()
    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": until}})
    BlockedPrefix.objects.create(prefix=NUMBER, reason="by hand")

    told = forget(NUMBER, capsys).err

    assert "TEST_NUMBERS" in told
    assert "blocked prefix" in told
    assert BlockedPrefix.objects.count() == 1


def test_many_rows_go_in_batches(db, capsys, monkeypatch, configure):
    """R-113: one statement deletes a bounded number of rows."""
    monkeypatch.setattr(retention, "BATCH_SIZE", 3)
    configure(LIMITS=[], RESEND_COOLDOWN=0)
    for _ in range(10):
        update_of(NUMBER, challenges.start(NUMBER).newest_send)
        update_of(NUMBER)
    most = []

    def count(execute, sql, params, many, context):
        if sql.startswith("DELETE"):
            most.append(len(params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        told = forget(NUMBER, capsys).out

    assert "10 challenges, 10 sends, 20 status updates" in told
    assert max(most) == 3


class ForgettingMeanwhile(BaseBackend):
    """Has the number forgotten while its SMS is being handed over."""

    def send(self, sms, route):
        retention.forget(sms.to)
        return Receipt(message_id="a-message")


def test_a_number_that_is_forgotten_while_its_sms_leaves_breaks_nothing(api, configure):
    configure(BACKEND="tests.test_forget.ForgettingMeanwhile")

    assert api.start(NUMBER).status_code == 201
    assert SendLog.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_resend_that_crosses_it_is_refused_and_leaves_nothing_behind(configure):
    """R-121: it has found the challenge, and writes when the sends are gone and the challenge is not yet."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time, so nothing crosses")
    configure(RESEND_COOLDOWN=0, LIMITS=[])
    challenge = challenges.start(NUMBER)
    found, gone = threading.Event(), threading.Event()

    def wait_once_found(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if "SELECT" in sql and "otpchallenge" in sql and not found.is_set():
            found.set()
            assert gone.wait(30)
        return answer

    def resend():
        with connection.execute_wrapper(wait_once_found):
            try:
                challenges.resend(challenge.pk)
            except KaleyraOTPError as refusal:
                return refusal.code
            finally:
                connection.close()

    def let_it_write(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if sql.startswith("SELECT") and "sendlog" in sql and "challenge_id" in sql and not gone.is_set():
            gone.set()
            crossed.result(30)
        return answer

    with ThreadPoolExecutor(1) as pool:
        crossed = pool.submit(resend)
        assert found.wait(30)
        with connection.execute_wrapper(let_it_write):
            retention.forget(NUMBER)

    assert crossed.result() == "canceled"
    assert not OTPChallenge.objects.exists()
    assert not SendLog.objects.exists()
