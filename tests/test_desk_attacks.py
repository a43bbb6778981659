"""What somebody with a seat at the desk tries: to see more than he may, or to have a page fail."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.utils import timezone

from django_kaleyra_otp import retention
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog, StatusUpdate
from tests.desk import FIND, Telling, act, allow, confirm, find
from tests.reported import REPORT, noon, viewer
from tests.staff import NUMBER, page, sent, started, text_of, told, visit

pytestmark = pytest.mark.django_db

ADD = f"{page('blockedprefix')}add/"
FAR = 123_456


class Forgetful(Telling):
    """Forgets the number while it is asked."""

    def pull(self, message_ids, route):
        retention.forget(NUMBER)
        return super().pull(message_ids, route)


def inputs(response, name: str) -> list[str]:
    """The values that the forms of a page send under a name."""
    html = response.content.decode()
    return [part.split('"')[0] for part in html.split(f'name="{name}" value="')[1:]]


def test_by_blocks_of_his_own_nobody_finds_out_a_masked_number():
    """R-106: a block for each digit that may come next, and the page of the number shows which holds."""
    client = visit("operator")
    challenge = started()

    for digit in range(10):
        client.post(ADD, {"prefix": f"{NUMBER[:8]}{digit}", "reason": f"digit {digit}"})

    assert "digit" not in text_of(find(client, challenge=challenge.pk))


def test_nobody_makes_a_block_longer_than_he_may_see():
    """R-106."""
    block = BlockedPrefix.objects.create(prefix=NUMBER[:8])

    visit("operator").post(page("blockedprefix", block.pk), {"prefix": NUMBER[:9]})
    block.refresh_from_db()
    assert block.prefix == NUMBER[:8]

    visit("superuser").post(page("blockedprefix", block.pk), {"prefix": NUMBER})
    block.refresh_from_db()
    assert block.prefix == NUMBER


@contextmanager
def export():
    """An action of the project's own, for every list of the site, that shows each row whole."""

    def shown(model_admin, request, rows):
        return HttpResponse(", ".join(row.prefix for row in rows))

    admin.site.add_action(shown, "shown")
    try:
        yield
    finally:
        admin.site.disable_action("shown")


def test_an_export_of_the_projects_own_shows_no_prefix_that_is_cut_short():
    """R-106."""
    block = BlockedPrefix.objects.create(prefix=NUMBER)
    chosen = {"action": "shown", "_selected_action": block.pk, "index": 0}

    with export():
        kept_back = visit("operator").post(page("blockedprefix"), chosen)
        shown = visit("superuser").post(page("blockedprefix"), chosen)

    assert NUMBER not in kept_back.content.decode()
    assert shown.content.decode() == NUMBER


@pytest.mark.parametrize("key", ["", "x", "\x00", "9" * 30, "9" * 5000, "٣", "-1"])
def test_what_is_no_key_is_no_row_to_delete(key):
    block = BlockedPrefix.objects.create(prefix="+91")

    answer = visit("superuser").post(
        page("blockedprefix"), {"action": "delete_selected", "_selected_action": [key], "post": "yes"}
    )

    assert answer.status_code in (200, 302)
    assert BlockedPrefix.objects.filter(pk=block.pk).exists()


def test_blocks_are_deleted_many_at_once_all_the_same():
    blocks = [BlockedPrefix.objects.create(prefix=prefix) for prefix in ("+91", "+1", "+44")]
    chosen = [block.pk for block in blocks[:2]]

    visit("operator").post(
        page("blockedprefix"), {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    )

    assert [block.prefix for block in BlockedPrefix.objects.all()] == ["+44"]


@pytest.mark.parametrize("until", ["x", "NaN", "2030-01-01", "\x00"])
def test_an_address_fills_in_no_end_of_a_block(until):
    answer = visit("superuser").get(ADD, {"until": until, "prefix": "+91"})

    assert answer.status_code == 200
    assert 'value="+91"' in answer.content.decode()


@pytest.mark.parametrize(
    ("zone", "until"),
    [("America/New_York", ("9999-12-31", "23:59:00")), ("Asia/Kolkata", ("0001-01-01", "00:00:00"))],
)
def test_an_end_that_no_database_can_tell_is_refused_with_a_word(settings, zone, until):
    settings.TIME_ZONE = zone
    client = visit("superuser")

    answer = client.post(ADD, {"prefix": "+91", "until_0": until[0], "until_1": until[1]})

    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors["until"]
    assert client.get(page("blockedprefix")).status_code == 200
    assert not BlockedPrefix.objects.exists()


@pytest.mark.parametrize("use_tz", [True, False])
def test_an_end_within_bounds_is_taken_with_and_without_time_zones(settings, use_tz):
    settings.USE_TZ = use_tz

    visit("operator").post(ADD, {"prefix": "+91", "until_0": "2999-12-31", "until_1": "23:59:00"})

    assert BlockedPrefix.objects.get().until.year == 2999


def test_where_thousands_are_parted_every_form_names_its_row(settings, configure):
    """A key of a row is no number to be read."""
    settings.USE_THOUSAND_SEPARATOR = True
    configure(BACKEND="tests.desk.Telling")
    client = visit("superuser")
    send = sent("submitted", pk=FAR, message_id="m:1", submitted_at=timezone.now())
    block = BlockedPrefix.objects.create(pk=FAR, prefix="+919876")

    looked = find(client)
    assert inputs(client.get(page("sendlog", send.pk)), "send") == [str(FAR)]
    assert inputs(looked, "send") == [str(FAR)] * 3  # ask, forget, and whose block is lifted
    assert inputs(looked, "block") == [str(FAR)]
    assert inputs(act(client, "forget", send=FAR), "send") == [str(FAR)] * 2  # yes, no
    asked = act(client, "lift", block=block.pk, send=FAR)
    assert inputs(asked, "block") == [str(FAR)]
    assert inputs(asked, "send") == [str(FAR)] * 2  # yes, no


def test_a_number_that_is_forgotten_while_kaleyra_is_asked_leaves_nothing_to_do(configure):
    configure(BACKEND="tests.test_desk_attacks.Forgetful")
    send = sent("submitted", message_id="m:1", submitted_at=timezone.now())

    answer = confirm(visit("superuser"), "ask", send=send.pk)

    assert answer.status_code == 200
    assert "There is nothing left to do." in text_of(answer)
    assert LogEntry.objects.get().object_repr == str(send.pk)


@pytest.mark.parametrize("told_as", ["Airtel;=1+1", 'Airtel";=1+1;"', "Airtel\t=1+1"])
def test_where_cells_are_parted_at_other_signs_no_name_begins_a_formula(told_as):
    """R-112: a spreadsheet in Germany parts a CSV at semicolons, others at tabs."""
    told("DELIVRD", sent(at=noon(0)), operator=told_as)

    answer = viewer().get(f"{REPORT}?window=7d&csv=operator").content.decode()

    for sign in ",;\t":
        cells = [
            cell for line in csv.reader(io.StringIO(answer, newline=""), delimiter=sign) for cell in line
        ]
        assert not [cell for cell in cells if cell.startswith("=")]


def test_the_report_tells_its_own_time_in_the_zone_that_it_names(settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    client = viewer()

    with timezone.override("America/New_York"):
        said = text_of(client.get(REPORT))

    here = timezone.now().astimezone(timezone.get_default_timezone())
    close = [here - timedelta(minutes=1), here]
    assert any(f"Today is counted as of {at:%Y-%m-%d %H:%M}" in said for at in close)


def test_without_time_zones_a_bucket_is_full_until_a_time_of_the_clock(settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Kolkata"
    at = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
    RateLimit.objects.create(key="a" * 64, tat=int(at.timestamp()) * 1_000_000)

    assert "5:30 p.m." in text_of(visit("viewer").get(page("ratelimit")))


def test_a_permission_that_is_lost_between_two_clicks_ends_the_action(outbox):
    """R-109."""
    challenge = started()
    client = allow("find_number", "forget_number")
    assert act(client, "forget", challenge=challenge.pk).status_code == 200

    get_user_model().objects.get(username="nobody").user_permissions.remove(
        Permission.objects.get(codename="forget_number")
    )

    assert confirm(client, "forget", challenge=challenge.pk).status_code == 403
    assert OTPChallenge.objects.filter(pk=challenge.pk).exists()


def test_what_an_action_leaves_in_the_session_shows_nothing_to_who_lost_the_permission():
    """R-106."""
    challenge = started()
    client = allow("find_number", "forget_number", "open_number", "view_full_phone_number")
    client.post(f"{FIND}open/", {"challenge": challenge.pk, "confirmed": "yes"})

    get_user_model().objects.get(username="nobody").user_permissions.clear()

    assert client.get(FIND).status_code == 403
    assert NUMBER not in str(dict(client.session))


def test_two_tabs_forget_a_number_once():
    send = sent("submitted", message_id="m:1")
    told("SENT", send)
    client = visit("superuser")
    for _tab in range(2):
        assert act(client, "forget", send=send.pk).status_code == 200

    first, second = (confirm(client, "forget", send=send.pk) for _tab in range(2))

    assert "The number is forgotten." in text_of(first)
    assert "There is nothing left to do." in text_of(second)
    assert LogEntry.objects.count() == 1
    assert not SendLog.objects.exists()
    assert not StatusUpdate.objects.exists()
