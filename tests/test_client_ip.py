"""Whose address a request has, and which addresses are one caller."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from django_kaleyra_otp import challenges, client_ip
from django_kaleyra_otp.exceptions import RateLimited
from django_kaleyra_otp.models import OTPChallenge

FORGED = {
    "X-Forwarded-For": "203.0.113.{n}",
    "X-Real-IP": "203.0.113.{n}",
    "Forwarded": "for=203.0.113.{n}",
    "CF-Connecting-IP": "203.0.113.{n}",
    "True-Client-IP": "203.0.113.{n}",
}


def ip_of(remote="198.51.100.7", **headers):
    extra = {"REMOTE_ADDR": remote} if remote is not None else {}
    request = RequestFactory().post("/", headers=headers, **extra)
    if remote is None:
        del request.META["REMOTE_ADDR"]
    return client_ip.of(request)


def number(n):
    return f"+9198765{n:05d}"


@pytest.fixture
def three_an_hour(configure):
    configure(LIMITS=[{"scope": "ip", "rate": "3/h"}])


def test_no_header_moves_an_address_unless_proxies_are_declared(api, three_an_hour, outbox):
    """R-050, S9."""
    for n in range(10):
        answer = api.start(number(n), headers={name: text.format(n=n) for name, text in FORGED.items()})
        assert answer.status_code == (201 if n < 3 else 429)
    assert answer.json()["code"] == "rate_limited"
    assert len(outbox) == 3
    assert set(OTPChallenge.objects.values_list("ip", flat=True)) == {"127.0.0.1"}


def test_with_one_proxy_the_last_hop_counts_and_no_other(api, configure, three_an_hour, outbox):
    """R-050."""
    configure(NUM_PROXIES=1)
    for n in range(6):
        answer = api.start(number(n), headers={"X-Forwarded-For": f"203.0.113.{n}, 198.51.100.9"})
        assert answer.status_code == (201 if n < 3 else 429)

    assert api.start(number(7), headers={"X-Forwarded-For": "203.0.113.1, 198.51.100.10"}).status_code == 201
    assert set(OTPChallenge.objects.values_list("ip", flat=True)) == {"198.51.100.9", "198.51.100.10"}


@pytest.mark.parametrize(
    ("proxies", "hops", "expected"),
    [
        (1, "203.0.113.1", "203.0.113.1"),
        (1, "203.0.113.1,203.0.113.2", "203.0.113.2"),
        (2, "203.0.113.1, 203.0.113.2, 203.0.113.3", "203.0.113.2"),
        (3, "203.0.113.1, 203.0.113.2", "203.0.113.1"),
        (1, "203.0.113.1:4711", "203.0.113.1"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "2001:DB8:0:0::1", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "::ffff:203.0.113.1", "203.0.113.1"),
        (1, "unknown", ""),
        (1, "", ""),
        (1, "203.0.113.1,", ""),
        (1, "999.1.1.1", ""),
        (1, "1.2.3", ""),
        (1, "x" * 10_000, ""),
        (1, "\x00", ""),
        (1, "<script>", ""),
        (1, "1.2.3.4\r\nX: y", ""),
        (1, "[::1", "::1"),
        (1, ":::::", ""),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_the_hop_that_our_outermost_proxy_wrote_is_the_caller(configure, proxies, hops, expected):
    """R-050: Django REST framework's rule; garbage is nobody's address and no crash."""
    configure(NUM_PROXIES=proxies)

    assert ip_of(**{"X-Forwarded-For": hops}) == expected


def test_behind_a_declared_proxy_a_request_without_the_header_has_its_own_address(configure):
    configure(NUM_PROXIES=2)

    assert ip_of() == "198.51.100.7"


@pytest.mark.parametrize("remote", ["", None, "unix:", "@", "not an address"])
def test_a_request_without_a_readable_address_has_none(remote):
    """R-050: a server on a Unix socket gives none."""
    assert ip_of(remote) == ""


def test_callers_without_an_address_share_one_bucket(api, configure, three_an_hour, outbox):
    """R-050: a header that cannot be read is no way around the limit."""
    configure(NUM_PROXIES=1)

    statuses = [
        api.start(number(n), headers={"X-Forwarded-For": text}).status_code
        for n, text in enumerate(["", "garbage", "1.2.3.4.5", "x" * 10_000, "[[["])
    ]

    assert statuses == [201, 201, 201, 429, 429]
    assert set(OTPChallenge.objects.values_list("ip", flat=True)) == {None}


def test_the_addresses_of_one_ipv6_network_are_one_caller(client, db, three_an_hour, outbox):
    """R-051."""
    statuses = [
        client.post(
            "/otp/challenges/",
            {"phone_number": number(n)},
            "application/json",
            REMOTE_ADDR=f"2001:db8:1:2:{n:x}:{n * 7:x}::{n:x}",
        ).status_code
        for n in range(6)
    ]
    elsewhere = client.post(
        "/otp/challenges/", {"phone_number": number(9)}, "application/json", REMOTE_ADDR="2001:db8:1:3::1"
    )

    assert statuses == [201, 201, 201, 429, 429, 429]
    assert elsewhere.status_code == 201


def test_an_ipv4_address_inside_ipv6_is_the_ipv4_caller():
    """R-051."""
    assert client_ip.network(client_ip.clean("::ffff:1.2.3.4")) == client_ip.network("1.2.3.4") == "1.2.3.4"


def test_ipv4_addresses_are_callers_of_their_own():
    assert client_ip.network("1.2.3.4") != client_ip.network("1.2.3.5")


@given(st.text(max_size=60))
def test_no_text_crashes_and_what_is_read_reads_the_same_again(text):
    """R-050."""
    address = client_ip.clean(text)

    assert client_ip.clean(address) == address
    client_ip.network(address)


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_has_a_network_that_holds_it(address):
    """R-051."""
    told = client_ip.clean(str(address))

    assert client_ip.network(told).endswith("/64") or "." in told


def test_an_address_given_in_python_is_the_same_caller(api, three_an_hour):
    """R-050: start(ip=...) and a request agree on who a caller is."""
    for n in range(3):
        assert api.start(number(n)).status_code == 201

    with pytest.raises(RateLimited):
        challenges.start(number(5), ip="::ffff:127.0.0.1")


def test_a_call_without_any_address_is_no_caller(api, three_an_hour):
    """A job of the project's own has no address, and none of its starts counts for one."""
    for n in range(5):
        assert challenges.start(number(n)).ip is None
