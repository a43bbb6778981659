"""The system checks: each bad setting gives its id, a good one gives none."""

import pytest
from django.core import checks as django_checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from django_kaleyra_otp import checks
from django_kaleyra_otp.backends.kaleyra import KaleyraBackend
from django_kaleyra_otp.simulator import CALLBACK_SECRET

CANARY = "canary-9f3c"
SECRET = "k3y-with-32-characters-or-more-0123456789"
DLT = {"BODY": "{code} is your Kirana code.", "prefixes": ["+91"], "TEMPLATE_ID": "1107160000000000001"}
GOOD = {
    "POD": "in",
    "SID": "HXAP1600000000IN",
    "API_KEY": "A0123456789abcdef0123456789abcdef",
    "SENDER": "KLRTST",
    "CALLBACK_PROFILE_ID": "IN_00000000-0000-4000-8000-000000000001",
    "WEBHOOK_SECRET": SECRET,
    "ALLOWED_COUNTRIES": ["IN", "AE"],
    "MESSAGES": [DLT, {"BODY": "{code} is your Kirana code."}],
    "LIMITS": [{"scope": "phone", "rate": "5/h"}, {"scope": "global", "rate": "1000/d"}],
    "NUM_PROXIES": 1,
    "DISPATCH": "tests.test_checks.later",
}
ACCOUNT = ("POD", "SID", "API_KEY", "SENDER", "CALLBACK_PROFILE_ID")
PHONE_BACKEND = "django_kaleyra_otp.login.backends.PhoneBackend"


class HouseBackend(KaleyraBackend):
    """A project's own, made from ours."""


class Elsewhere:
    """A router that parts our tables."""

    def db_for_write(self, model, **hints):
        return "other" if model._meta.model_name == "ratelimit" else None


def later(send_log_id):
    """What DISPATCH may name."""


@pytest.fixture(autouse=True)
def _new_numbering(monkeypatch):
    """The age of the installed phonenumbers is nobody's but its own test's."""
    monkeypatch.setattr("phonenumbers.__version__", "99.0.0")


def found(deploy=False, auth=(), **changes):
    """Return the messages of our checks, under the good settings with some changed (None: left out)."""
    given = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with override_settings(KALEYRA_OTP=given, AUTHENTICATION_BACKENDS=list(auth)):
        return django_checks.run_checks(tags=["kaleyra_otp"], include_deployment_checks=deploy)


def ids(*args, **kwargs):
    return [message.id.removeprefix("kaleyra_otp.") for message in found(*args, **kwargs)]


def messages(*entries):
    """Return entries of MESSAGES with, last, one for whatever is left."""
    return [*entries, DLT, {"BODY": "{code} is your code."}]


#: Every id, by what gives it. Each stands for one setting gone wrong.
BAD = [
    ("E002", {"CODE_TLL": 300}),
    ("E003", {"CODE_TTL": 601}),
    ("E003", {"CODE_LENGTH": 5}),
    ("E003", {"API_KEY": f"{CANARY}\r\nX-Evil: 1"}),
    ("E003", {"SENDER": "KLRTST-T"}),
    ("E003", {"BASE_URL": "http://api.in.kaleyra.io"}),
    ("E003", {"BASE_URL": "https://api.kaleyra.io@evil.com"}),
    ("E003", {"WEBHOOK_SECRET": "changeme"}),
    ("E018", {"WEBHOOK_SECRET": "changeme" * 5}),
    ("E018", {"WEBHOOK_SECRET": "a" * 64}),
    ("E018", {"WEBHOOK_SECRET": [SECRET, "change-me-please-change-me-please-0123"]}),
    ("E018", {"WEBHOOK_SECRET": "your-webhook-secret-goes-here-0123456789"}),
    ("E018", {"CODE_KEY": ["changeme" * 4]}),
    *(("E018", {"API_KEY": key}) for key in ("changeme", "12345678", "x" * 33, "your-api-key")),
    ("E018", {"ROUTES": [{"PREFIXES": ["+1"], "API_KEY": "example"}]}),
    ("E018", {"WEBHOOK_SECRET": "replace-me-replace-me-replace-me-12"}),
    ("E003", {"MESSAGES": messages({"BODY": "{code}\n@ #{code}"})}),
    ("E003", {"TEST_NUMBERS": {"+919999900001": {"code": "123456", "until": "9999-01-01"}}}),
    *(("E004", {key: None}) for key in ACCOUNT),
    ("E004", {"SID": None, "BACKEND": "tests.test_checks.HouseBackend"}),
    ("E005", {"ALLOWED_COUNTRIES": None}),
    ("E005", {"ALLOWED_COUNTRIES": []}),
    ("E006", {"WEBHOOK_SECRET": None}),
    ("E006", {"WEBHOOK_SECRET": ""}),
    ("E007", {"RISK": "shop.risk.ask"}),
    ("E007", {"SENDING": "tests.test_checks.GOOD"}),
    ("E007", {"DISPATCH": "tests.test_checks.gone"}),
    ("E008", {"MESSAGES": messages({**DLT, "purpose": "login", "REGISTERED": "{#var#} is yours"})}),
    ("E009", {"MESSAGES": [DLT]}),
    ("E009", {"MESSAGES": [{**DLT, "purpose": "login"}, {"BODY": "{code}", "prefixes": ["+971"]}]}),
    ("E010", {"MESSAGES": messages({"BODY": "{code}", "purpose": "logn"})}),
    ("E011", {"MESSAGES": [{"BODY": "{code}"}]}),
    ("E011", {"MESSAGES": [{**DLT, "prefixes": ["+9198"]}, {"BODY": "{code}"}]}),
    ("E011", {"MESSAGES": [{**DLT, "language": "hi"}, {"BODY": "{code}"}]}),
    ("E012", {"CODE_KEY": [SECRET]}),
    ("E012", {"API_KEY": SECRET}),
    ("W001", {"POD": "sg"}),
    ("W001", {"ROUTES": [{"PREFIXES": ["+1"], "SID": "HX00000000EU"}]}),
    ("W002", {"CALLBACK_PROFILE_ID": "00000000-0000-4000-8000-000000000001"}),
    ("W003", {"MESSAGES": messages({**DLT, "BODY": "{code}" + "x" * 160, "purpose": "login"})}),
    ("W003", {"MESSAGES": messages({**DLT, "BODY": "{code}" + "क" * 65, "language": "hi"})}),
    ("W003", {"MESSAGES": messages({**DLT, "BODY": "{code} {payee}" + "x" * 130, "purpose": "login"})}),
    ("W004", {"MESSAGES": messages({**DLT, "BODY": "{code} {n} {minutes}", "purpose": "login"})}),
    ("W005", {"SENDER": "KIRANA1"}),
    ("W005", {"ROUTES": [{"PREFIXES": ["+9198"], "SENDER": "123456"}]}),
    ("W006", {"ALLOWED_COUNTRIES": "*", "MESSAGES": [{"BODY": "{code}"}]}),
    ("W009", {"MESSAGES": [*messages(), {"BODY": "{code}", "language": "hi"}]}),
]

#: As above, under ``check --deploy``.
BAD_IN_DEPLOYMENT = [
    ("E014", {"BACKEND": "django_kaleyra_otp.backends.console.ConsoleBackend"}),
    ("E014", {"BACKEND": "django_kaleyra_otp.backends.locmem.LocMemBackend"}),
    ("E014", {"BACKEND": "django_kaleyra_otp.backends.dummy.DummyBackend"}),
    ("E015", {"BASE_URL": "http://localhost:8002"}),
    ("E015", {"BASE_URL": "http://[::1]:8002"}),
    ("E015", {"ROUTES": [{"PREFIXES": ["+1"], "BASE_URL": "https://127.0.0.1"}]}),
    ("E016", {"NUM_PROXIES": None}),
    ("E017", {"WEBHOOK_SECRET": CALLBACK_SECRET}),
    ("E017", {"WEBHOOK_SECRET": [SECRET, CALLBACK_SECRET]}),
    ("W011", {"LIMITS": None}),
    ("W011", {"PURPOSES": {"login": {"LIMITS": [{"scope": "phone", "rate": "5/h"}]}}}),
    ("W012", {"TEST_NUMBERS": {"+919999900001": {"code": "123456", "until": "2020-01-01"}}}),
    ("W013", {"ALLOWED_COUNTRIES": "*"}),
    ("W013", {"GUARD": {"MODE": "off"}}),
    ("W013", {"PURPOSES": {"login": {"MAX_FAILURES": None}}}),
    ("W013", {"RESEND_COOLDOWN": 0}),
    ("W013", {"LIMITS": [{"scope": "global", "rate": "1000/d"}]}),
]


def test_good_settings_give_nothing():
    """R-137."""
    assert found(deploy=True) == []


@pytest.mark.parametrize(("number", "changes"), BAD)
def test_a_bad_setting_gives_its_id_and_no_other(number, changes):
    """R-137, R-105, R-075, R-085."""
    assert set(ids(**changes)) == {number}


@pytest.mark.parametrize(("number", "changes"), BAD_IN_DEPLOYMENT)
def test_what_must_not_be_deployed_gives_its_id_under_deploy_alone(number, changes):
    """R-137, R-115, R-117."""
    assert ids(deploy=True, **changes) == [number]
    assert ids(**changes) == []


def test_every_id_is_documented_and_has_a_test():
    """R-137."""
    tried = {number for number, _ in [*BAD, *BAD_IN_DEPLOYMENT]}
    apart = {"E001", "E013", "E019", "E020", "W007", "W008", "W010", "W014", "W015", "W016", "W017", "W018"}

    assert {f"kaleyra_otp.{number}" for number in tried | apart} == set(checks.CHECKS)
    assert not tried & apart


@pytest.mark.parametrize("changes", [changes for _, changes in [*BAD, *BAD_IN_DEPLOYMENT]])
def test_a_message_has_a_hint_and_is_as_grave_as_its_id_says(changes):
    for message in found(deploy=True, **changes):
        assert message.hint
        assert "``" not in f"{message.msg}{message.hint}"
        assert message.id in checks.CHECKS
        assert message.level == (30 if ".W" in message.id else 40)


@pytest.mark.parametrize(
    "changes",
    [
        {"API_KEY": f"{CANARY} x"},
        {"WEBHOOK_SECRET": CANARY},
        {"CODE_KEY": [CANARY]},
        {"ROUTES": [{"PREFIXES": ["+91"], "API_KEY": f"{CANARY}\n"}]},
        {"MESSAGES": messages({**DLT, "BODY": "{code}" + CANARY * 20, "REGISTERED": CANARY})},
        {"RISK": "tests.canary_9f3c.ask"},
        {"SENDER": "CANARY9f3c"},
        {"SID": "CANARY9f3cEU"},
        {"CALLBACK_PROFILE_ID": "CANARY9f3c"},
        {"TEST_NUMBERS": {"+918888800001": {"code": CANARY, "until": "2020-01-01"}}},
        {"API_KEY": f"{SECRET}{CANARY}", "WEBHOOK_SECRET": f"{SECRET}{CANARY}"},
    ],
)
def test_no_message_shows_a_value(changes):
    """R-085, R-104."""
    shown = found(deploy=True, **changes)

    assert shown
    for word in ("canary", "9f3c", "88888", SECRET):
        assert word not in repr(shown).lower()


@pytest.mark.parametrize("value", [None, [], "x"])
def test_settings_that_are_no_dict_are_the_one_thing_said(value):
    with override_settings(KALEYRA_OTP=value):
        shown = django_checks.run_checks(tags=["kaleyra_otp"], include_deployment_checks=True)

    assert [message.id for message in shown] == ["kaleyra_otp.E001"]


def test_without_any_settings_each_required_key_is_named():
    with override_settings(KALEYRA_OTP={}, AUTHENTICATION_BACKENDS=[]):
        shown = django_checks.run_checks(tags=["kaleyra_otp"])

    text = " ".join(message.msg for message in shown)
    assert [message.id[-4:] for message in shown] == ["E005", "E006", *["E004"] * 5]
    for key in (
        "SID",
        "API_KEY",
        "SENDER",
        "CALLBACK_PROFILE_ID",
        "POD",
        "ALLOWED_COUNTRIES",
        "WEBHOOK_SECRET",
    ):
        assert f"'{key}'" in text


def test_a_misspelt_key_is_told_what_was_meant():
    (message,) = found(web_hook_secret=SECRET)

    assert message.hint == "Did you mean 'WEBHOOK_SECRET'?"


def test_an_unknown_key_hides_no_other_finding():
    assert ids(zzz=1, WEBHOOK_SECRET=None) == ["E002", "E006"]


def test_a_key_like_no_other_is_told_all_there_are():
    (message,) = found(zzz=1)

    assert "CODE_TTL" in message.hint


def test_a_wrong_value_is_told_its_line_of_docs():
    (message,) = found(CODE_TTL=601)

    assert message.msg == "KALEYRA_OTP['CODE_TTL'] must be a whole number from 1 to 600."
    assert message.hint == "Seconds a code stays good: a whole number, 1 to 600."


def test_the_check_command_fails_on_an_error():
    """R-058."""
    with (
        override_settings(KALEYRA_OTP={**GOOD, "ALLOWED_COUNTRIES": None}),
        pytest.raises(CommandError) as caught,
    ):
        call_command("check", tags=["kaleyra_otp"])

    assert "kaleyra_otp.E005" in str(caught.value)


# Accounts


def test_each_route_that_lacks_a_key_is_named_once_a_key():
    route = {"PREFIXES": ["+971"], "NAME": "emirates"}
    (message,) = found(SENDER=None, ROUTES=[route, {**route, "NAME": "second", "SENDER": "KIRANA"}])

    assert message.id == "kaleyra_otp.E004"
    assert "default, emirates." in message.msg


def test_an_account_that_no_allowed_number_goes_by_may_be_empty():
    account = {key: GOOD[key] for key in ACCOUNT}
    emptied = dict.fromkeys(account)
    routes = [{"PREFIXES": ["+91", "+971"], **account}]

    assert ids(ROUTES=routes, **emptied) == []
    assert ids(ROUTES=[{**routes[0], "PREFIXES": ["+91"]}], **emptied) == ["E004"] * 5


def test_an_address_of_its_own_stands_in_for_the_pod():
    assert ids(POD=None, BASE_URL="https://kaleyra.corp.example") == []


@pytest.mark.parametrize("backend", ["console.ConsoleBackend", "locmem.LocMemBackend", "dummy.DummyBackend"])
def test_a_backend_that_sends_nothing_needs_no_account(backend):
    assert ids(BACKEND=f"django_kaleyra_otp.backends.{backend}", **dict.fromkeys(ACCOUNT)) == []


def test_a_backend_that_is_not_there_is_an_error():
    assert ids(BACKEND="shop.sms.Backend") == ["E007"]


def test_the_sender_matters_where_indian_numbers_go_by_it_alone():
    indian = {"PREFIXES": ["+91"], "SENDER": "KLRTST"}

    assert ids(SENDER="KiranaStore", ROUTES=[indian]) == []
    assert ids(SENDER="KiranaStore", ALLOWED_COUNTRIES=["AE"]) == []


# What the settings lead to


@pytest.mark.parametrize("secret", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_djangos_own_keys_are_for_nothing_else(secret):
    """R-114."""
    with override_settings(**{secret: SECRET if secret == "SECRET_KEY" else [SECRET]}):
        assert ids() == ["E012"]


@pytest.mark.parametrize(
    ("path", "fine"),
    [
        ("phone_number", True),
        ("username", True),
        ("groups__name", True),
        ("phone", False),
        ("groups", False),
        ("profile__phone", False),
        ("phone_number__x", False),
    ],
)
def test_the_path_to_a_users_number_must_lead_to_a_field(path, fine):
    shown = ids(auth=[PHONE_BACKEND], USER_PHONE=path)

    assert shown == ids(USER_PHONE=path) == ([] if fine else ["W007"])


def test_the_default_path_is_no_complaint_where_nobody_logs_in_by_number():
    with override_settings(AUTH_USER_MODEL="auth.User"):
        assert ids() == []
        assert ids(auth=[PHONE_BACKEND]) == ["W007"]


def test_a_secret_that_the_environment_lacks_is_called_none():
    with override_settings(KALEYRA_OTP={**GOOD, "API_KEY": None}):
        (message,) = django_checks.run_checks(tags=["kaleyra_otp"])

    assert message.msg.startswith("KALEYRA_OTP['API_KEY'] is None, as is an environment variable")


def test_logging_in_by_number_wants_a_queue_under_deploy():
    """R-032."""
    assert ids(deploy=True, auth=[PHONE_BACKEND], DISPATCH=None) == ["W014"]
    assert ids(deploy=True, auth=[PHONE_BACKEND]) == []
    assert ids(deploy=True, DISPATCH=None) == []


def test_our_tables_in_two_databases_are_an_error():
    """R-122."""
    with override_settings(DATABASE_ROUTERS=["tests.test_checks.Elsewhere"]):
        assert ids() == ["E013"]


@pytest.mark.parametrize(
    ("vendor", "mode", "expected"),
    [
        ("sqlite", None, ["W008"]),
        ("sqlite", "DEFERRED", ["W008"]),
        ("sqlite", "IMMEDIATE", []),
        ("sqlite", "immediate", []),
        ("postgresql", None, []),
    ],
)
def test_sqlite_is_advised_to_lock_at_once(monkeypatch, vendor, mode, expected):
    """R-119."""
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", vendor)
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"transaction_mode": mode} if mode else {})

    assert ids() == expected


@pytest.mark.parametrize(
    ("use_tz", "zone", "expected"),
    [
        (True, "Europe/Berlin", []),
        (False, "Europe/Berlin", ["W016"]),
        (False, "Australia/Sydney", ["W016"]),
        (False, "Asia/Kolkata", []),
        (False, "UTC", []),
    ],
)
def test_clocks_that_are_changed_under_the_rows_are_told(settings, use_tz, zone, expected):
    """R-124: where rows hold local time, a code of that night would live an hour longer."""
    settings.USE_TZ, settings.TIME_ZONE = use_tz, zone

    assert ids() == expected


@pytest.mark.parametrize(
    ("version", "expected"), [("8.13.50", ["W010"]), ("9.0.0", ["W010"]), ("99.0.0", []), ("9.1.0", [])]
)
def test_numbering_data_that_is_surely_old_is_told(monkeypatch, version, expected):
    """R-047."""
    monkeypatch.setattr("phonenumbers.__version__", version)

    assert ids() == expected


class Apart:
    """Routes the users away from our tables."""

    def db_for_write(self, model, **hints):
        return None if model._meta.app_label == "kaleyra_otp" else "other"


def test_our_tables_and_the_users_in_two_databases_are_told():
    with override_settings(DATABASE_ROUTERS=["tests.test_checks.Apart"]):
        assert ids() == ["W017"]
