"""Bodies in odd pieces, types and lengths, and 10,000 hostile ones, at the API."""

from __future__ import annotations

import io
import json
import logging
import random
import uuid

import pytest
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges
from django_kaleyra_otp.api import errors
from django_kaleyra_otp.models import OTPChallenge, RateLimit
from tests.conftest import NUMBER, code_in
from tests.models import Customer
from tests.playing import NO_LIMITS

CHUNKED = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}


@pytest.mark.parametrize(
    ("size", "terminated", "status"),
    [(4096, True, 201), (4097, True, 400), (100, False, 400), (0, True, 400)],
)
def test_a_body_in_chunks_is_read_where_the_server_ends_it(db, outbox, size, terminated, status):
    """R-038: the framework alone would take it for empty; .NET's client sends so."""
    body = json.dumps({"phone_number": NUMBER}).ljust(size).encode() if size else b""
    extra = {**CHUNKED, "wsgi.input_terminated": terminated, "wsgi.input": io.BytesIO(body)}

    answer = APIClient().generic("POST", "/otp/challenges/", content_type="application/json", **extra)

    assert answer.status_code == status
    assert len(outbox) == (status == 201)
    if status == 400:
        assert answer.json()["code"] == "invalid"


def test_chunks_that_break_off_are_400(db, outbox):
    """R-038."""

    class Broken:
        def read(self, size=-1):
            raise RuntimeError("a server's own error")

        readline = read

    extra = {**CHUNKED, "wsgi.input_terminated": True, "wsgi.input": Broken()}
    answer = APIClient().generic("POST", "/otp/challenges/", content_type="application/json", **extra)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_form_in_chunks_is_a_form(db, configure, outbox):
    """R-035."""
    configure(**NO_LIMITS)
    challenge = challenges.start(NUMBER)
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        for url in ("/otp/challenges/", f"/otp/challenges/{challenge.pk}/resend/"):
            extra = {**CHUNKED, "wsgi.input_terminated": True, "wsgi.input": io.BytesIO(b"a=1")}
            assert APIClient().generic("POST", url, content_type=kind, **extra).status_code == 415
    assert len(outbox) == 1


def test_a_post_without_body_and_type_is_one_behind_runserver_too(db, configure, outbox):
    """R-035: wsgiref names text/plain where a request names no type; elsewhere it is what was sent."""
    configure(**NO_LIMITS)
    challenge = challenges.start(NUMBER)
    client, url = APIClient(), f"/otp/challenges/{challenge.pk}/resend/"
    runserver = {"SERVER_SOFTWARE": "WSGIServer/0.2"}

    assert client.generic("POST", url, content_type="text/plain").status_code == 415
    form = client.generic("POST", url, content_type="application/x-www-form-urlencoded", **runserver)
    assert form.status_code == 415
    assert client.generic("POST", url, b"{}", "text/plain", **runserver).status_code == 415
    assert len(outbox) == 1
    assert client.generic("POST", url, content_type="text/plain", **runserver).status_code == 200
    assert client.generic("POST", url, content_type="").status_code == 200
    assert len(outbox) == 3


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=b"])
def test_a_post_where_there_is_none_is_405_whatever_it_carries(db, kind):
    """R-035."""
    answer = APIClient().generic("POST", f"/otp/challenges/{uuid.uuid4()}/", b"x", kind)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"), ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n"),
        ("multipart/form-data; boundary=b; charset=base64", b"--b--"),
        ("application/x-www-form-urlencoded; charset=utf-16", b"a=b"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 2000)),
        ("application/x-www-form-urlencoded", b"a" * 3_000_000),
    ],
    ids=lambda value: ascii(value[:60]),
)  # fmt: skip
def test_a_broken_form_of_somebody_signed_in_is_415_in_our_words(db, kind, body):
    """R-035, R-036: a CSRF check would look into it."""
    client = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(Customer.objects.create(username="asha"))

    answer = client.generic("POST", "/otp/challenges/", body, kind)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    ["application/json; charset=utf-16", "application/json;charset=base64", "application/json; charset=x"],
)
def test_a_charset_changes_nothing(api, challenge, code, kind):
    """R-038: JSON is UTF-8."""
    url = f"/otp/challenges/{challenge.pk}/verify/"

    assert (
        api.client.generic("POST", url, json.dumps({"code": code}).encode("utf-16"), kind).status_code == 400
    )
    assert api.client.generic("POST", url, json.dumps({"code": code}), kind).status_code == 200


SCALARS = (
    *(None, True, False, 0, 1, 123456, -1, 12345.0, 1e308, "", "0", "123456", "12345", " 123 456 ", "null"),
    *("123456\n", "１２３４５６", "١٢٣٤٥٦", "1234567", "+919876543210;ext=1", "tel:+919876543210", "\x00"),
    *("123456\x00", "\ud800", "\udfff12345", "\ufeff123456", "\u202e123456", "é" * 40, "x" * 2000),
    *("<script>", "verify", "login", "step_up", "hi", "__proto__", "{}", "9" * 300),
)
FIELDS = (
    "code",
    "phone_number",
    "purpose",
    "language",
    "id",
    "status",
    "challenge",
    "user",
    "Code",
    "bind",
    "",
)
#: What no JSON library writes.
TEXTS = ("NaN", "-Infinity", "9" * 4000, "1e999999", "[" * 1500 + "]" * 1500, '{"a":' * 700 + "1" + "}" * 700)


def hostile_value(chance, depth=3):
    kind = chance.random()
    if depth == 0 or kind < 0.7:
        return chance.choice(SCALARS)
    if kind < 0.85:
        return [hostile_value(chance, depth - 1) for _ in range(chance.randrange(3))]
    return {chance.choice(FIELDS): hostile_value(chance, depth - 1) for _ in range(chance.randrange(3))}


def hostile_body(chance):
    """Return the bytes of one hostile body: odd values, or what is hardly JSON."""
    fields = {chance.choice(FIELDS): hostile_value(chance) for _ in range(chance.randrange(5))}
    body = json.dumps(
        fields if chance.random() < 0.9 else hostile_value(chance), ensure_ascii=chance.random() < 0.5
    )
    if chance.random() < 0.15:
        body = body[:-1] + f', "{chance.choice(FIELDS)}": {chance.choice(TEXTS)}}}'
    raw = body.encode("utf-8", "surrogatepass")
    if chance.random() < 0.1:
        at = chance.randrange(len(raw) + 1)
        raw = (
            raw[:at]
            + chance.choice([b"\xff", b"\x00", b"\xef\xbb\xbf", b"\\", b'"', b"", b"}"])
            + raw[at + 1 :]
        )
    return (
        chance.choice([b"", b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"]) + raw if chance.random() < 0.1 else raw
    )


def test_10_000_hostile_bodies_are_refused_in_our_words(db, configure, outbox, caplog):
    """R-038, R-040, V11, V13: what is no code spends no attempt, what starts nothing is not charged."""
    caplog.set_level(logging.CRITICAL, "django.request")
    configure(CODE_TTL=600, RESEND_COOLDOWN=600)
    chance, client = random.Random(38), APIClient(raise_request_exception=False)
    target = challenges.start(NUMBER)
    urls = (
        "/otp/challenges/",
        *(f"/otp/challenges/{target.pk}/{verb}/" for verb in ("verify", "verify", "resend")),
    )
    buckets = list(RateLimit.objects.order_by("key").values())
    guesses = attempts = 0

    for _ in range(10_000):
        url, body = chance.choice(urls), hostile_body(chance)
        answer = client.generic("POST", url, body, "application/json")
        said = answer.json()

        assert 400 <= answer.status_code < 500, (url, body[:200])
        assert errors.STATUS[said["code"]] == answer.status_code
        assert isinstance(said["detail"], str)
        if said["code"] == "invalid_code":
            assert json.loads(body)["code"].replace(" ", "").replace("-", "") == "123456"
            guesses += 1
            attempts += OTPChallenge.objects.filter(attempts=1).update(attempts=0)

    assert guesses == attempts > 0
    target.refresh_from_db()
    assert (target.attempts, target.status) == (0, "pending")
    assert len(outbox) == OTPChallenge.objects.count() == 1
    assert list(RateLimit.objects.order_by("key").values()) == buckets
    assert challenges.verify(target.pk, code_in(outbox[0])).ok
