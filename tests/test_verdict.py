"""The sentence at the top of Find a number: what happened last, and whose fault it was."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

import django_kaleyra_otp
from django_kaleyra_otp.admin.faults import FAULTS, MENDS, OWN_CODES
from django_kaleyra_otp.exceptions import OWN_ERROR_CODES
from django_kaleyra_otp.kaleyra import statuses
from django_kaleyra_otp.kaleyra.errors import ErrorClass
from django_kaleyra_otp.models import (
    DeliveryStatus,
)
from tests.desk import act, find, offered, verdict
from tests.staff import page, sent, started, text_of, told, visit

pytestmark = pytest.mark.django_db


NOW = "submitted_at"
CASES = [
    # status, what else stands in the row, what the sentence says, whose fault
    ("queued", {}, "is about to leave", ""),
    ("sending", {}, "is about to leave", ""),
    ("queued", {"minutes": 5}, "has not left", "ours: the settings"),
    ("sending", {"minutes": 5}, "has not left", "ours: the settings"),
    ("unknown", {"error_class": "network"}, "answer to the newest SMS was lost", "the network's between"),
    ("unknown", {"error_class": "vendor", "error_message": "Oops"}, "was lost: it may", "Kaleyra's or the"),
    ("submitted", {NOW: 0}, "no receipt yet", ""),
    ("submitted", {NOW: 0, "error_code": "time_out", "error_class": "network"}, "no receipt yet", ""),
    ("sent", {NOW: 0}, "no receipt yet", ""),
    ("sent", {"minutes": 90, NOW: 90}, "has not told what became of it", "Kaleyra's or the operator's"),
    ("submitted", {NOW: 0, "route": "test"}, "A test number: nothing is sent", ""),
    ("failed", {"error_code": "E110", "error_class": "balance"}, "balance is too low", "ours: the balance"),
    (
        "failed",
        {"error_code": "RBC001", "error_class": "configuration"},
        "SID or the API key",
        "ours: the set",
    ),
    (
        "failed",
        {"error_class": "dlt", "error_message": "Template"},
        "Kaleyra did not take",
        "registered with DLT",
    ),
    ("failed", {"error_class": "recipient", "error_code": "E7"}, "Kaleyra did not take", "the number's"),
    ("failed", {"error_class": "network"}, "Kaleyra did not take", "the network's between us"),
    ("failed", {"error_class": "vendor", "error_code": "E500"}, "E500", "Kaleyra's or the operator's"),
    ("failed", {"error_class": "caller", "error_code": "E404"}, "one number only", "ours: a request"),
    ("failed", {"error_class": ""}, "Kaleyra did not take", ""),
    ("failed", {NOW: 0, "kaleyra_trace": "HANDSET-BUSY"}, "The phone was busy", "the phone's or its"),
    ("undelivered", {NOW: 0, "kaleyra_trace": "ABSENT-SUB"}, "could not be reached", "the phone's or its"),
    ("undelivered", {NOW: 0, "kaleyra_trace": "NO-CREDITS"}, "balance is too low", "ours: the balance"),
    ("undelivered", {NOW: 0, "kaleyra_trace": "DND-NUMB"}, "do-not-disturb", "the person wants no SMS"),
    ("undelivered", {NOW: 0, "kaleyra_trace": "INVALID-SUB"}, "knows no such number", "the number's"),
    ("undelivered", {NOW: 0}, "did not arrive. Kaleyra did not say why.", "not known"),
    ("undelivered", {NOW: 0, "kaleyra_trace": "UNDELIVERED"}, "Kaleyra did not say why.", "not known"),
    ("undelivered", {NOW: 0, "kaleyra_trace": "NEVER-SEEN"}, "Kaleyra says: NEVER-SEEN.", "not known"),
    ("expired", {NOW: 0, "kaleyra_trace": "EXPIRED"}, "tried for as long as it tries", "the phone's"),
    (
        "rejected",
        {NOW: 0, "kaleyra_trace": "INV-TEMPLATE-MATCH"},
        "differs from the reg",
        "registered with DLT",
    ),
    (
        "rejected",
        {NOW: 0, "kaleyra_trace": "TEMPLATE-NOT-FOUND"},
        "no such registered",
        "registered with DLT",
    ),
    ("delivered", {NOW: 0}, "on the handset and can still be typed in", ""),
    ("delivered", {NOW: 0, "over": "expired"}, "was not typed in in time", "the person's"),
    ("delivered", {NOW: 0, "over": "expired", "attempts": 2}, "only wrong ones were typed", "the person's"),
    ("delivered", {NOW: 0, "over": "max_attempts_reached"}, "too many wrong ones", "the person's"),
    ("sent", {NOW: 0, "over": "max_attempts_reached"}, "Whether the newest SMS arrived is", "the person's"),
    ("unknown", {"over": "max_attempts_reached"}, "Whether the newest SMS arrived is", "the person's"),
    (
        "undelivered",
        {NOW: 0, "kaleyra_trace": "MOB-OFF", "over": "max_attempts_reached"},
        "was switched off",
        "the phone's or its",
    ),
    ("sent", {NOW: 0, "kaleyra_status": "SENT - NO DLR"}, "it may have arrived", ""),
    ("delivered", {NOW: 0, "over": "canceled"}, "was given up", ""),
    ("delivered", {NOW: 0, "over": "verified"}, "was typed in and was right", ""),
    ("sent", {NOW: 0, "over": "verified"}, "was typed in and was right", ""),
]
CASES += [
    ("failed", {"error_code": code, "error_class": "caller"}, "was not sent", "ours")
    for code in OWN_CODES
    if code not in ("breaker", "lost", "time_out")
]
CASES += [
    ("failed", {"error_code": "breaker", "error_class": "network"}, "was given a rest", "the network's"),
    ("unknown", {"error_code": "lost", "error_class": "caller"}, "The process that sent it ended", "ours"),
]

#: An error code that our own code gives a row; no_message is raised before there is a row.
GIVEN = re.compile(r'error_code="(\w+)"|give_up\(send, "(\w+)"\)')
NEVER_IN_A_ROW = {"no_message"}


def test_every_error_code_of_our_own_is_explained_and_counted():
    package = Path(django_kaleyra_otp.__file__).parent
    given = {"prefix_blocked"}  # the word of the refusal that a worker meets
    for source in package.glob("*.py"):
        given |= {word for pair in GIVEN.findall(source.read_text()) for word in pair if word}

    assert given - NEVER_IN_A_ROW == set(OWN_CODES) == OWN_ERROR_CODES


@pytest.mark.parametrize(("status", "row", "says", "fault"), CASES)
def test_the_sentence_at_the_top_says_what_happened_and_whose_fault_it_is(status, row, says, fault):
    row = dict(row)
    now = timezone.now()
    at = now - timedelta(minutes=row.pop("minutes", 0))
    over = row.pop("over", "pending")
    verified = now if over == "verified" else None
    if over == "expired":
        challenge = started(at=now - timedelta(minutes=20), attempts=row.pop("attempts", 0))
    else:
        challenge = started(over, verified_at=verified)
    if NOW in row:
        row[NOW] = now - timedelta(minutes=row[NOW])
    sent(status, challenge, at, **row)

    said = verdict(find(visit("superuser")))

    assert says in said
    assert (f"Whose fault: {fault}" in said) if fault.startswith("ours") else (fault in said)
    assert ("Whose fault:" in said) == bool(fault)
    if fault:
        assert "What to do:" in said


def arrived(challenge, minutes, source="callback"):
    """Have an SMS of a challenge told as delivered so many minutes after the challenge began."""
    at = challenge.created_at + timedelta(minutes=minutes)
    send = sent(DeliveryStatus.DELIVERED, challenge, challenge.created_at, submitted_at=at, delivered_at=at)
    told("DELIVRD", send, delivery_status="delivered", source=source, received_at=at)


def test_a_code_that_came_past_its_time_is_not_the_person_s_fault():
    arrived(started(at=timezone.now() - timedelta(minutes=20)), 7)

    said = verdict(find(visit("superuser")))

    assert "arrived when its time was over" in said
    assert "the person's" not in said


@pytest.mark.parametrize(("first", "source"), [(1, "callback"), (7, "pull")])
def test_a_code_that_was_there_in_time_is_not_called_late(first, source):
    """The second SMS is a resend, and a status that was asked for is no older than the asking."""
    challenge = started(at=timezone.now() - timedelta(minutes=20))
    arrived(challenge, first, source)
    arrived(challenge, 7)

    assert "was not typed in in time" in verdict(find(visit("superuser")))


def test_a_number_closed_by_wrong_codes_is_not_sent_to_ask_again(configure):
    """A new code would be refused: only opening helps."""
    configure(MAX_FAILURES=10)
    for minutes in (3, 0):
        at = timezone.now() - timedelta(minutes=minutes)
        guessed = started("max_attempts_reached", at, attempts=5, last_attempt_at=at)
        sent(DeliveryStatus.DELIVERED, guessed, at, submitted_at=at)
    client = visit("superuser")

    assert "No code is sent until the number is opened" in verdict(find(client))

    act(client, "open", challenge=guessed.pk, confirmed="yes")

    assert "Ask for a new one" in verdict(find(client))


@pytest.mark.parametrize(("minutes", "mend"), [(1, "have the code sent again"), (10, "ask for a new one")])
def test_while_no_receipt_came_it_is_said_what_the_person_can_do(minutes, mend):
    at = timezone.now() - timedelta(minutes=minutes)
    sent(DeliveryStatus.SENT, started(at=at), at, submitted_at=at)

    assert mend in verdict(find(visit("superuser")))


def test_each_fault_has_its_words_and_its_mend():
    assert set(FAULTS) == set(MENDS) == set(ErrorClass)


@pytest.mark.parametrize("trace", statuses.ENTRIES, ids=lambda trace: trace.code)
def test_each_trace_of_the_catalogue_is_told_with_whose_fault_it_is(trace):
    send = sent(DeliveryStatus.UNDELIVERED, started(), submitted_at=timezone.now())
    told("UNDELIV", send, trace=trace.code)  # also where the row itself has none

    said = verdict(find(visit("superuser")))

    assert trace.meaning in said
    assert str(FAULTS[trace.fault]) in said


def test_a_decoy_is_told_apart_from_a_failure():
    old = started(at=timezone.now() - timedelta(days=1))
    sent(DeliveryStatus.UNDELIVERED, old, old.created_at, submitted_at=old.created_at)
    decoy = started()
    client = visit("operator")

    response = find(client, challenge=decoy.pk)

    assert "the number signs nobody in: no SMS was sent" in verdict(response)
    assert "See that exactly one active user" in verdict(response)
    assert "resend" not in offered(response)
    assert "A decoy: the number signs nobody in" in text_of(client.get(page("otpchallenge", decoy.pk)))
    assert "A decoy" not in text_of(client.get(page("otpchallenge", old.pk)))
    assert text_of(client.get(page("otpchallenge"))).count("decoy: no SMS") == 1


def test_a_challenge_whose_sms_was_purged_is_no_decoy():
    """R-113."""
    kept = started(at=timezone.now() - timedelta(days=100), attempts=3)
    client = visit("operator")

    assert "A decoy" not in text_of(client.get(page("otpchallenge", kept.pk)))
    assert "Nothing was sent to this number" in verdict(find(client, challenge=kept.pk))
