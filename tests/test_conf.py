"""The settings: defaults, shapes, and what a wrong value is told."""

import datetime as dt
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.views.debug import SafeExceptionReporterFilter

from django_kaleyra_otp.conf import Settings, conf
from django_kaleyra_otp.shapes import Guard, Limit, Message
from django_kaleyra_otp.types import Secret

CANARY = "canary-9f3c"
SECRET = "k3y-with-32-characters-or-more-0123456789"


@pytest.mark.parametrize("key", ["API_KEY", "WEBHOOK_SECRET"])
def test_the_frame_that_refuses_a_secret_has_none_among_its_locals(key):
    """R-104."""
    with override_settings(KALEYRA_OTP={key: SECRET}):
        getattr(conf, key)
    with override_settings(KALEYRA_OTP={key: f"{CANARY} x"}), pytest.raises(ImproperlyConfigured) as caught:
        getattr(conf, key)

    ours = [entry.frame for entry in caught.traceback if "django_kaleyra_otp" in str(entry.path)]
    assert ours
    for frame in ours:
        assert CANARY not in repr(frame.f_locals)
        assert SECRET not in repr(frame.f_locals)


def test_settings_are_read_when_asked():
    with override_settings(KALEYRA_OTP={"CODE_TTL": 60}):
        assert conf.CODE_TTL == 60
        with override_settings(KALEYRA_OTP={"CODE_TTL": 90}):
            assert conf.CODE_TTL == 90
        assert conf.CODE_TTL == 60
    with override_settings(KALEYRA_OTP={}):
        assert conf.CODE_TTL == 300


@pytest.mark.parametrize("value", [None, [], "x"])
def test_what_is_no_dict_leaves_the_defaults(value):
    with override_settings(KALEYRA_OTP=value):
        assert conf.CODE_LENGTH == 6
        assert not conf.ALLOWED_COUNTRIES


def test_secrets_come_out_redacted():
    """R-104."""
    given = {
        "API_KEY": SECRET,
        "CODE_KEY": [SECRET],
        "WEBHOOK_SECRET": SECRET,
        "ROUTES": [{"PREFIXES": ["+91"], "API_KEY": SECRET}],
        "TEST_NUMBERS": {"+919999900001": {"code": "771177", "until": "2020-01-01"}},
    }
    with override_settings(KALEYRA_OTP=given):
        shown = repr([getattr(conf, key) for key in given])
        assert conf.WEBHOOK_SECRET[0].reveal() == SECRET
        assert isinstance(conf.ROUTES[0].account["API_KEY"], Secret)

    assert SECRET not in shown
    assert "771177" not in shown


def test_values_come_out_parsed():
    given = {
        "LIMITS": [{"scope": "phone", "rate": "3/10m"}, {"scope": "ip", "rate": "5/h"}],
        "GUARD": {"MODE": "enforce", "ALLOW": ["+91"]},
        "ALLOWED_COUNTRIES": ["IN"],
        "MESSAGES": [{"BODY": "{code}", "prefixes": ["+91"], "TEMPLATE_ID": "1" * 19}],
        "TIMEOUT": [1, 2],
        "BASE_URL": "https://api.kaleyra.io/",
        "TEST_NUMBERS": {"+919999900001": {"code": "123456", "until": "2020-01-31"}},
    }
    with override_settings(KALEYRA_OTP=given):
        assert (Limit("phone", 3, 600_000_000), Limit("ip", 5, 3_600_000_000)) == conf.LIMITS
        assert Guard(mode="enforce", allow=("+91",)) == conf.GUARD
        assert {"IN"} == conf.ALLOWED_COUNTRIES
        assert (Message("{code}", prefixes=("+91",), template_id="1" * 19),) == conf.MESSAGES
        assert conf.TIMEOUT == (1.0, 2.0)
        assert conf.BASE_URL == "https://api.kaleyra.io"
        assert conf.TEST_NUMBERS["+919999900001"].until == dt.date(2020, 1, 31)


def test_routes_without_a_name_are_told_apart():
    given = [{"PREFIXES": ["+91"]}, {"PREFIXES": ["+91"]}, {"PREFIXES": ["+1"], "NAME": "+91-2"}]
    with override_settings(KALEYRA_OTP={"ROUTES": given}):
        names = [entry.name for entry in conf.ROUTES]

    assert names == ["+91", "+91-3", "+91-2"]


def test_purposes_are_merged_over_the_built_in_ones_key_by_key():
    """R-029."""
    own = {"transfer": {"CODE_TTL": 120, "MAX_FAILURES": None}, "login": {"MAX_ATTEMPTS": 3}}
    with override_settings(KALEYRA_OTP={"PURPOSES": own, "CODE_LENGTH": 8}):
        transfer, login = conf.purpose("transfer"), conf.purpose("login")
        assert conf.purpose_names() == ["verify", "login", "second_factor", "step_up", "transfer"]
        assert conf.purpose("step_up").api is False
        assert conf.purpose("xyz") is None

    assert (transfer.api, transfer.code_ttl, transfer.code_length) == (False, 120, 8)
    assert transfer.max_failures is None
    assert (login.api, login.code_ttl, login.max_attempts, login.max_failures) == (True, 300, 3, 100)


def test_a_purpose_may_have_limits_of_its_own():
    own = {"login": {"LIMITS": [{"scope": "phone", "rate": "1/d"}]}}
    with override_settings(KALEYRA_OTP={"PURPOSES": own}):
        assert conf.purpose("login").limits == (Limit("phone", 1, 86_400_000_000),)
        assert conf.purpose("verify").limits == conf.LIMITS


def test_settings_names_with_secrets_are_hidden_by_django():
    """R-104."""
    given = {"API_KEY": CANARY, "CODE_KEY": [CANARY], "WEBHOOK_SECRET": CANARY}
    given["ROUTES"] = [{"PREFIXES": ["+91"], "API_KEY": CANARY}]
    shown = SafeExceptionReporterFilter().cleanse_setting("KALEYRA_OTP", given)

    assert CANARY not in repr(shown)


def test_a_value_is_looked_at_once_however_often_it_is_read():
    looked = []

    def count(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "complaint":
            looked.append(frame.f_code.co_name)

    with override_settings(KALEYRA_OTP={"SERVICE_NAME": "Kirana store"}):
        sys.setprofile(count)
        try:
            read = [conf.SERVICE_NAME for _ in range(3)]
        finally:
            sys.setprofile(None)

    assert read == ["Kirana store"] * 3
    assert looked == ["complaint"]


def test_the_class_gives_the_setting_and_the_instance_its_value():
    assert Settings.CODE_TTL.name == "CODE_TTL"
    assert Settings.CODE_TTL.default == 300
    with override_settings(KALEYRA_OTP={}):
        assert conf.CODE_TTL == 300
