"""Which account and sender for which number."""

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from django_kaleyra_otp import routing

ACCOUNT = {
    "POD": "in",
    "SID": "HXMAIN0000000000IN",
    "API_KEY": "Amain",
    "SENDER": "MAINTX",
    "CALLBACK_PROFILE_ID": "IN_main",
}
INDIAN = "+919876543210"
AMERICAN = "+12025550123"


def account(*routes, **others):
    return override_settings(KALEYRA_OTP={**ACCOUNT, "ROUTES": list(routes), **others})


def names(phone_number):
    return [route.name for route in routing.routes_for(phone_number)]


def test_without_routes_the_account_itself_is_the_one_route():
    with account(TIMEOUT=(1, 2)):
        (route,) = routing.routes_for(INDIAN)

    assert (route.name, route.sid, route.sender) == ("default", "HXMAIN0000000000IN", "MAINTX")
    assert route.api_key.reveal() == "Amain"
    assert route.callback_profile_id == "IN_main"
    assert route.base_url == "https://api.in.kaleyra.io"
    assert route.timeout == (1.0, 2.0)


def test_the_longest_prefix_wins_wherever_it_stands():
    routes = [
        {"PREFIXES": ["+9"], "NAME": "asia"},
        {"PREFIXES": ["+9198"], "NAME": "long"},
        {"PREFIXES": ["+1", "+91"], "NAME": "india"},
    ]
    with account(*routes):
        assert names(INDIAN) == ["long"]
        assert names("+917012345678") == ["india"]
        assert names(AMERICAN) == ["india"]
        assert names("+971501234567") == ["asia"]
        assert names("+447400123456") == ["default"]


def test_routes_of_the_same_prefix_come_in_their_order_and_the_default_is_not_among_them():
    routes = [
        {"PREFIXES": ["+91"], "NAME": "first"},
        {"PREFIXES": ["+9"], "NAME": "shorter"},
        {"PREFIXES": ["+91", "+9"], "NAME": "second"},
    ]
    with account(*routes):
        assert names(INDIAN) == ["first", "second"]


def test_a_route_sets_what_it_sets_and_takes_the_rest_from_the_account():
    with account(
        {"PREFIXES": ["+1"], "SID": "HXUS", "API_KEY": "Aus", "SENDER": "+15550100000", "POD": "na"}
    ):
        (route,) = routing.routes_for(AMERICAN)

    assert (route.sid, route.sender, route.callback_profile_id) == ("HXUS", "+15550100000", "IN_main")
    assert route.api_key.reveal() == "Aus"
    assert route.base_url == "https://api.na.kaleyra.ai"


@pytest.mark.parametrize(
    ("of_account", "of_route", "address"),
    [
        ({}, {}, "https://api.in.kaleyra.io"),
        ({"POD": "eu"}, {}, "https://api.eu.kaleyra.io"),
        ({"BASE_URL": "http://localhost:8002/"}, {}, "http://localhost:8002"),
        ({"BASE_URL": "http://localhost:8002"}, {"POD": "sg"}, "https://api.kaleyra.io"),
        ({}, {"BASE_URL": "https://proxy.example/"}, "https://proxy.example"),
        ({}, {"POD": "sg", "BASE_URL": "https://proxy.example"}, "https://proxy.example"),
        ({"BASE_URL": "http://localhost:8002"}, {"SID": "HX"}, "http://localhost:8002"),
        ({"POD": None}, {}, ""),
    ],
)
def test_the_address_is_the_routes_own_or_its_pods_or_the_accounts(of_account, of_route, address):
    with account({"PREFIXES": ["+91"], **of_route}, **of_account):
        assert routing.routes_for(INDIAN)[0].base_url == address


def test_an_account_that_is_not_set_is_empty_and_no_error():
    with override_settings(KALEYRA_OTP={}):
        (route,) = routing.routes_for(INDIAN)

    assert not any([route.sid, route.api_key, route.sender, route.callback_profile_id, route.base_url])


def test_a_route_shows_no_key():
    """R-104."""
    with account({"PREFIXES": ["+91"], "API_KEY": "Acanary0key"}):
        shown = repr(routing.routes_for(INDIAN)) + repr(routing.entries_for("+91"))

    assert "Acanary0key" not in shown
    assert "Amain" not in shown


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("+91", ["default", "delhi", "asia-98"]),
        ("+9198", ["asia-98"]),
        ("+9111", ["delhi"]),
        ("+1", ["default"]),
        ("+0", ["default"]),
    ],
)
def test_the_routes_that_numbers_of_a_prefix_may_go_by(prefix, expected):
    routes = [{"PREFIXES": ["+9111"], "NAME": "delhi"}, {"PREFIXES": ["+9198"], "NAME": "asia-98"}]
    with account(*routes):
        assert [entry.name for entry in routing.entries_for(prefix)] == expected


prefixes = st.from_regex(r"\+[12]{1,4}", fullmatch=True)


@given(table=st.lists(st.lists(prefixes, min_size=1, max_size=3), max_size=5), number=prefixes)
def test_every_number_has_a_route_and_it_is_a_longest_one(table, number):
    with account(*({"PREFIXES": each, "NAME": f"r{n}"} for n, each in enumerate(table))):
        found = names(number)

    reach = [max((len(p) for p in each if number.startswith(p)), default=0) for each in table]
    best = max(reach, default=0)
    assert found == ([f"r{n}" for n, each in enumerate(reach) if each == best] if best else ["default"])
