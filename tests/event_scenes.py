"""What can happen to a code, each with the events that the log must then have: played by test_events."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import responses
from django.contrib.auth.models import Permission
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from django_kaleyra_otp import challenges, delivery, recovery
from django_kaleyra_otp.exceptions import (
    DeliveryFailed,
    DeliveryUnavailable,
    DeliveryUnknown,
    InvalidToken,
)
from django_kaleyra_otp.models import Alarm, BlockedPrefix, SendLog, StatusUpdate
from tests.conftest import NUMBER, OTHER, wrong
from tests.playing import KALEYRA, NO_LIMITS, later, number, only
from tests.test_breaker import rest_is_over
from tests.visitor import UNKNOWN, Visitor

SCENES = {}


def scene(*names, committed=False):
    """Have a function played, its records these events and no others; ``committed``: in no atomic."""

    def keep(play):
        marks = [pytest.mark.django_db(transaction=True)] if committed else []
        SCENES[play.__name__] = pytest.param(names, play, marks=marks, id=play.__name__)
        return play

    return keep


@scene("challenge_started", "sms_submitted")
def a_start(stage):
    assert stage.api.start(NUMBER).status_code == 201


@scene()
def the_same_start_again(stage):
    stage.api.start(NUMBER, key="0123456789abcdef")
    stage.begin()
    assert stage.api.start(NUMBER, key="0123456789abcdef").status_code == 201


@scene("challenge_resent", "sms_submitted")
def a_resend(stage):
    challenge = stage.started()
    later(31)
    assert stage.api.resend(challenge.pk).status_code == 200


@scene("challenge_verified")
def the_right_code(stage):
    challenge = stage.started()
    assert stage.api.verify(challenge.pk, stage.code()).status_code == 200


@scene(*["challenge_failed"] * 5, "verify_refused")
def wrong_codes_and_one_too_many(stage):
    challenge = stage.started()
    for _ in range(6):
        stage.api.verify(challenge.pk, wrong(stage.code()))
    assert [getattr(record, "attempts_left", None) for record in stage.told] == [4, 3, 2, 1, 0, None]


@scene("challenge_verified", "verify_refused")
def the_right_code_twice(stage):
    """V1: the second is refused and recorded."""
    challenge = stage.started()
    for _ in range(2):
        stage.api.verify(challenge.pk, stage.code())
    assert list(stage.told)[1].reason == "already_verified"


@scene(*["verify_refused"] * 3)
def codes_that_are_not_compared(stage):
    challenge = stage.started()
    stage.api.verify(challenge.pk, "12")
    stage.api.verify("11111111-1111-4111-8111-111111111111", "123456")
    later(301)
    stage.api.verify(challenge.pk, stage.code())
    assert [record.reason for record in stage.told] == ["invalid", "not_found", "expired"]


@scene("challenge_canceled")
def a_cancel_and_another(stage):
    challenge = stage.started()
    for _ in range(2):
        assert stage.api.cancel(challenge.pk).status_code == 204


@scene("token_redeemed", "token_refused", "token_refused")
def a_proof_used_twice_and_one_forged(stage):
    challenge = stage.started()
    token = challenges.verify(challenge.pk, stage.code()).token
    stage.begin()
    challenges.redeem(token, purpose="verify")
    for proof in (token, "forged"):
        with pytest.raises(InvalidToken):
            challenges.redeem(proof, purpose="verify")


@scene("decoy_started", "limit_reached")
def sign_ins_with_nobodys_number(stage):
    for _ in range(2):
        Visitor().give_number(UNKNOWN)


@scene("challenge_refused", "challenge_refused", "challenge_refused")
def a_number_that_gets_no_sms(stage):
    for each in ("x", "+33612345678"):
        stage.refused(lambda each=each: challenges.start(each))
    stage.refused(lambda: challenges.resend("11111111-1111-4111-8111-111111111111"))
    assert [(record.call, record.reason) for record in stage.told] == [
        ("start", "invalid_phone_number"),
        ("start", "country_not_allowed"),
        ("resend", "not_found"),
    ]


@scene("challenge_refused")
def no_number_given_by_a_user_who_has_one(stage):
    stage.api.client.force_login(stage.users.objects.create_user("asha", phone_number=NUMBER))
    assert stage.api.start("123").json()["code"] == "invalid_phone_number"


@scene("challenge_refused")
def a_rule_of_the_project_s_that_says_no(stage):
    stage.configure(RISK="builtins.dict")
    stage.refused()


@scene("hook_failed", "challenge_refused")
def a_rule_of_the_project_s_that_raises(stage):
    stage.configure(RISK="tests.event_scenes.breaks")
    stage.refused()


@scene("limit_reached")
def a_second_start_at_once(stage):
    stage.started()
    assert stage.api.start(NUMBER).status_code == 429
    [record] = stage.told
    assert (record.reason, record.scope) == ("cooldown", "cooldown")
    assert 28 <= record.retry_after <= 30


@scene("limit_reached", "limit_reached")
def a_limit_that_is_full(stage):
    stage.configure(**only("global", "1/h"))
    stage.started()
    stage.refused(lambda: challenges.start(OTHER))
    stage.refused(lambda: delivery.send_code(OTHER, "482913"))
    assert [(record.call, record.reason, record.scope) for record in stage.told] == [
        ("start", "rate_limited", "global"),
        ("send_code", "rate_limited", "global"),
    ]


@scene("number_locked")
def too_many_wrong_codes_in_all(stage):
    stage.configure(**NO_LIMITS, MAX_FAILURES=10)
    for _ in range(2):
        challenge = challenges.start(NUMBER)
        for _ in range(5):
            challenges.verify(challenge.pk, wrong(stage.code()))
    stage.begin()
    stage.refused()


@scene("prefix_blocked")
def a_prefix_that_is_closed(stage):
    BlockedPrefix.objects.create(prefix="+9198", automatic=False)
    stage.refused()


@scene("sending_off", "sending_off")
def the_kill_switch(stage):
    stage.configure(SENDING=False)
    stage.refused()
    stage.refused(lambda: delivery.send_code(NUMBER, "482913"))


def without(part):
    """Have the database go away for every statement with this in it."""

    def away(execute, sql, params, many, context):
        if part in sql:
            raise OperationalError("gone away")
        return execute(sql, params, many, context)

    return connection.execute_wrapper(away)


@scene("challenge_started", "sms_failed")
def an_sms_that_is_not_accepted(stage):
    stage.script(DeliveryFailed(error_code="E404", error_class="recipient", http_status=400))
    stage.refused()
    failed = list(stage.told)[-1]
    assert (failed.error_code, failed.error_class, failed.http_status) == ("E404", "recipient", 400)


@scene("challenge_started", "sms_unknown")
def an_answer_that_is_lost(stage):
    stage.script(DeliveryUnknown(error_class="network"))
    challenges.start(NUMBER)


@scene("challenge_started", "database_busy", "sms_not_recorded", committed=True)
def an_sms_that_left_while_the_database_went_away(stage):
    with without(f"UPDATE {connection.ops.quote_name(SendLog._meta.db_table)}"):
        challenges.start(NUMBER)


@scene("sms_submitted")
def a_code_of_another_library(stage):
    delivery.send_code(NUMBER, "482913")


@scene("decoy_started")
def a_code_of_another_library_for_nobody(stage):
    delivery.send_code(NUMBER, "482913", decoy=True)


@scene("challenge_started", "sms_failed")
def a_queue_that_takes_nothing(stage):
    stage.configure(DISPATCH="tests.event_scenes.breaks")
    stage.refused()


@scene("sms_failed")
def a_worker_that_comes_when_sending_is_off(stage):
    stage.configure(DISPATCH="tests.test_delivery.hold")
    stage.started()
    stage.configure(SENDING=False)
    delivery.deliver(SendLog.objects.get().pk)


@scene("sms_failed")
def a_worker_whose_sms_is_not_accepted(stage):
    stage.configure(DISPATCH="tests.test_delivery.hold")
    stage.started()
    stage.script(DeliveryFailed(error_code="E404"))
    delivery.deliver(SendLog.objects.get().pk)


@scene("sms_lost")
def a_process_that_died(stage):
    stage.started()
    SendLog.objects.update(status="sending", rank=1, claimed_at=timezone.now() - timedelta(minutes=2))
    recovery.reconcile(pull=False)


@scene("sms_failed")
def a_worker_that_never_came(stage):
    stage.configure(DISPATCH="tests.test_delivery.hold")
    stage.started()
    later(290)
    recovery.reconcile(pull=False)


def silence(stage):
    """Let the account not answer until it is given a rest."""
    stage.configure(**NO_LIMITS, RETRIES=0)
    stage.script(*[DeliveryUnavailable(error_class="network")] * 10)
    for n in range(10):
        stage.refused(lambda n=n: challenges.start(number(n)))


@scene("account_answers", "challenge_started", "sms_submitted")
def an_account_that_answers_again(stage):
    silence(stage)
    assert stage.told.names[-3:] == ["challenge_started", "account_silent", "sms_failed"]
    stage.begin()
    rest_is_over()
    challenges.start(NUMBER)


@scene(*["challenge_started", "sms_failed"] * 10, "account_silent")
def an_account_that_rests(stage):
    silence(stage)


@scene("challenge_refused")
def a_start_while_the_account_rests(stage):
    silence(stage)
    stage.begin()
    stage.refused()
    assert [record.reason for record in stage.told] == ["breaker"]


@scene("challenge_started", "account_refused", "sms_failed", "challenge_started", "sms_failed")
def a_key_that_is_refused(stage):
    """R-084: one alarm, and no storm."""
    stage.configure(**NO_LIMITS)
    stage.script(*[DeliveryFailed(error_code="RBC001", http_status=401)] * 2)
    for n in range(2):
        stage.refused(lambda n=n: challenges.start(number(n)))


@scene("pull_failed")
def a_pull_without_an_answer(stage):
    stage.started()
    later(150)
    stage.configure(**KALEYRA)
    with responses.RequestsMock() as kaleyra:
        kaleyra.get(re.compile(".*"), status=500)
        recovery.reconcile()


@scene("callback_refused", "callback_refused")
def strangers_at_the_webhook(stage):
    assert stage.call_back({"id": "a"}, {}).status_code == 401
    assert stage.call_back({"id": "a"}, {"X-Kaleyra-Otp-Secret": "guess"}).status_code == 401
    assert [record.reason for record in stage.told] == ["no_secret", "wrong_secret"]


@scene("callback_refused", "callback_refused")
def a_webhook_without_a_secret(stage):
    for unset in ("", "short"):
        stage.configure(WEBHOOK_SECRET=unset)
        assert stage.call_back({"id": "a"}).status_code == 401
    assert [record.reason for record in stage.told] == ["no_setting", "no_setting"]


@scene("callback_refused")
def a_callback_that_is_too_long(stage):
    assert stage.call_back(b" " * 65_537).status_code == 413
    assert [record.reason for record in stage.told] == ["too_long"]


@scene("callback_unreadable")
def a_callback_of_no_known_kind(stage):
    assert stage.call_back(b"\xff\xfe<xml/>").status_code == 204


@scene("database_busy", "callback_not_stored", committed=True)
def a_callback_without_a_database(stage):
    with without(StatusUpdate._meta.db_table):
        assert stage.call_back({"id": "a", "status": "SENT"}).status_code == 503


@scene("callback_mismatch")
def a_callback_that_names_another_number(stage):
    """And no more of it when it is looked at again."""
    stage.started()
    told = {"id": SendLog.objects.get().message_id, "status": "DELIVRD", "recipient": OTHER}
    assert stage.call_back(told).status_code == 204
    recovery.reconcile(pull=False)


@scene("status_unknown")
def a_status_of_no_catalogue(stage):
    stage.started()
    assert stage.call_back({"id": SendLog.objects.get().message_id, "status": "ODD"}).status_code == 204


@scene()
def callbacks_as_they_should_be(stage):
    stage.started()
    for status in ("SENT", "DELIVRD", "DELIVRD"):
        stage.call_back({"id": SendLog.objects.get().message_id, "status": status})
    assert stage.call_back({"id": "nobody:1", "status": "DELIVRD", "recipient": OTHER}).status_code == 204


@scene("alarm_raised")
def a_limit_half_full(stage):
    """R-066: once, however often it is looked at."""
    stage.configure(**only("global", "2/d"))
    stage.started()
    for _ in range(3):
        recovery.reconcile(pull=False)


@scene("alarm_cleared")
def a_limit_that_was_half_full(stage):
    a_limit_half_full(stage)
    stage.configure(LIMITS=[])
    Alarm.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    stage.begin()
    for _ in range(2):
        recovery.reconcile(pull=False)


@scene("number_looked_up")
def a_look_at_a_number(stage):
    staff = stage.users.objects.create_user("ravi", password="x", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="find_number"))
    client = Client()
    client.force_login(staff)
    assert client.post("/admin/kaleyra_otp/otpchallenge/find/", {"phone_number": NUMBER}).status_code == 200


def breaks(*asked, **more):
    raise RuntimeError(f"{asked} {more}")
