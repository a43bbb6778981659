"""Find a number: what support sees of one number, the sentence at the top, and what support can do."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.admin.faults import FAULTS, MENDS, OWN_CODES
from django_kaleyra_otp.backends.locmem import LocMemBackend
from django_kaleyra_otp.exceptions import DeliveryUnknown, MaxFailuresReached
from django_kaleyra_otp.kaleyra import statuses
from django_kaleyra_otp.kaleyra.errors import ErrorClass
from django_kaleyra_otp.models import (
    BlockedPrefix,
    ChallengeStatus,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    StatusUpdate,
)
from django_kaleyra_otp.types import Pulled
from tests.conftest import OTHER, code_in, wrong
from tests.playing import NO_LIMITS, later
from tests.staff import MASKED, NUMBER, page, sent, started, text_of, told, visit

pytestmark = pytest.mark.django_db


class Telling(LocMemBackend):
    """Says of every message that it arrived."""

    def pull(self, message_ids, route):
        return [Pulled(message_id=each, status="DELIVRD", trace="") for each in message_ids]


class Mute(LocMemBackend):
    """Gives no answer."""

    def pull(self, message_ids, route):
        raise DeliveryUnknown


FIND = "/admin/kaleyra_otp/otpchallenge/find/"


def find(client, number=NUMBER, **row):
    return client.post(FIND, row or {"phone_number": number})


def act(client, name, **row):
    return client.post(f"{FIND}{name}/", row)


def confirm(client, name, **row):
    """Confirm an action, and return the page that it leads to."""
    return client.post(f"{FIND}{name}/", {**row, "confirmed": "yes"}, follow=True)


def allow(*codenames):
    """A client signed in as staff with these permissions alone."""
    client = visit("nobody")
    user = get_user_model().objects.get(username="nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return client


def offered(response) -> list[str]:
    return [action.name for action, _kind, _pk in response.context["actions"]]


def verdict(response) -> str:
    """The box at the top, as a person reads it."""
    html = response.content.decode()
    box = html[html.index("kaleyra-verdict") :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", box[: box.index("</section>")]))).strip()


# what is found


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
    assert f"The last SMS is very young (user #{user.pk})." in text
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


# the sentence at the top

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
    ("undelivered", {NOW: 0}, "did not arrive", "Kaleyra's or the operator's"),
    ("undelivered", {NOW: 0, "kaleyra_trace": "NEVER-SEEN"}, "did not arrive", "Kaleyra's or the operator's"),
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
    ("delivered", {NOW: 0, "over": "max_attempts_reached"}, "too many wrong ones", "the person's"),
    ("delivered", {NOW: 0, "over": "canceled"}, "was given up", ""),
    ("delivered", {NOW: 0, "over": "verified"}, "was typed in and was right", ""),
    ("sent", {NOW: 0, "over": "verified"}, "was typed in and was right", ""),
]
CASES += [
    ("failed", {"error_code": code, "error_class": "caller"}, "was not sent", "ours")
    for code in OWN_CODES
    if code != "time_out"
]


@pytest.mark.parametrize(("status", "row", "says", "fault"), CASES)
def test_the_sentence_at_the_top_says_what_happened_and_whose_fault_it_is(status, row, says, fault):
    row = dict(row)
    now = timezone.now()
    at = now - timedelta(minutes=row.pop("minutes", 0))
    over = row.pop("over", "pending")
    verified = now if over == "verified" else None
    if over == "expired":
        challenge = started(at=now - timedelta(minutes=20))
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


# what support can do


ACTIONS = {
    "resend": "resend_code",
    "open": "open_number",
    "lift": "delete_blockedprefix",
    "ask": "pull_status",
    "forget": "forget_number",
}


@pytest.fixture
def closed(configure, outbox):
    """A number whose challenge is open, with a wrong code, a block by hand, and an SMS under way."""
    configure(MAX_FAILURES=1, RESEND_COOLDOWN=0)
    challenge = challenges.start(NUMBER)
    challenges.verify(challenge.pk, wrong(code_in(outbox[-1])))
    SendLog.objects.update(message_id="m:1")
    block = BlockedPrefix.objects.create(prefix="+919876", reason="abuse")
    send = SendLog.objects.get()
    return {
        "resend": {"challenge": challenge.pk},
        "open": {"challenge": challenge.pk},
        "lift": {"block": block.pk},
        "ask": {"send": send.pk},
        "forget": {"challenge": challenge.pk},
    }


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_wants_its_own_permission_a_post_and_a_yes(closed, name, outbox):
    """R-109."""
    row = closed[name]
    tables = (OTPChallenge, SendLog, StatusUpdate, BlockedPrefix)
    before = [list(table.objects.values()) for table in tables]
    others = [codename for action, codename in ACTIONS.items() if action != name]
    without = allow("find_number", "view_otpchallenge", "view_sendlog", *others)

    assert act(without, name, **row).status_code == 403
    assert confirm(without, name, **row).status_code == 403
    assert name not in offered(find(without))
    get_user_model().objects.all().delete()
    with_it = allow("find_number", ACTIONS[name])
    assert with_it.get(f"{FIND}{name}/", row).status_code == 405
    asked = act(with_it, name, **row)
    assert asked.status_code == 200
    assert "No, take me back" in text_of(asked)
    get_user_model().objects.all().delete()
    not_even_find = allow(ACTIONS[name])
    assert confirm(not_even_find, name, **row).status_code == 403

    assert [list(table.objects.values()) for table in tables] == before
    assert len(outbox) == 1
    assert not LogEntry.objects.exists()


def test_only_what_makes_sense_is_offered(closed):
    client = visit("superuser")
    response = find(client)

    assert offered(response) == ["resend", "open", "ask", "forget"]
    assert "Lift the block" in text_of(response)
    for action, kind, pk in response.context["actions"]:
        assert closed[action.name] == {kind: pk}
    assert offered(find(client, OTHER)) == []


def test_a_code_is_sent_again_within_the_limits_and_a_second_click_sends_none(configure, outbox):
    """R-109."""
    configure(RESEND_COOLDOWN=30)
    challenge = challenges.start(NUMBER)
    later(40)
    client = visit("operator")

    first = confirm(client, "resend", challenge=challenge.pk)
    second = confirm(client, "resend", challenge=challenge.pk)

    assert len(outbox) == 2
    assert code_in(outbox[0]) == code_in(outbox[1])
    assert "The code is sent again." in text_of(first)
    assert MASKED in text_of(first)
    assert "A code was sent a moment ago" in text_of(second)
    assert code_in(outbox[0]) not in text_of(first)
    entries = LogEntry.objects.order_by("pk")
    assert [entry.change_message for entry in entries] == [
        "Sent the code again.",
        "resend: refused, cooldown.",
    ]
    assert {entry.object_id for entry in entries} == {str(challenge.pk)}
    history = text_of(client.get(page("otpchallenge", challenge.pk, "history")))
    assert "Sent the code again." in history


def test_a_decoy_is_never_sent(outbox):
    decoy = started()

    confirm(visit("superuser"), "resend", challenge=decoy.pk)

    assert not outbox
    assert not SendLog.objects.exists()


def test_a_number_is_opened(closed, configure, outbox):
    configure(**NO_LIMITS)
    BlockedPrefix.objects.all().delete()
    with pytest.raises(MaxFailuresReached):
        challenges.start(NUMBER)
    client = visit("operator")

    done = confirm(client, "open", **closed["open"])

    assert "No wrong code stands against the number." in text_of(done)
    assert "Wrong codes forgiven" in text_of(done)
    assert challenges.start(NUMBER).pk
    assert "No wrong code stands" in text_of(confirm(client, "open", **closed["open"]))
    assert LogEntry.objects.order_by("pk")[0].change_message == "Forgave the wrong codes of 1 challenges."


def test_a_block_is_lifted_once(closed):
    client = visit("operator")

    first = confirm(client, "lift", **closed["lift"])
    second = confirm(client, "lift", **closed["lift"])

    assert "The block is lifted." in text_of(first)
    assert "There is nothing left to do." in text_of(second)
    assert not BlockedPrefix.objects.exists()
    [entry] = LogEntry.objects.all()
    assert (entry.object_repr, entry.change_message, entry.is_deletion()) == (
        "+919876",
        "Lifted the block.",
        True,
    )


def test_kaleyra_is_asked_now(closed, configure):
    configure(BACKEND="tests.test_find_number.Telling")
    client = visit("operator")

    done = confirm(client, "ask", **closed["ask"])

    assert "Kaleyra says: delivered." in text_of(done)
    assert SendLog.objects.get().status == DeliveryStatus.DELIVERED
    configure(BACKEND="tests.test_find_number.Mute")
    assert "Kaleyra told nothing." in text_of(confirm(client, "ask", **closed["ask"]))
    assert LogEntry.objects.filter(change_message="Asked Kaleyra for the status.").count() == 2


def test_a_number_is_forgotten_and_the_log_names_the_row_alone(closed):
    """R-106, R-113."""
    client = visit("operator")

    first = confirm(client, "forget", **closed["forget"])
    second = confirm(client, "forget", **closed["forget"])

    assert "The number is forgotten." in text_of(first)
    assert "There is nothing left to do." in text_of(second)
    assert not OTPChallenge.objects.exists()
    assert not SendLog.objects.exists()
    [entry] = LogEntry.objects.all()
    assert entry.change_message == "Forgot a number: 1 challenges, 1 sends, 0 updates."
    assert entry.object_id == str(closed["forget"]["challenge"])
    assert entry.object_repr == entry.object_id


def test_a_number_that_only_another_librarys_codes_went_to_is_forgotten_too():
    send = sent(of=None)
    client = visit("operator")
    assert offered(find(client, send=send.pk)) == ["forget"]

    confirm(client, "forget", send=send.pk)

    assert not SendLog.objects.exists()


def test_the_pages_want_staff():
    """R-109."""
    challenge = started()
    client = visit("superuser")
    client.logout()

    for url in (FIND, f"{FIND}resend/"):
        response = client.post(url, {"challenge": challenge.pk, "phone_number": NUMBER})
        assert response.status_code == 302
        assert response.url.startswith("/admin/login/")
        assert NUMBER[1:] not in response.url
