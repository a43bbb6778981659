"""``kaleyra_otp_send_test``: one real SMS, the way that every code goes."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from django_kaleyra_otp import delivery, tracking
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.kaleyra.callbacks import Callback
from django_kaleyra_otp.models import SendLog, StatusUpdate
from tests.conftest import NUMBER
from tests.playing import SCRIPTED, Scripted

ID = "9c1f0a4e-0000-4000-8000-000000000001:1"


@pytest.fixture(autouse=True)
def provider(configure):
    configure(**SCRIPTED, RETRIES=0)
    Scripted.script.clear()
    Scripted.seen.clear()


def send_test(capsys, *options):
    """Run the command; returns what it printed and, where it failed, why."""
    complaint = ""
    try:
        call_command("kaleyra_otp_send_test", NUMBER, *options)
    except CommandError as error:
        complaint = str(error)
    return capsys.readouterr().out, complaint


def told_at_once(status):
    """Have the callbacks come before the answer."""

    def step(sms):
        for word in ("SENT", status):
            tracking.record_status(Callback(message_id=ID, status=word, trace=word, number=""))
        return ID

    Scripted.script.append(step)


def test_one_sms_leaves_and_the_answer_is_told(db, capsys):
    Scripted.script.append(ID)

    out, complaint = send_test(capsys)

    assert (len(Scripted.seen), complaint) == (1, "")
    assert "submitted (HTTP 202)" in out
    assert ID in out
    assert "+91••••••3210, by route default, from KLRTST" in out
    assert NUMBER not in out


def test_the_code_in_it_is_shown_nowhere_and_good_for_nothing(db, capsys):
    """R-100."""
    out, _ = send_test(capsys)

    challenge = SendLog.objects.get().challenge
    assert delivery.code_of(challenge).reveal() not in out
    assert str(challenge.pk) not in out


@pytest.mark.parametrize(("status", "complaint"), [("DELIVRD", ""), ("UNDELIVERED", "It did not arrive.")])
def test_with_wait_each_callback_is_told_and_the_end_decides(db, capsys, status, complaint):
    told_at_once(status)

    out, said = send_test(capsys, "--wait", "5")

    assert [line for line in out.splitlines() if "Callback" in line] == [
        "Callback: SENT SENT",
        f"Callback: {status} {status}",
    ]
    assert said == complaint


def test_a_wait_without_a_callback_fails_and_names_the_doctor(db, capsys):
    _, complaint = send_test(capsys, "--wait", "1")

    assert "No callback came" in complaint
    assert "kaleyra_otp_doctor" in complaint


def test_a_callback_of_a_moment_later_is_waited_for(transactional_db, capsys):
    Scripted.script.append(ID)

    def tell():
        try:
            tracking.record_status(Callback(message_id=ID, status="DELIVRD", trace="DELIVRD", number=""))
        finally:
            connections.close_all()

    later = threading.Timer(0.5, tell)
    later.start()
    out, complaint = send_test(capsys, "--wait", "20")
    later.join()

    assert (complaint, "delivered." in out) == ("", True)
    assert StatusUpdate.objects.count() == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            DeliveryFailed(error_code="RBC001", error_class="configuration", http_status=401),
            ["failed (HTTP 401 RBC001)", "Check SID and API key"],
        ),
        (
            DeliveryUnavailable(error_message="No connection was made.", error_class="network"),
            ["No connection"],
        ),
    ],
    ids=["refused", "not reached"],
)
def test_a_no_is_told_with_its_mend(db, capsys, error, words):
    Scripted.script.append(error)

    out, complaint = send_test(capsys, "--wait", "30")

    assert complaint == "No SMS was sent."
    for word in words:
        assert word in out


def test_a_lost_answer_is_told_as_such(db, capsys):
    Scripted.script.append(DeliveryUnknown(error_message="No answer came: TimeoutError."))

    out, complaint = send_test(capsys)

    assert (complaint, "unknown" in out, "TimeoutError" in out) == ("", True, True)


def test_of_a_lost_answer_no_callback_is_missed(db, capsys):
    """Its id is lost, so no callback can be known as its own: the webhook is not at fault."""
    Scripted.script.append(DeliveryUnknown(error_message="No answer came: TimeoutError."))

    _, complaint = send_test(capsys, "--wait", "1")

    assert "answer was lost" in complaint
    assert "callback" not in complaint


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"SENDING": False}, "(sending_off)"),
        ({"ALLOWED_COUNTRIES": ["AE"]}, "country_not_allowed"),
        ({"LIMITS": [{"scope": "global", "rate": "1/d"}], "RESEND_COOLDOWN": 0}, "(rate_limited, by global)"),
    ],
)
def test_it_goes_the_way_of_every_code_so_rules_hold_for_it(db, capsys, configure, keys, word):
    configure(**keys)
    if "rate_limited" in word:
        send_test(capsys)
    before = len(Scripted.seen)

    _, complaint = send_test(capsys)

    assert word in complaint
    assert len(Scripted.seen) == before


def test_a_queue_without_workers_shows(db, capsys, configure):
    configure(DISPATCH="tests.test_recovery.put_aside_only")

    out, complaint = send_test(capsys)

    assert (complaint, "No worker has taken it yet" in out) == ("", True)


def test_with_wait_a_queue_without_workers_is_the_reason_told(db, capsys, configure):
    configure(DISPATCH="tests.test_recovery.put_aside_only")

    _, complaint = send_test(capsys, "--wait", "1")

    assert "look at the queue and its workers" in complaint


def test_a_test_number_is_never_sent_to_and_that_is_said(db, capsys, configure):
    until = (timezone.now() + timedelta(days=9)).date().isoformat()
    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": until}})

    _, complaint = send_test(capsys)

    assert "TEST_NUMBERS" in complaint
    assert Scripted.seen == []


@pytest.mark.parametrize("wait", ["-1", "601", "soon", "1.5"])
def test_a_wait_that_is_none_is_refused(db, wait):
    with pytest.raises(CommandError, match="0 to 600"):
        call_command("kaleyra_otp_send_test", NUMBER, f"--wait={wait}")
