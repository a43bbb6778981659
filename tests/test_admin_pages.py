"""The pages of one delivery and one challenge: what happened, why, and whose fault it is."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from django_kaleyra_otp.models import (
    ChallengeStatus,
    DeliveryStatus,
    SendLog,
    Source,
)
from tests.staff import (
    page,
    sent,
    started,
    story,
    text_of,
    told,
    visit,
)

pytestmark = pytest.mark.django_db


def test_a_delivery_tells_its_story_in_order():
    at = timezone.now() - timedelta(minutes=10)

    def after(seconds: float) -> datetime:
        return at + timedelta(seconds=seconds)

    challenge = started(ChallengeStatus.VERIFIED, at, attempts=2, verified_at=after(5), redeemed_at=after(32))
    send = sent(
        DeliveryStatus.DELIVERED,
        challenge,
        at,
        claimed_at=after(0.4),
        submitted_at=after(0.9),
        delivered_at=after(7.2),
        http_status=202,
        latency=412,
    )
    told("SENT", send, delivery_status="sent", trace="SENT", operator="Airtel", received_at=after(2))
    told("DELIVRD", send, delivery_status="delivered", received_at=after(7.2), source=Source.PULL)

    text = text_of(visit("viewer").get(page("sendlog", send.pk)))

    story = [
        "Timeline",
        "SMS created",
        "It waited for a worker.",
        "Taken by a worker",
        "Accepted by Kaleyra",
        "HTTP 202, answered in 412 ms",
        "Callback: SENT",
        "Read as: sent.",
        "Airtel",
        "Code given: verified",
        "Attempts: 2 of 5.",
        "Asked Kaleyra: DELIVRD",
        "Delivered",
        "7.2 s to the handset",
        "Proof used",
    ]
    places = []
    for words in story:
        places.append(text.find(words, places[-1] if places else 0))
        assert places[-1] >= 0, words
    assert "No receipt" not in text


def test_a_delivery_that_failed_says_why_and_whose_fault_it_is():
    client = visit("viewer")
    refused = sent(
        DeliveryStatus.FAILED,
        error_code="E110",
        error_class="balance",
        error_message="Insufficient Balance.",
        http_status=400,
    )
    ours = sent(DeliveryStatus.FAILED, error_code="closed", error_class="caller")
    new = sent(DeliveryStatus.FAILED, error_code="E999", error_class="vendor", error_message="Oops")
    lost = sent(DeliveryStatus.UNKNOWN, error_class="network")
    away = sent(DeliveryStatus.UNDELIVERED, submitted_at=timezone.now(), kaleyra_trace="ABSENT-SUB")
    told("UNDELIV", away, delivery_status="undelivered", trace="ABSENT-SUB")

    def said(send: SendLog) -> str:
        return text_of(client.get(page("sendlog", send.pk)))

    assert "Not accepted by Kaleyra" in said(refused)
    assert "E110: Insufficient Balance." in said(refused)
    assert "The account's balance is too low. Top up the account" in said(refused)
    assert "Whose fault: ours: the balance of the Kaleyra account." in said(refused)
    assert "The challenge was over before a worker took the SMS." in said(ours)
    assert "E999: Oops Whose fault: Kaleyra's or the operator's." in said(new)
    assert "The answer was lost It may be on its way, so it is not sent again." in said(lost)
    assert "Trace: ABSENT-SUB The phone could not be reached. Whose fault: the phone's" in said(away)


def test_a_delivery_that_kaleyra_is_silent_about_is_flagged_after_an_hour():
    """R-103."""
    client = visit("viewer")
    now = timezone.now()
    silent = sent(DeliveryStatus.SUBMITTED, at=now, submitted_at=now - timedelta(minutes=61))
    fresh = sent(DeliveryStatus.SUBMITTED, at=now, submitted_at=now - timedelta(minutes=59))

    assert "No receipt" in text_of(client.get(page("sendlog", silent.pk)))
    assert "No receipt" not in text_of(client.get(page("sendlog", fresh.pk)))
    assert text_of(client.get(page("sendlog"))).count("? no receipt") == 1


def test_the_text_of_an_sms_has_dots_where_the_code_was():
    """R-004."""
    send = sent(body="Your code is {code}.\n@example.com #{code}")

    text = text_of(visit("superuser").get(page("sendlog", send.pk)))

    assert "Your code is ••••••. @example.com #••••••" in text


def test_a_challenge_lists_its_sends_with_links():
    at = timezone.now() - timedelta(minutes=20)
    challenge = started(at=at, attempts=1, sends=2)
    first = sent(DeliveryStatus.FAILED, challenge, at, error_code="E110")
    second = sent(
        DeliveryStatus.DELIVERED,
        challenge,
        at + timedelta(seconds=40),
        submitted_at=at + timedelta(seconds=41),
        delivered_at=at + timedelta(seconds=45),
    )
    client = visit("viewer")

    response = client.get(page("otpchallenge", challenge.pk))

    text, html = text_of(response), response.content.decode()
    assert f'href="{page("sendlog", first.pk)}"' in html
    assert f'href="{page("sendlog", second.pk)}"' in html
    order = ["Started", "SMS 1: failed", "SMS 2: delivered", "SMS 2 is on the handset", "Challenge expired"]
    assert sorted(order, key=text.index) == order
    assert f'href="{page("otpchallenge", challenge.pk)}"' in client.get(page("sendlog")).content.decode()


def test_without_the_view_of_deliveries_a_challenge_does_not_tell_of_them():
    """R-109."""
    rows = story()
    client = visit("nobody")
    user = get_user_model().objects.get(username="nobody")
    user.user_permissions.set(Permission.objects.filter(codename="view_otpchallenge"))

    for url in (page("otpchallenge"), page("otpchallenge", rows["otpchallenge"])):
        text = text_of(client.get(url))
        assert "undelivered" not in text
        assert "SMS 1" not in text
    assert client.get(page("sendlog")).status_code == 403


@pytest.mark.parametrize("status", DeliveryStatus.values)
def test_a_status_is_told_by_word_and_shape_and_not_by_colour_alone(status):
    sent(status)

    html = visit("viewer").get(page("sendlog")).content.decode()

    badge = re.search(r'<span class="kaleyra-badge kaleyra-\w+"><span [^>]*>(.)</span>([^<]+)</span>', html)
    assert badge[1] in "✓✕?○"
    assert badge[2] == DeliveryStatus(status).label
