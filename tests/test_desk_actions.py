"""What support can do about a number: by permission, confirmed, written down."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import MaxFailuresReached
from django_kaleyra_otp.models import (
    BlockedPrefix,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    StatusUpdate,
)
from tests.conftest import OTHER, code_in, wrong
from tests.desk import FIND, act, allow, confirm, find, offered, press
from tests.playing import NO_LIMITS, later
from tests.staff import MASKED, NUMBER, page, sent, started, text_of, visit

pytestmark = pytest.mark.django_db


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


def test_who_lifts_a_block_is_shown_the_number_again(closed):
    client = visit("operator")

    asked = press(client, find(client), "Lift the block")
    back = press(client, asked, "No, take me back")
    done = press(client, asked, "Lift the block")

    assert MASKED in text_of(back)
    assert "The block is lifted." in text_of(done)
    assert MASKED in text_of(done)


def test_kaleyra_is_asked_now(closed, configure):
    configure(BACKEND="tests.desk.Telling")
    client = visit("operator")

    done = confirm(client, "ask", **closed["ask"])

    assert "Kaleyra says: delivered." in text_of(done)
    assert SendLog.objects.get().status == DeliveryStatus.DELIVERED
    configure(BACKEND="tests.desk.Mute")
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
