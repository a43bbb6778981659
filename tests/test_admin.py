"""The admin: who sees what, what nobody may change, and what is never shown."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib import admin
from django.utils import timezone

from django_kaleyra_otp.models import (
    BlockedPrefix,
)
from tests.staff import (
    ADDRESS,
    ALL,
    BUCKET,
    GRANTED,
    KEY_FINGERPRINT,
    MASKED,
    NONCE,
    NUMBER,
    READ_ONLY,
    SECRETS,
    page,
    story,
    table,
    text_of,
    visit,
)

pytestmark = pytest.mark.django_db


def every_page(story: dict[str, object]) -> list[str]:
    """Every address of ours, and odd ones; as a browser could ask for them."""
    found = ["/admin/", "/admin/kaleyra_otp/"]
    for model, pk in story.items():
        found += [
            page(model),
            f"{page(model)}add/",
            f"{page(model)}?q={NUMBER[1:]}",
            f"{page(model)}?p=7&all=1",
        ]
        found += [f"{page(model)}?o=-1.2.3.4.5.6.7.8&_facets=1", f"{page(model)}?_popup=1&_to_field=id"]
        found += [page(model, pk, view) for view in ("change", "delete", "history")]
        for odd in ("0", "99999999999999999999", "none", str(uuid.uuid4()), "%3Cscript%3E"):
            found.append(page(model, odd))
        for shown in admin.site.get_model_admin(table(model)).list_filter:
            for value in ("x", "1", "%00", "%3Cscript%3E"):
                found.append(f"{page(model)}?{shown.parameter_name}={value}")
    return found


@pytest.mark.parametrize("kind", ["superuser", "seer", "viewer", "operator", "nobody"])
def test_no_page_fails_or_shows_what_is_never_shown(kind):
    """R-098, R-106, R-109, R-110, R-112."""
    rows = story()
    client = visit(kind)
    sees = kind in ("superuser", "seer")

    for url in every_page(rows):
        response = client.get(url)
        html = response.content.decode()

        assert response.status_code in (200, 302, 400, 403, 404), url
        for secret in (*SECRETS.values(), KEY_FINGERPRINT, NONCE.hex(), BUCKET, str(GRANTED)):
            assert secret not in html, url
        assert "<script>alert" not in html, url
        assert "{code}" not in html, url
        if not sees:
            # what was searched for is the visitor's own words, said back
            assert NUMBER[1:] not in re.sub(rf'(q=|q%3D|value="){NUMBER[1:]}', "", html), url
            assert NUMBER[:-4] not in html, url
            assert ADDRESS not in html, url


@pytest.mark.parametrize("model", ["otpchallenge", "sendlog", "statusupdate"])
def test_a_number_is_masked_without_the_permission_and_whole_with_it(model):
    """R-106."""
    rows = story()
    viewer, seer = visit("viewer"), visit("seer")

    detail = page(model, rows[model])
    assert MASKED in text_of(viewer.get(detail))
    assert NUMBER in text_of(seer.get(detail))
    if model != "statusupdate":
        assert MASKED in text_of(viewer.get(page(model)))
        assert NUMBER in text_of(seer.get(page(model)))


def test_block_and_address_are_shown_with_the_permission_alone():
    """R-106."""
    rows = story()
    seer = visit("seer")

    assert NUMBER[:-4] in text_of(seer.get(page("sendlog", rows["sendlog"])))
    assert ADDRESS in text_of(seer.get(page("otpchallenge", rows["otpchallenge"])))


@pytest.mark.parametrize(
    ("model", "look_up"),
    [
        ("otpchallenge", "phone_number__startswith=%2B9198"),
        ("otpchallenge", "nonce__isnull=0"),
        ("otpchallenge", "key_fingerprint=c0ffee0123456789"),
        ("otpchallenge", "bind_digest__startswith=b"),
        ("otpchallenge", "ip=203.0.113.77"),
        ("otpchallenge", "user__phone_number=%2B919876543210"),
        ("otpchallenge", "user__password__startswith=m"),
        ("sendlog", "phone_number=%2B919876543210"),
        ("sendlog", "block=%2B91987654"),
        ("sendlog", "challenge__phone_number__startswith=%2B9"),
        ("statusupdate", "phone_number__startswith=91"),
        ("statusupdate", "fingerprint__startswith=f"),
        ("statusupdate", "send_log__phone_number__startswith=%2B9"),
        ("ratelimit", "key__startswith=ab"),
        ("blockedprefix", "prefix__startswith=%2B91987654"),
    ],
)
def test_nothing_hidden_can_be_asked_for_by_the_address(model, look_up):
    """R-106, R-110."""
    story()
    assert visit("viewer").get(f"{page(model)}?{look_up}").status_code == 400


@pytest.mark.parametrize("model", READ_ONLY)
@pytest.mark.parametrize("kind", ["superuser", "operator"])
def test_evidence_cannot_be_added_changed_or_deleted(kind, model):
    """R-109."""
    rows = story()
    client = visit(kind)
    before = list(table(model).objects.values())

    for url in (f"{page(model)}add/", page(model, rows[model]), page(model, rows[model], "delete")):
        assert client.post(url, {"status": "delivered", "post": "yes"}).status_code == 403, url
    client.post(page(model), {"action": "delete_selected", "_selected_action": rows[model], "post": "yes"})

    assert list(table(model).objects.values()) == before


@pytest.mark.parametrize("model", ALL)
def test_staff_without_a_permission_see_nothing(model):
    """R-109."""
    rows = story()
    client = visit("nobody")

    assert client.get(page(model)).status_code == 403
    assert client.get(page(model, rows[model])).status_code in (302, 403)
    assert client.post(page(model, rows[model]), {}).status_code == 403


def test_no_action_of_the_projects_own_is_offered_for_evidence():
    """R-106, R-109: an export would show what is masked here."""
    story()
    client = visit("superuser")
    admin.site.add_action(lambda modeladmin, request, rows: None, "export")
    try:
        for model in READ_ONLY:
            assert "export" not in client.get(page(model)).content.decode()
    finally:
        admin.site.disable_action("export")


def test_a_bucket_is_named_by_the_beginning_of_its_key_and_has_no_page():
    """R-110."""
    story()
    client = visit("superuser")

    text = text_of(client.get(page("ratelimit")))

    assert BUCKET[:12] in text
    for view in ("change", "delete", "history"):
        assert client.get(page("ratelimit", BUCKET, view)).status_code == 403


def test_a_prefix_is_closed_changed_and_opened_by_hand():
    """R-109."""
    client = visit("operator")

    client.post(f"{page('blockedprefix')}add/", {"prefix": "+882", "reason": "satellite"})
    block = BlockedPrefix.objects.get()
    assert (block.prefix, block.reason, block.until, block.automatic) == ("+882", "satellite", None, False)

    client.post(page("blockedprefix", block.pk), {"prefix": "+8821", "reason": "", "automatic": "on"})
    block.refresh_from_db()
    assert (block.prefix, block.automatic) == ("+8821", False)

    client.post(page("blockedprefix", block.pk, "delete"), {"post": "yes"})
    assert not BlockedPrefix.objects.exists()


@pytest.mark.parametrize("prefix", ["", "91", "+91 98", "+91x", "++", "+" + "1" * 16, "<script>"])
def test_a_prefix_of_another_shape_is_refused_with_a_word(prefix):
    response = visit("operator").post(f"{page('blockedprefix')}add/", {"prefix": prefix})

    assert response.status_code == 200
    assert response.context["adminform"].form.errors["prefix"]
    assert not BlockedPrefix.objects.exists()


def test_a_prefix_as_long_as_a_number_is_cut_short_without_the_permission():
    """R-106."""
    block = BlockedPrefix.objects.create(prefix=NUMBER, reason="abuse")
    operator, superuser = visit("operator"), visit("superuser")
    chosen = {"action": "delete_selected", "_selected_action": block.pk}

    assert "+9198765…" in text_of(operator.get(page("blockedprefix")))
    for view in ("change", "delete", "history"):
        assert operator.get(page("blockedprefix", block.pk, view)).status_code == 403
    asked = operator.post(page("blockedprefix"), chosen)
    assert NUMBER not in asked.content.decode()
    operator.post(page("blockedprefix"), {**chosen, "post": "yes"})
    assert BlockedPrefix.objects.exists()
    assert NUMBER in text_of(superuser.get(page("blockedprefix")))
    assert NUMBER in superuser.get(page("blockedprefix", block.pk)).content.decode()


def test_blocks_that_hold_are_told_apart_from_those_that_are_over():
    client = visit("viewer")
    now = timezone.now()
    for_ever = BlockedPrefix.objects.create(prefix="+882")
    holds = BlockedPrefix.objects.create(prefix="+919876", until=now + timedelta(hours=1), automatic=True)
    over = BlockedPrefix.objects.create(prefix="+7", until=now - timedelta(hours=1))

    def listed(**query: str) -> set:
        return {row.pk for row in client.get(page("blockedprefix"), query).context["cl"].result_list}

    assert listed(state="stands") == {for_ever.pk, holds.pk}
    assert listed(state="over") == {over.pk}
    assert listed(automatic="1") == {holds.pk}
    assert listed(automatic="0") == {for_ever.pk, over.pk}
    assert "the guard" in text_of(client.get(page("blockedprefix")))
