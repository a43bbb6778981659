"""``kaleyra_otp_doctor`` and ``kaleyra_otp_callback_profile``; Kaleyra is played by ``responses``."""

from __future__ import annotations

import json
from io import StringIO

import pytest
import requests
import responses
from django.core.management import CommandError, call_command

ACCOUNT = "https://api.in.kaleyra.io/v1/HXTEST0000000000IN"
PROFILE = "IN_00000000-0000-4000-8000-000000000001"
UNAUTHORISED = {
    "code": "RBC001",
    "message": "Incorrect SID or API Key.",
    "data": {},
    "error": {"error": "Incorrect SID or API Key."},
}


@pytest.fixture
def kaleyra(configure):
    configure(
        BACKEND="django_kaleyra_otp.backends.kaleyra.KaleyraBackend",
        NUM_PROXIES=0,
        LIMITS=[{"scope": "global", "rate": "1000/d"}],
        ALLOWED_COUNTRIES=["AE"],
    )
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{ACCOUNT}/messages/identifier", json={"data": [{"identifier": "KLRTST"}], "error": {}})
        yield mock


def profile(kaleyra, status):
    kaleyra.get(
        f"{ACCOUNT}/callback/profiles/{PROFILE}",
        json={
            "data": {
                "id": PROFILE,
                "title": "shop",
                "status": status,
                "url": "https://shop.example/otp/webhook/",
            }
        },
    )


def run(command, *args):
    out = StringIO()
    try:
        call_command(command, *args, stdout=out, no_color=True)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_a_sound_set_up_is_told_so(db, kaleyra):
    profile(kaleyra, 1)

    code, text = run("kaleyra_otp_doctor")

    assert code == 0, text
    assert "Kaleyra accepts SID and API_KEY" in text
    assert "'shop' is on" in text
    assert "ERROR" not in text


def test_a_wrong_key_is_an_error_and_is_not_printed(db, kaleyra, settings):
    """R-084, R-104."""
    kaleyra.replace("GET", f"{ACCOUNT}/messages/identifier", json=UNAUTHORISED, status=401)

    code, text = run("kaleyra_otp_doctor")

    assert code == 1
    assert "RBC001" in text
    assert settings.KALEYRA_OTP["API_KEY"] not in text


ABSENT = {"json": {"code": "X404", "message": "Not Found", "error": {}}, "status": 404}


def test_the_host_of_north_america_tells_nothing_of_accounts_and_condemns_none(db, kaleyra, configure):
    """There are ``/sms`` endpoints alone."""
    configure(POD="na", SID="HXNA", BASE_URL=None)
    account = "https://api.na.kaleyra.ai/v1/HXNA"
    kaleyra.get(f"{account}/messages/identifier", **ABSENT)
    kaleyra.get(f"{account}/callback/profiles/{PROFILE}", **ABSENT)

    code, text = run("kaleyra_otp_doctor")

    assert code == 0, text
    assert "tells nothing of accounts" in text
    assert "tells nothing of callback profiles" in text


def test_any_other_host_that_lacks_what_kaleyra_has_is_an_error(db, kaleyra):
    kaleyra.replace("GET", f"{ACCOUNT}/messages/identifier", **ABSENT)

    code, text = run("kaleyra_otp_doctor")

    assert code == 1
    assert "refused the account" in text


def test_a_profile_that_the_account_does_not_have_is_an_error(db, kaleyra):
    unknown = {"code": "RBC302", "message": "Invalid callback profile.", "error": {}}
    kaleyra.get(f"{ACCOUNT}/callback/profiles/{PROFILE}", json=unknown, status=404)

    code, text = run("kaleyra_otp_doctor")

    assert code == 1
    assert "does not know the profile" in text


@pytest.mark.parametrize("body", [requests.ConnectTimeout(), requests.ReadTimeout()])
def test_an_outage_is_no_traceback(db, kaleyra, body):
    kaleyra.replace("GET", f"{ACCOUNT}/messages/identifier", body=body)

    _, text = run("kaleyra_otp_doctor")

    assert "account default" in text


def test_a_profile_that_kaleyra_switched_off_is_an_error(db, kaleyra):
    """W16."""
    profile(kaleyra, 2)

    code, text = run("kaleyra_otp_doctor")

    assert code == 1
    assert "switched the profile off" in text


def test_findings_for_machines_are_json(db, kaleyra):
    profile(kaleyra, 1)

    _, text = run("kaleyra_otp_doctor", "--json")

    assert {"ok"} <= {finding["health"] for finding in json.loads(text)}


def test_offline_leaves_kaleyra_alone(db, kaleyra):
    run("kaleyra_otp_doctor", "--offline")

    assert len(kaleyra.calls) == 0


def test_a_wrong_setting_is_found_and_never_shown(db, kaleyra, configure):
    configure(CODE_TTL=123456789)

    code, text = run("kaleyra_otp_doctor", "--offline")

    assert code == 1
    assert "CODE_TTL" in text
    assert "123456789" not in text


def test_what_to_paste_has_the_address_and_no_secret(settings):
    _, text = run("kaleyra_otp_callback_profile", "https://shop.example")

    assert "https://shop.example/otp/webhook/" in text
    assert '"status": "<status>"' in text
    assert settings.KALEYRA_OTP["WEBHOOK_SECRET"] not in text


def test_what_to_paste_is_shown_before_the_site_has_an_address():
    code, text = run("kaleyra_otp_callback_profile")

    assert code == 0
    assert "https://your-site.example/otp/webhook/" in text
    with pytest.raises(CommandError, match=r"Give the site's address"):
        run("kaleyra_otp_callback_profile", "--create")


@pytest.mark.parametrize(
    ("site", "told"),
    [("http://shop.example", True), ("https://shop.example", False), ("http://127.0.0.1:8000", False)],
)
def test_an_address_by_which_the_secret_can_be_read_is_told(site, told):
    told_of = StringIO()
    call_command("kaleyra_otp_callback_profile", site, stdout=StringIO(), stderr=told_of)

    assert ("https://" in told_of.getvalue()) is told


def test_the_secret_is_printed_where_it_is_asked_for(settings):
    _, text = run("kaleyra_otp_callback_profile", "https://shop.example", "--show-secret")

    assert settings.KALEYRA_OTP["WEBHOOK_SECRET"] in text


def test_a_profile_is_made_and_its_id_told(kaleyra, settings):
    kaleyra.post(
        f"{ACCOUNT}/callback/profiles",
        json={"code": "RBC024", "data": {"id": PROFILE, "title": "t", "status": 1, "url": "u"}, "error": {}},
    )

    _, text = run("kaleyra_otp_callback_profile", "https://shop.example", "--create")

    assert PROFILE in text
    sent = json.loads(kaleyra.calls[-1].request.body)
    assert sent["url"] == "https://shop.example/otp/webhook/"
    assert sent["headers"]["X-Kaleyra-Otp-Secret"] == settings.KALEYRA_OTP["WEBHOOK_SECRET"]
    assert "<message>" not in json.dumps(sent["body"])


def test_a_refused_profile_is_an_error_of_the_command(kaleyra):
    kaleyra.post(f"{ACCOUNT}/callback/profiles", json=UNAUTHORISED, status=401)

    with pytest.raises(CommandError, match="RBC001"):
        run("kaleyra_otp_callback_profile", "https://shop.example", "--create")


def test_a_profile_is_made_in_the_account_of_a_route(kaleyra, configure):
    configure(
        ROUTES=[{"NAME": "emirates", "PREFIXES": ["+971"], "POD": "eu", "SID": "HXEU", "API_KEY": "A" * 33}]
    )
    kaleyra.post(
        "https://api.eu.kaleyra.io/v1/HXEU/callback/profiles",
        json={"code": "RBC024", "data": {"id": PROFILE, "title": "t", "status": 1, "url": "u"}, "error": {}},
    )

    _, text = run("kaleyra_otp_callback_profile", "https://shop.example", "--create", "--route", "emirates")

    assert f"CALLBACK_PROFILE_ID of the route 'emirates' in KALEYRA_OTP['ROUTES'] = '{PROFILE}'" in text


def test_a_route_that_is_none_is_refused_with_those_that_are(configure):
    configure(ROUTES=[{"NAME": "emirates", "PREFIXES": ["+971"]}])

    with pytest.raises(CommandError, match="there are: default, emirates"):
        run("kaleyra_otp_callback_profile", "https://shop.example", "--route", "india")


def test_a_secret_too_short_is_an_error_of_the_command_and_not_shown(configure):
    configure(WEBHOOK_SECRET="tooshort")

    with pytest.raises(CommandError, match="WEBHOOK_SECRET") as refused:
        run("kaleyra_otp_callback_profile", "https://shop.example")

    assert "tooshort" not in str(refused.value)


@pytest.mark.parametrize("site", ["shop.example", "ftp://shop.example", "https://a:b@shop.example"])
def test_an_address_that_is_none_is_refused(site):
    with pytest.raises(CommandError, match=r"https://shop\.example"):
        run("kaleyra_otp_callback_profile", site)
