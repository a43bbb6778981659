"""The shapes of the settings: what is taken, and what a wrong value is told."""

import datetime as dt

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from django_kaleyra_otp import shapes
from django_kaleyra_otp.conf import conf, known

CANARY = "canary-9f3c"
SECRET = "k3y-with-32-characters-or-more-0123456789"

#: For each key, values that must be refused.
WRONG = {
    "BACKEND": ["", "backend", "shop sms.Backend", 1, None, f"{CANARY}."],
    "POD": ["us", "IN", 1, ["in"], CANARY],
    "SID": [f"{CANARY}/..", f"{CANARY}\r\n", "x" * 65, 1, None],
    "API_KEY": [f"{CANARY}\r\nX-Evil: 1", f"{CANARY} 1", f"{CANARY}\x00", f"{CANARY}é", 1, None],
    "SENDER": [f"{CANARY}\r\n", "KLRTST-T", "KLRTST-S", "ab", "x" * 12, "1" * 16, "My Shop", 1, None],
    "CALLBACK_PROFILE_ID": [f"{CANARY}\r\n", f"{CANARY}?", 1, None],
    "BASE_URL": [
        "http://api.in.kaleyra.io",
        "https://169.254.169.254",
        "https://[fd00:ec2::254]",
        "https://0x7f000001",
        "https://2130706433",
        "https://api.kaleyra.io@evil.com",
        "https://evil.com/#api.kaleyra.io",
        "https://evil.com/?x",
        "https://api.kaleyra.io:99999",
        "https://api.kaleyra.io\r\n",
        "https://kaleyra",
        "ftp://api.kaleyra.io",
        "//api.kaleyra.io",
        f"https://{CANARY}",
        1,
    ],
    "ROUTES": [
        {},
        [CANARY],
        [{}],
        [{"PREFIXES": []}],
        [{"PREFIXES": "+91"}],
        [{"PREFIXES": ["91"]}],
        [{"PREFIXES": ["+91"], "SID": f"{CANARY}\n"}],
        [{"PREFIXES": ["+91"], "api_key": CANARY}],
        [{"PREFIXES": ["+91"], "BASE_URL": f"http://{CANARY}"}],
        [{"PREFIXES": ["+91"], "NAME": "default"}],
        [{"PREFIXES": ["+91"], "NAME": "a"}, {"PREFIXES": ["+1"], "NAME": "a"}],
    ],
    "MESSAGES": [
        [],
        {},
        [CANARY],
        [{}],
        [{"BODY": ""}],
        [{"BODY": CANARY}],
        [{"BODY": f"{CANARY} {{code.__class__}}"}],
        [{"BODY": f"{CANARY} {{code}} {{Name}}"}],
        [{"BODY": f"{CANARY} {{code}} {{"}],
        [{"BODY": f"{CANARY} {{code}}\n"}],
        [{"BODY": f"{CANARY} {{code}}\rx"}],
        [{"BODY": f"{CANARY} {{code}}\u2028x"}],
        [{"BODY": f"{CANARY} {{code}}\ud800"}],
        [{"BODY": "x" * 994 + " {code}"}],
        [{"BODY": "@example.com #{code}\nmore"}],
        [{"BODY": "Code {code}\n@example.com {code}"}],
        [{"BODY": "Code {code}\n@ #{code}"}],
        [{"BODY": "Code {code}\n@https://example.com #{code}"}],
        [{"BODY": "Code {code}\n@example.com #{code} and more"}],
        [{"BODY": "Code {code}\n@example..com #{code}"}],
        [{"BODY": "<#> Code {code}\nFA+9qCX9VS"}],
        [{"BODY": "{code}", "purpose": CANARY}],
        [{"BODY": "{code}", "language": "hi_IN"}],
        [{"BODY": "{code}", "prefixes": "+91"}],
        [{"BODY": "{code}", "TEMPLATE_ID": CANARY}],
        [{"BODY": "{code}", "REGISTERED": ""}],
        [{"BODY": "{code}", "template_id": "1"}],
    ],
    "SERVICE_NAME": ["", CANARY * 5, f"{CANARY}\n", f"{CANARY}{{code}}", "\u202ex", 1],
    "CODE_LENGTH": [5, 11, "6", 6.0, True, None],
    "CODE_TTL": [0, 601, "300", None],
    "MAX_ATTEMPTS": [2, 11, "5", None],
    "MAX_FAILURES": [0, 101, "100"],
    "PURPOSES": [
        [],
        {"Verify": {}},
        {"x" * 33: {}},
        {CANARY: {}},
        {1: {}},
        {"verify": CANARY},
        {"verify": {"CODE_LENGTH": 5}},
        {"verify": {"CODE_TTL": 601}},
        {"verify": {"API": 1}},
        {"verify": {"LIMITS": [{"scope": CANARY, "rate": "1/h"}]}},
        {"verify": {"length": 6}},
    ],
    "CODE_KEY": [[], SECRET, [CANARY], [1], [SECRET, CANARY]],
    "RESEND_COOLDOWN": [-1, 3601, "30", None],
    "MAX_SENDS": [0, 21, None],
    "LIMITS": [
        {},
        ["5/h"],
        [{"scope": "phone"}],
        [{"scope": CANARY, "rate": "5/h"}],
        [{"scope": "phone", "rate": "0/h"}],
        [{"scope": "phone", "rate": "5/0h"}],
        [{"scope": "phone", "rate": "5/32d"}],
        [{"scope": "phone", "rate": "5"}],
        [{"scope": "phone", "rate": CANARY}],
        [{"scope": "phone", "rate": 5}],
    ],
    "ALLOWED_COUNTRIES": ["IN", ["in"], ["INDIA"], ["ZZ"], [["IN"]], [None], {"IN": 1}, [CANARY], 1],
    "GUARD": [
        "off",
        {"MODE": CANARY},
        {"MODE": ["off"]},
        {"WINDOW": 599},
        {"MIN_SENDS": 4},
        {"MIN_CONVERSION": 1},
        {"MIN_CONVERSION": float("nan")},
        {"BLOCK_TIME": 59},
        {"ALLOW": ["91"]},
        {"mode": "off"},
    ],
    "SENDING": [None, 1, "yes", CANARY],
    "RISK": ["", "risk", 1, CANARY],
    "DISPATCH": [None, "", "huey", ["inline"], CANARY],
    "TEST_NUMBERS": [
        [],
        {"9999900001": {"code": "123456", "until": "2027-01-01"}},
        {"+919999900001": CANARY},
        {"+919999900001": {"code": "123456"}},
        {"+919999900001": {"code": 123456, "until": "2020-01-01"}},
        {"+919999900001": {"code": f"12345{CANARY}", "until": "2020-01-01"}},
        {"+919999900001": {"code": "123456", "until": "soon"}},
        {"+919999900001": {"code": "123456", "until": "9999-01-01"}},
        {"+919999900001": {"code": "123456", "until": dt.datetime(2020, 1, 1)}},
    ],
    "WEBHOOK_SECRET": [
        None,
        "changeme",
        CANARY,
        f"{SECRET} ",
        f"{SECRET}é",
        [],
        [SECRET, CANARY],
        [1],
    ],
    "TIMEOUT": [3, (3,), (3, 16), (0, 10), ("3", "10"), (True, 1), (float("nan"), 1), (3, 10, 1), None],
    "RETRIES": [-1, 6, "2", None],
    "NUM_PROXIES": [-1, 11, None, "1"],
    "USER_PHONE": ["", "profile.phone", "1phone", 1, None, f"{CANARY}"],
    "RETENTION": [0, 3651, None],
}

#: For each key, values that must be taken, beside the default.
RIGHT = {
    "BACKEND": ["shop.sms.Backend"],
    "POD": ["in", "sg", "eu", "na"],
    "SID": ["HXAP1600000000IN"],
    "API_KEY": ["A0123456789abcdef"],
    "SENDER": ["KLRTST", "KiranaStore", "+15550100000", "919876543210123"],
    "CALLBACK_PROFILE_ID": ["IN_00000000-0000-4000-8000-000000000001"],
    "BASE_URL": [
        "https://api.kaleyra.io",
        "https://api.kaleyra.io/",
        "https://proxy.corp.example:8443",
        "http://localhost:8002",
        "http://127.0.0.1:8002/",
        "http://[::1]:8002",
    ],
    "ROUTES": [
        [{"PREFIXES": ["+91", "+9198"], "NAME": "india", "POD": "in", "SID": "X", "API_KEY": "k"}],
        ({"PREFIXES": ("+1",), "BASE_URL": "http://localhost:1"},),
    ],
    "MESSAGES": [
        [{"BODY": "{code}"}],
        [{"BODY": "Code {code}\n\n@example.com #{code}"}],
        [{"BODY": "Code {code}\n@example.com #{code} @pay.example"}],
        [{"BODY": "<#> Code {code}\nFA+9qCX9VSu"}],
        [
            {
                "BODY": "आपका कोड {code} है\u200d।",
                "language": "hi",
                "prefixes": ["+91"],
                "TEMPLATE_ID": "1" * 19,
            }
        ],
    ],
    "SERVICE_NAME": ["Kirana", "किराना"],
    "CODE_LENGTH": [6, 10],
    "CODE_TTL": [1, 600],
    "MAX_ATTEMPTS": [3, 10],
    "MAX_FAILURES": [None, 1, 100],
    "PURPOSES": [{}, {"transfer": {"API": False, "CODE_TTL": 120, "MAX_FAILURES": None, "LIMITS": []}}],
    "CODE_KEY": [[SECRET], (SECRET, SECRET[::-1])],
    "RESEND_COOLDOWN": [0, 3600],
    "MAX_SENDS": [1, 20],
    "LIMITS": [[], [{"scope": "global", "rate": "1000/d"}, {"scope": "country", "rate": "5/31d"}]],
    "ALLOWED_COUNTRIES": ["*", ["IN", "AE"], {"US"}, []],
    "GUARD": [{}, {"MODE": "enforce", "MIN_CONVERSION": 0.2, "ALLOW": ["+9198"]}],
    "SENDING": [True, False, "shop.sms.sending", lambda: True],
    "RISK": [None, "shop.risk.ask"],
    "DISPATCH": ["inline", "tasks", "celery", "shop.sms.later"],
    "TEST_NUMBERS": [{"+919999900001": {"code": "123456", "until": "2020-01-01"}}],
    "WEBHOOK_SECRET": ["", SECRET, "a long sentence is a secret too: 4711", [SECRET, SECRET[::-1]]],
    "TIMEOUT": [(1, 2), [0.1, 15]],
    "RETRIES": [0, 5],
    "NUM_PROXIES": [0, 10],
    "USER_PHONE": ["profile__phone"],
    "RETENTION": [1, 3650],
}


def pairs(table):
    return [pytest.param(key, value, id=f"{key}-{n}") for key in table for n, value in enumerate(table[key])]


def test_every_key_is_tried():
    assert set(WRONG) == set(RIGHT) == set(known())


@pytest.mark.parametrize("key", known())
def test_a_default_passes_its_own_test_and_has_a_line_of_docs(key):
    setting = known()[key]

    assert setting.complaint(setting.default) == ""
    assert len(setting.doc) > 10


@pytest.mark.parametrize(("key", "value"), pairs(RIGHT))
def test_a_right_value_is_taken(key, value):
    assert known()[key].complaint(value) == ""
    with override_settings(KALEYRA_OTP={key: value}):
        assert type(getattr(conf, key)) is type(known()[key].parse(value))


@pytest.mark.parametrize(("key", "value"), pairs(WRONG))
def test_reading_a_wrong_value_names_the_key_and_never_the_value(key, value):
    """R-085, R-105."""
    with override_settings(KALEYRA_OTP={key: value}), pytest.raises(ImproperlyConfigured) as caught:
        getattr(conf, key)

    text = str(caught.value)
    assert text.startswith(f"KALEYRA_OTP['{key}']")
    assert text.endswith(".")
    assert CANARY not in text


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text().map(f"{CANARY}{{}}".format)
names = st.sampled_from(
    ["PREFIXES", "NAME", "SID", "BODY", "purpose", "scope", "rate", "MODE", "ALLOW", "verify", "LIMITS"]
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(value=anything)
def test_no_value_breaks_a_complaint_or_shows_in_one(value):
    for setting in known().values():
        wrong = setting.complaint(value)
        assert CANARY not in wrong
        if not wrong:
            setting.parse(value)


def test_a_test_number_may_be_good_for_ninety_days_and_no_longer():
    """R-117."""
    today = dt.datetime.now(dt.UTC).date()
    setting = known()["TEST_NUMBERS"]

    def complaint(days):
        until = today + dt.timedelta(days=days)
        return setting.complaint({"+919999900001": {"code": "123456", "until": until}})

    assert complaint(89) == ""
    assert complaint(92) != ""


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("127.1", False),
        ("localhost.evil.com", False),
    ],
)
def test_this_machine_is_known_by_name_and_address(host, is_it):
    assert shapes.is_loopback(host) is is_it
