"""Every page of ours opens under django-unfold, says what it says elsewhere, and its forms work."""

from __future__ import annotations

import pytest

from django_kaleyra_otp import challenges
from django_kaleyra_otp.models import SendLog
from tests.conftest import NUMBER
from tests.playing import later
from tests.staff import ALL, MASKED, page, story, text_of, visit

pytestmark = [
    pytest.mark.django_db,
    # unfold's own, under a Django that is newer than it
    pytest.mark.filterwarnings("ignore:Overriding get_action_choices"),
]

SITES = pytest.mark.parametrize("site", ["admin", "wholly"])


def on(site, url):
    return url.replace("/admin/", f"/{site}/")


@SITES
def test_every_page_opens(site):
    rows = story()
    client = visit("superuser")
    for model in ALL:
        listed = client.get(on(site, page(model)))
        assert listed.status_code == 200, model
        assert "Find a number" in text_of(listed), model
        if model != "ratelimit":
            assert client.get(on(site, page(model, rows[model]))).status_code == 200, model
            assert client.get(on(site, page(model, rows[model], "history"))).status_code == 200, model
    assert client.get(on(site, f"{page('blockedprefix')}add/")).status_code == 200
    assert client.get(on(site, f"{page('sendlog')}report/")).status_code == 200
    assert "Timeline" in text_of(client.get(on(site, page("sendlog", rows["sendlog"]))))
    filtered = client.get(on(site, f"{page('sendlog')}?country=IN&error_code=E110"))
    assert filtered.status_code == 200


@SITES
def test_a_number_is_found_and_its_code_sent_again(site, outbox):
    challenge = challenges.start(NUMBER)
    later(60)
    client = visit("operator")
    find = on(site, f"{page('otpchallenge')}find/")

    found = client.post(find, {"phone_number": NUMBER})
    assert MASKED in text_of(found)
    assert "Kaleyra took the newest SMS" in text_of(found)
    asked = client.post(f"{find}resend/", {"challenge": challenge.pk})
    assert "No, take me back" in text_of(asked)
    done = client.post(f"{find}resend/", {"challenge": challenge.pk, "confirmed": "yes"}, follow=True)

    assert done.redirect_chain == [(find, 302)]
    assert MASKED in text_of(done)
    assert len(outbox) == SendLog.objects.count() == 2
