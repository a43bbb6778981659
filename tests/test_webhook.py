"""The door that Kaleyra calls at: who gets in, and that no body breaks it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import time

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection
from django.test import AsyncClient, Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate
from tests.playing import SECRET

URL = "/otp/webhook/"
GOOD = "canary-webhook-secret-canary-webhook-secret"
OLD, NEW = "old-secret-" * 4, "new-secret-" * 4


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def own(secret):
    return {"X-Kaleyra-Otp-Secret": secret}


def post(body=b"", content_type="application/json", headers=SECRET, **extra):
    body = json.dumps(body) if isinstance(body, dict | list) else body
    return Client(raise_request_exception=False).generic(
        "POST", URL, body, content_type, headers=headers, **extra
    )


class Unread(io.BytesIO):
    """A body that nobody may touch."""

    def read(self, *_):
        raise AssertionError("the body was read")


@pytest.fixture
def delivered(challenge):
    """The callback that moves the SMS of the challenge to the handset."""
    send = SendLog.objects.get()
    return {"id": send.message_id, "status": "DELIVRD", "recipient": "919876543210"}


def status():
    return SendLog.objects.get().status


@pytest.mark.parametrize(
    "headers",
    [
        own(GOOD), basic("kaleyra", GOOD), basic("", GOOD), basic("x" * 100, GOOD),
        {"Authorization": basic("k", GOOD)["Authorization"].replace("Basic", "bAsIc")},
        {**own("wrong"), **basic("k", GOOD)}, {**own(GOOD), "Authorization": "Bearer something"},
    ],
)  # fmt: skip
def test_who_shows_the_secret_gets_in(delivered, headers):
    """R-088."""
    answer = post(delivered, headers=headers)

    assert (answer.status_code, answer.content, status()) == (204, b"", "delivered")


@pytest.mark.parametrize(
    "headers",
    [
        {}, own(""), own(GOOD[:-1]), own(GOOD + "x"), own(GOOD[:8]), own(GOOD.upper()),
        own(f"{GOOD}, {GOOD}"), own(f"{GOOD},{GOOD}"), own("x" * 10_000),
        own("ключ" * 12), own("\xff" * 44), own("\x00" * 44),
        own("None"), own("()"), {"Authorization": ""}, {"Authorization": GOOD}, {"Authorization": "Basic"},
        {"Authorization": "Basic "}, {"Authorization": f"Basic {GOOD}"}, {"Authorization": f"Bearer {GOOD}"},
        {"Authorization": "Basic !!!"}, {"Authorization": "Basic " + "A" * 10_000}, basic(GOOD, ""),
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xfe").decode()},
        {"Authorization": "Basic " + base64.b64encode(GOOD.encode()).decode()},
        {"Authorization": "Digest " + base64.b64encode(f"k:{GOOD}".encode()).decode()},
        basic("k", GOOD[:-1]), basic("k", ""), basic("k", GOOD + " "),
        {"X-Kaleyra-Signature": GOOD}, {"Api-Key": GOOD},
    ],
    ids=lambda headers: ascii(headers)[:40],
)  # fmt: skip
def test_who_does_not_is_401_and_his_body_is_unread(db, settings, headers):
    """R-087, W1, W2."""
    for settings.DEBUG in (False, True):
        answer = post(headers=headers, CONTENT_LENGTH="100", **{"wsgi.input": Unread(b"x" * 100)})

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Basic")
    assert not StatusUpdate.objects.exists()


@pytest.mark.parametrize("where", ["?secret={}", "?X-Kaleyra-Otp-Secret={}", "?password={}"])
def test_a_secret_in_the_address_is_none(db, where):
    """R-088."""
    assert Client().post(URL + where.format(GOOD), {}, "application/json").status_code == 401


@pytest.mark.parametrize(
    "secret", ["", None, [], (), "short", "x" * 31, [""], ["x" * 31], [OLD, ""], 5, {"a": "b"}], ids=repr
)
def test_without_a_good_secret_in_the_settings_nobody_gets_in(db, configure, secret):
    """R-087, W1: unset refuses all; one bad secret of a list spoils the list."""
    configure(WEBHOOK_SECRET=secret)

    for shown in ("", "short", "x" * 31, "None", "[]", OLD):
        for headers in (own(shown), basic("", shown), {}):
            assert post({}, headers=headers).status_code == 401
    assert not StatusUpdate.objects.exists()


def test_while_a_secret_is_changed_both_get_in(db, configure):
    """R-088."""
    configure(WEBHOOK_SECRET=[NEW, OLD])

    assert [post({}, headers=own(each)).status_code for each in (NEW, OLD, GOOD)] == [204, 204, 401]
    configure(WEBHOOK_SECRET=NEW)
    assert [post({}, headers=own(each)).status_code for each in (NEW, OLD)] == [204, 401]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("headers", [{}, SECRET], ids=["stranger", "kaleyra"])
def test_other_methods_are_405_and_tell_nothing(db, method, headers):
    """R-100."""
    answer = Client().generic(method, URL, b"{}", "application/json", headers=headers)

    assert (answer.status_code, answer.content, answer["Allow"]) == (405, b"", "POST")
    assert not answer.cookies
    assert not StatusUpdate.objects.exists()


def test_neither_csrf_nor_a_required_login_stands_in_the_way(delivered, settings):
    """R-100, W17."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    answer = Client(enforce_csrf_checks=True).generic(
        "POST", URL, json.dumps(delivered), "application/json", headers=SECRET
    )

    assert (answer.status_code, status()) == (204, "delivered")
    assert not answer.cookies


def test_known_and_unknown_ids_get_one_answer(delivered):
    """R-093."""
    known, unknown = post(delivered), post({**delivered, "id": "6f6a3d0e-58cf-4c0a-b0d6-4d4b3c1b9a55:1"})

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (204, b"")
    assert dict(known.headers) == dict(unknown.headers)


def test_a_body_of_64_kib_is_read_and_one_byte_more_is_not(delivered):
    """R-090."""
    body = json.dumps(delivered)

    assert post(body + " " * (64 * 1024 + 1 - len(body))).status_code == 413
    assert (StatusUpdate.objects.count(), status()) == (0, "submitted")
    assert post(body + " " * (64 * 1024 - len(body))).status_code == 204
    assert status() == "delivered"


def test_an_endless_body_is_not_read_to_its_end(db):
    """R-090: whatever its length says."""

    class Endless:
        taken = 0

        def read(self, size=-1):
            assert size > 0
            self.taken += size
            return b" " * size

        readline = read

    for extra in (
        {"CONTENT_LENGTH": str(10**9)},
        {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True},
    ):
        body = Endless()
        assert post(**extra, **{"wsgi.input": body}).status_code == 413
        assert body.taken <= 128 * 1024


def test_a_chunked_body_is_read_where_the_server_ends_it_itself(delivered):
    """R-090: Django's WSGI request alone would take it for empty."""
    body = io.BytesIO(json.dumps(delivered).encode())
    chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "Chunked", "wsgi.input_terminated": True}

    assert post(**chunked, **{"wsgi.input": body}).status_code == 204
    assert status() == "delivered"


def test_a_chunked_body_that_has_no_end_is_411(delivered):
    """R-090: reading it could wait for ever."""
    extra = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": Unread(b"{}")}

    assert post(**extra).status_code == 411
    assert not StatusUpdate.objects.exists()


@pytest.mark.parametrize("length", ["", "0", "5", "-1", "x", "99999"])
def test_a_false_length_is_no_crash(delivered, length):
    """R-090."""
    body = io.BytesIO(json.dumps(delivered).encode())

    assert post(CONTENT_LENGTH=length, **{"wsgi.input": body}).status_code == 204


@pytest.mark.parametrize("error", [OSError, ValueError, EOFError, RuntimeError])
def test_a_body_that_breaks_off_is_400_whatever_the_server_raises(db, error):
    """R-090: gunicorn's word for a broken chunk is an Exception of its own."""

    class Broken:
        def read(self, size=-1):
            raise error

        readline = read

    for extra in (
        {"CONTENT_LENGTH": "100"},
        {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True},
    ):
        assert post(**extra, **{"wsgi.input": Broken()}).status_code == 400
    assert not StatusUpdate.objects.exists()


def test_under_asgi_the_same_holds(transactional_db):
    """R-090."""
    call = async_to_sync(AsyncClient().post)

    assert call(URL, {"id": "a", "status": "SENT"}, "application/json", headers=SECRET).status_code == 204
    assert call(URL, "x" * (64 * 1024 + 1), "application/json", headers=SECRET).status_code == 413
    assert call(URL, {}, "application/json").status_code == 401
    assert StatusUpdate.objects.get().message_id == "a"


NESTED = 30_000
WIDE = ("id", "status", "status_trace", "to", "timestamp", "description", "operator")
HOSTILE = {
    "nothing": b"",
    "null": b"null",
    "number": b"5",
    "text": b'"x"',
    "list": b"[1, 2]",
    "open": b'{"id": ',
    "NaN": b'{"id": NaN}',
    "nested lists": b"[" * NESTED,
    "nested lists, closed": b"[" * NESTED + b"]" * NESTED,
    "nested 1,000": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "eleven deep": b'{"a":' * 11 + b"1" + b"}" * 11,
    "long number": b'{"id": ' + b"9" * 10_000 + b"}",
    "huge exponent": b'{"id": 1e999999999}',
    "keys": json.dumps({f"k{n}": n for n in range(4000)}).encode(),
    "fields": b"&".join([b"a=1"] * 10_000),
    "wide": json.dumps(dict.fromkeys(WIDE, "9x" * 3000)).encode(),
    "bad utf-8": b'{"id": "\xff\xfe"}',
    "utf-16": '{"id": "x"}'.encode("utf-16"),
    "nul": b'{"id": "\\u0000", "status": "\\u0000"}',
    "raw nul": b"\x00" * 100,
    "surrogates": b'{"id": "\\ud800", "status": "\\udfff", "to": "\\ud83d"}',
    "controls": b'{"id": "\\u001b[31m", "status": "a\\r\\nb\\u2028c"}',
    "emoji": '{"id": "\U0001f600", "status": "\U0001f600"}'.encode(),
    "gzip": gzip.compress(b" " * 60_000),
    "xml": b"<x/>",
    "form of percents": b"id=%ff%fe&status=%",
    "wrong types": b'{"id": ["a"], "status": {"a": 1}, "to": null}',
    "twice": b'{"id": "a", "id": "b", "status": "SENT", "status": "DELIVRD"}',
}
FORM = "application/x-www-form-urlencoded"
CONTENT_TYPES = [
    "application/json",
    FORM,
    "multipart/form-data; boundary=b",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_odd_body_of_kaleyras_is_204_and_soon_done(challenge, name):
    """R-090, R-083, W10, W11: a call that fails may cost the profile."""

    def seconds(content_type):
        before = time.process_time()
        assert post(HOSTILE[name], content_type).status_code == 204
        return time.process_time() - before

    for content_type in CONTENT_TYPES:
        # the quickest of three: a busy machine makes any one of them slow
        assert min(seconds(content_type) for _ in range(3)) < 0.2

    assert status() == "submitted"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "id", "message_id", "kid", "status", "status_trace", "to", "recipient", "mobile", "timestamp",
    "description",
    "operator", "circle", "error", "error_code", "message", "body", "challenge", "challenge_id",
    "attempts",
    "expires_at", "phone_number", "verified_at", "redeemed_at", "send_log", "rank", "user", "code", "nonce",
)  # fmt: skip
STATUSES = (
    "SENT",
    "DELIVRD",
    "UNDELIVERED",
    "FAILED",
    "EXPIRED",
    "NOT-SENT",
    "verified",
    "canceled",
    "pending",
)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(data=st.data())
@FUZZ
def test_no_callback_touches_a_challenge_or_breaks_the_door(challenge, data):
    """R-095, R-083, W11, W14."""
    send = SendLog.objects.get()
    known = st.sampled_from([send.message_id, str(challenge.pk), "919876543210", *STATUSES])
    body = data.draw(st.dictionaries(st.sampled_from(NAMES), known | JSON, max_size=8))
    before = list(OTPChallenge.objects.values())

    assert post({"id": send.message_id, **body}).status_code == 204

    assert list(OTPChallenge.objects.values()) == before
    assert SendLog.objects.count() == 1
    assert SendLog.objects.get().body == send.body


@given(body=st.binary(max_size=300))
@FUZZ
def test_no_bytes_break_the_door(db, body):
    """R-090."""
    assert post(body).status_code == 204


def test_without_the_database_it_is_503_and_the_next_call_is_stored(transactional_db, delivered, caplog):
    """R-099, R-056."""

    def away(execute, sql, params, many, context):
        if StatusUpdate._meta.db_table in sql:
            raise OperationalError("gone away")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away):
        answer = post(delivered)
    assert (answer.status_code, status()) == (503, "submitted")

    assert post(delivered).status_code == 204
    assert status() == "delivered"
