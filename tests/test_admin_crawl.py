"""Every page of the admin, as every kind of staff: who may do what, and what is on no page."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client

from django_kaleyra_otp import challenges
from django_kaleyra_otp.models import SendLog
from tests.conftest import code_in
from tests.staff import ADDRESS, ALL, MASKED, NUMBER, page, story, visit

pytestmark = pytest.mark.django_db

#: Who looks, in the order of the columns below.
KINDS = ("superuser", "seer", "viewer", "viewer_who_finds", "finder", "operator", "nobody", "stranger")
FULL = ("superuser", "seer")

VIEWERS = (200, 200, 200, 200, 403, 200, 403, 302)
LED_AWAY = (200, 200, 200, 200, 302, 200, 403, 302)
EDITORS = (200, 403, 403, 403, 403, 200, 403, 302)
FINDERS = (200, 403, 403, 200, 200, 200, 403, 302)
NO_ONE = (403, 403, 403, 403, 403, 403, 403, 302)

#: A page or a form of each URL of ours, by its name there, and what each kind is answered.
MATRIX = {
    **{f"{model}_changelist": VIEWERS for model in ALL},
    "otpchallenge_changelist": LED_AWAY,
    **{f"{model}_{view}": VIEWERS for model in ALL for view in ("change", "history")},
    **{f"{model}_{view}": NO_ONE for model in ALL for view in ("add", "delete")},
    "ratelimit_change": NO_ONE,
    "ratelimit_history": NO_ONE,
    "blockedprefix_add": EDITORS,
    "blockedprefix_delete": EDITORS,
    "report": VIEWERS,
    "find_number": FINDERS,
    "find_number, by number": FINDERS,
    "find_number, by challenge": FINDERS,
    **{f"act, {name}": EDITORS for name in ("resend", "open", "lift", "ask", "forget")},
}
FIND = "/admin/kaleyra_otp/otpchallenge/find/"


@pytest.fixture
def rows(configure, outbox):
    """A row of each table, and a challenge whose code is known: the code, and all the keys."""
    configure(PURPOSES={"verify": {"CODE_LENGTH": 10}})
    keys = story()
    challenge = challenges.start(NUMBER)
    SendLog.objects.filter(challenge=challenge).update(message_id="m:1")
    send = SendLog.objects.get(challenge=challenge)
    return {**keys, "code": code_in(outbox[-1]), "challenge": challenge.pk, "send": send.pk}


def requests(rows):
    """Yield each page's name in the matrix, its address, and what is posted to it, if anything is."""
    for model in ALL:
        yield f"{model}_changelist", page(model), None
        yield f"{model}_add", f"{page(model)}add/", None
        for view in ("change", "history", "delete"):
            yield f"{model}_{view}", page(model, rows[model], view), None
    yield "report", "/admin/kaleyra_otp/sendlog/report/", None
    yield "find_number", FIND, None
    yield "find_number, by number", FIND, {"phone_number": NUMBER}
    yield "find_number, by challenge", FIND, {"challenge": rows["challenge"]}
    for name, row in (
        ("resend", {"challenge": rows["challenge"]}),
        ("open", {"challenge": rows["challenge"]}),
        ("lift", {"block": rows["blockedprefix"]}),
        ("ask", {"send": rows["send"]}),
        ("forget", {"challenge": rows["challenge"]}),
    ):
        yield f"act, {name}", f"{FIND}{name}/", row


def urls_of_ours() -> set[str]:
    """The names of the app's URLs in the admin, as they are in the matrix."""
    ours = (entry for entry in admin.site.urls[0] if str(entry.pattern).startswith("kaleyra_otp/"))
    named = (each.name for entry in ours for each in entry.url_patterns if each.name)
    return {name.removeprefix("kaleyra_otp_") for name in named}


def test_each_url_of_ours_is_in_the_matrix():
    """R-109: a page that is new is decided about."""
    assert {name.partition(",")[0] for name in MATRIX} == urls_of_ours()


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_see_and_do_what(kind, rows):
    """R-098, R-106, R-109, R-110: the matrix; no code, and no number but for who may see it."""
    client = Client(raise_request_exception=False) if kind == "stranger" else visit(kind)
    answered, seen = {}, set()
    for name, url, posted in requests(rows):
        response = client.get(url) if posted is None else client.post(url, posted)
        html = response.content.decode()
        answered[name] = response.status_code

        assert rows["code"] not in html, name
        if kind not in FULL:
            # what was typed in is no secret from who typed it
            assert NUMBER[1:] not in html or name == "find_number, by number", name
            assert ADDRESS not in html, name
        if response.status_code == 200:
            seen |= {shown for shown in (MASKED, NUMBER) if shown in html}

    assert answered == {name: each[KINDS.index(kind)] for name, each in MATRIX.items()}
    if kind not in ("nobody", "stranger"):
        assert (NUMBER if kind in FULL else MASKED) in seen


def test_by_a_form_nobody_changes_what_is_evidence(rows):
    """R-109."""
    client = visit("superuser")
    for name, url, _posted in requests(rows):
        if name.endswith(("_add", "_change", "_delete")) and not name.startswith("blockedprefix"):
            assert client.post(url, {"post": "yes", "status": "delivered"}).status_code == 403, name
