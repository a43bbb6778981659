"""Find a number: what support sees of one number, and what a code to it would meet."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.models import (
    BlockedPrefix,
    ChallengeStatus,
    DeliveryStatus,
    SendLog,
)
from tests.conftest import OTHER, code_in, wrong
from tests.desk import FIND, act, allow, confirm, find, verdict
from tests.playing import NO_LIMITS, later
from tests.staff import MASKED, NUMBER, page, sent, started, text_of, told, visit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("written", [NUMBER, "+91 98765 43210", "+91-98765-43210", "+९१ ९८७६५४३२१०"])
def test_a_number_is_found_in_any_spelling(written):
    sent(DeliveryStatus.DELIVERED, started())
    client = visit("superuser")

    response = find(client, written)

    assert response.status_code == 200
    assert NUMBER in text_of(response)
    assert "The newest code is on the handset" in verdict(response)


@pytest.mark.parametrize("written", ["", "asha", "98765", "+", "+91 98765 4321x", "9" * 40, "<script>"])
def test_what_is_no_number_is_told_so(written):
    response = find(visit("superuser"), written)

    assert response.status_code == 200
    assert response.context["form"].errors["phone_number"]
    assert "dossier" not in response.context


def test_a_number_that_gets_no_code_is_looked_for_all_the_same():
    client = visit("superuser")

    assert "It is no mobile number in use" in text_of(find(client, "+911123456789"))
    assert "It is no mobile number in use" in text_of(find(client, "+999123456"))
    assert "Its country is not among ALLOWED_COUNTRIES" in text_of(find(client, "+33612345678"))
    assert "Nothing was sent to this number" in verdict(find(client, "+33612345678"))


def test_all_that_happened_stands_in_one_timeline_the_newest_first():
    at = timezone.now() - timedelta(minutes=30)
    first = started(ChallengeStatus.VERIFIED, at, verified_at=at + timedelta(seconds=40))
    sms = sent(
        DeliveryStatus.DELIVERED,
        first,
        at,
        submitted_at=at + timedelta(seconds=1),
        delivered_at=at + timedelta(seconds=7),
    )
    told("DELIVRD", sms, delivery_status="delivered", received_at=at + timedelta(seconds=7))
    second = started(at=at + timedelta(minutes=10), purpose="verify")
    failed = sent(DeliveryStatus.FAILED, second, at + timedelta(minutes=10), error_code="E110")
    sent(phone_number=OTHER)

    response = find(visit("viewer_who_finds"))

    text, html = text_of(response), response.content.decode()
    order = [
        "Challenge expired",
        "Not accepted by Kaleyra",
        "Started: verify",
        "Code given: verified",
        "Callback: DELIVRD",
        "Accepted by Kaleyra",
        "SMS created",
        "Started: login",
    ]
    places = [text.index(words) for words in order[:-2]] + [text.rindex(words) for words in order[-2:]]
    assert places == sorted(places), dict(zip(order, places, strict=True))
    for row in (first, second):
        assert f'href="{page("otpchallenge", row.pk)}"' in html
    for row in (sms, failed):
        assert f'href="{page("sendlog", row.pk)}"' in html
    assert OTHER[-4:] not in text


def test_who_may_not_view_the_rows_gets_no_links_to_them():
    """R-109."""
    challenge = started()
    sent(of=challenge)

    html = find(allow("find_number")).content.decode()

    assert "Started: login" in html
    assert page("otpchallenge", challenge.pk) not in html


def test_who_may_find_numbers_and_view_no_rows_gets_there_from_the_front_page():
    client = allow("find_number")
    for menu in ("/admin/", "/admin/kaleyra_otp/"):
        html = client.get(menu).content.decode()
        assert f'href="{page("otpchallenge")}"' in html
        assert page("sendlog") not in html

    led = client.get(page("otpchallenge"), follow=True)

    assert led.redirect_chain == [(FIND, 302)]
    assert "Find a number" in text_of(led)


def test_from_the_page_of_a_row_a_form_leads_to_its_number():
    """R-106: the form names the row, never the number."""
    challenge = started()
    send = sent(of=challenge)
    alone = sent(of=None)
    client = visit("viewer_who_finds")

    for model, kind, row in (("otpchallenge", "challenge", challenge), ("sendlog", "send", send)):
        html = client.get(page(model, row.pk)).content.decode()
        assert f'action="{FIND}"' in html
        assert f'name="{kind}" value="{row.pk}"' in html
    for row in ({"challenge": challenge.pk}, {"send": send.pk}, {"send": alone.pk}):
        response = find(client, **row)
        assert MASKED in text_of(response)
        assert "The newest SMS is on the handset" in verdict(response)
    assert f'href="{FIND}"' in client.get(page("sendlog")).content.decode()
    plain = allow("view_otpchallenge", "view_sendlog")
    for url in (page("sendlog"), page("otpchallenge", challenge.pk)):
        assert FIND not in plain.get(url).content.decode()


@pytest.mark.parametrize("row", [{"challenge": "x"}, {"send": "x"}, {"send": "9" * 30}, {"block": "1"}])
def test_what_names_no_row_is_not_found(row):
    client = visit("superuser")

    assert find(client, **row).status_code in (200, 404)  # a block is no number: the form is shown
    for name in ("resend", "open", "lift", "ask", "forget"):
        assert act(client, name, **row).status_code == 404
    assert act(client, "no-such-action", **row).status_code == 404
    assert act(client, "forget").status_code == 404


def test_a_look_takes_the_same_few_statements_whatever_happened(django_assert_max_num_queries):
    """R-111."""
    client = visit("superuser")
    for n in range(60):
        at = timezone.now() - timedelta(hours=n)
        send = sent(DeliveryStatus.UNDELIVERED, started(at=at, attempts=1), at)
        told("SENT", send)
        told("UNDELIV", send)
    BlockedPrefix.objects.create(prefix="+91")

    with django_assert_max_num_queries(12):
        response = find(client)

    assert "Only the newest are shown." in text_of(response)


def test_a_number_goes_into_no_address_log_or_session(caplog):
    """R-106, R-107."""
    challenge = started()
    sent(of=challenge)
    client = visit("superuser")
    with caplog.at_level(logging.DEBUG, logger="django_kaleyra_otp"):
        find(client)
        act(client, "resend", challenge=challenge.pk)
        last = confirm(client, "resend", challenge=challenge.pk)

    [looked, *_] = [record for record in caplog.records if getattr(record, "event", "") == "number_looked_up"]
    assert looked.number == MASKED
    assert NUMBER[1:] not in "".join(str(vars(record)) for record in caplog.records)
    assert last.redirect_chain == [(FIND, 302)]
    assert NUMBER[1:] not in str(dict(client.session))
    assert NUMBER[1:] not in str(list(LogEntry.objects.values()))


def test_without_the_permission_the_number_is_masked_on_every_page():
    """R-106."""
    at = timezone.now()
    challenge = started(attempts=2)
    sent(DeliveryStatus.SUBMITTED, challenge, message_id="m:1", submitted_at=at)
    block = BlockedPrefix.objects.create(prefix=NUMBER[:9])
    whole = BlockedPrefix.objects.create(prefix=NUMBER)
    client = visit("operator")

    pages = [find(client, challenge=challenge.pk)]
    for name, row in (
        ("resend", {"challenge": challenge.pk}),
        ("open", {"challenge": challenge.pk}),
        ("ask", {"send": SendLog.objects.get().pk}),
        ("forget", {"challenge": challenge.pk}),
    ):
        pages += [act(client, name, **row), confirm(client, name, **row)]
    pages += [client.get("/admin/"), client.get(page("otpchallenge", challenge.pk, "history"))]

    for shown in pages:
        assert NUMBER[1:] not in shown.content.decode()
        assert NUMBER[:9] not in shown.content.decode()
    for row in (block, whole):
        assert act(client, "lift", block=row.pk).status_code == 403
        assert confirm(client, "lift", block=row.pk).status_code == 403
    assert BlockedPrefix.objects.count() == 2


# what stands in the way


def test_what_a_code_would_meet_now_is_told_with_its_end(configure, user):
    configure(LIMITS=[{"scope": "phone", "rate": "1/h"}, {"scope": "user", "rate": "1/d"}])
    challenges.start(NUMBER, user=user, known=True)
    client = visit("superuser")

    text = text_of(find(client))

    until = timezone.now() + timedelta(hours=1)
    assert "a new code would be refused; see below." in text
    assert (
        f"The limit by phone, 1 in 1 h 0 min, is full (user #{user.pk}). Until {until:%Y-%m-%d %H:}" in text
    )
    assert f"The limit by user, 1 in 24 h 0 min, is full (user #{user.pk})." in text
    assert f"An SMS was sent a moment ago (user #{user.pk})." in text
    assert "(strangers)" not in text
    later(86400)
    assert "Nothing: it would be sent" in text_of(find(client))


def test_a_block_is_told_with_whether_it_stops_this_number(configure):
    configure(GUARD={"MODE": "monitor"})
    BlockedPrefix.objects.create(
        prefix="+919876",
        automatic=True,
        until=timezone.now() + timedelta(hours=1),
        reason="25 codes arrived, 0 were used.",
    )
    client = visit("superuser")

    watched = text_of(find(client))
    assert "lets this number pass 25 codes arrived, 0 were used." in watched
    assert "Nothing: it would be sent" in watched

    configure(GUARD={"MODE": "enforce"})
    stopped = text_of(find(client))
    assert "refuses this number" in stopped
    assert "A blocked prefix holds for it." in stopped

    configure(GUARD={"MODE": "enforce", "ALLOW": ["+9198"]})
    assert "lets this number pass" in text_of(find(client))


def test_a_kill_switch_and_an_old_test_number_are_told(configure):
    configure(SENDING=False, TEST_NUMBERS={NUMBER: {"code": "123456", "until": "2020-01-01"}})

    text = text_of(find(visit("superuser")))

    assert "Sending is switched off: the setting SENDING." in text
    assert "It is a test number past its date in TEST_NUMBERS." in text


def test_wrong_codes_that_stand_are_counted_by_purpose_and_caller(configure, user, outbox):
    configure(MAX_FAILURES=10, MAX_ATTEMPTS=10, **NO_LIMITS)
    for known in (False, True):
        for _ in range(1 + known):
            challenge = challenges.start(NUMBER, user=user if known else None, known=known)
            for _ in range(5):
                challenges.verify(challenge.pk, wrong(code_in(outbox[-1])))

    text = text_of(find(visit("superuser")))

    assert f"verify strangers 5 10 verify user #{user.pk} 10 10" in text
    assert f"10 wrong codes stand for verify, of user #{user.pk}." in text
    assert "5 wrong codes stand" not in text


def test_the_timeline_says_when_wrong_codes_closed_a_challenge():
    at = timezone.now() - timedelta(hours=1)
    started("max_attempts_reached", at, attempts=5, last_attempt_at=at + timedelta(seconds=40))

    text = text_of(find(visit("superuser")))

    assert "Closed after too many wrong codes" in text
    assert "time not known" not in text
