"""Hostile bodies, and requests that fail after the view: no 500 of ours, and no counter lost."""

from __future__ import annotations

import json

import pytest
from django.db import connections
from django.urls import include, path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.response import Response
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges, signals
from django_kaleyra_otp.api import views
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import API, NUMBER, code_in, wrong
from tests.playing import NO_LIMITS


class HastyVerify(views.VerifyView):
    """A project's own view, which fails after ours did its work."""

    def post(self, request, challenge_id):
        answer = super().post(request, challenge_id)
        raise RuntimeError(f"after {answer.status_code}")


class OwnVerify(views.VerifyView):
    def post(self, request, challenge_id):
        answer = super().post(request, challenge_id)
        return Response({"own": answer.status_code}, status=answer.status_code)


def undone(request):
    """A plain view of the project's, which is inside the request's transaction."""
    RateLimit.objects.create(key="undone", tat=1)
    raise RuntimeError("after the write")


def blowing_up(get_response):
    def middleware(request):
        get_response(request)
        raise RuntimeError("a middleware fails after the view")

    return middleware


urlpatterns = [
    path("otp/", include("django_kaleyra_otp.urls")),
    path("hasty/<str:challenge_id>/", HastyVerify.as_view()),
    path("own/<str:challenge_id>/", OwnVerify.as_view()),
    path("undone/", undone),
]
pytestmark = pytest.mark.urls(__name__)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["phone_number", "code", "purpose", "language", "bind", "id", "__class__", ""])
NEAR = st.sampled_from(
    [NUMBER, "123456", 123456, "verify", "step_up", "hi", "\x00", "\ud800", "١٢٣٤٥٦", [], {}, True]
)
DOCUMENTS = st.dictionaries(KEYS, NEAR | JSON, max_size=5) | JSON


@pytest.fixture
def target(db, configure):
    configure(**NO_LIMITS, MAX_FAILURES=None)
    return challenges.start(NUMBER)


FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(document=DOCUMENTS)
@FUZZ
def test_no_json_makes_a_500(target, document):
    """R-038, V13."""
    client = APIClient(raise_request_exception=False)
    for url in ("/otp/challenges/", f"/otp/challenges/{target.pk}/verify/"):
        answer = client.generic("POST", url, json.dumps(document), "application/json")
        assert answer.status_code < 500
        assert "code" in answer.json() or "status" in answer.json()


@given(body=st.binary(max_size=200))
@FUZZ
def test_no_bytes_make_a_500(target, body):
    """R-038."""
    client = APIClient(raise_request_exception=False)
    for url in ("/otp/challenges/", f"/otp/challenges/{target.pk}/verify/"):
        assert client.generic("POST", url, body, "application/json").status_code in (400, 409, 429)


@given(challenge_id=st.text(min_size=1, max_size=60))
@FUZZ
def test_no_id_makes_a_500(target, challenge_id):
    client = APIClient(raise_request_exception=False)
    for answer in (
        client.get(f"/otp/challenges/{challenge_id}/"),
        client.post(f"/otp/challenges/{challenge_id}/verify/", {"code": "123456"}, "json"),
    ):
        assert answer.status_code in (200, 301, 400, 404, 405, 415), ascii(challenge_id)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b'"x"', b"1", b"{", b"{}x", b"NaN", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf{}",
        b"[" * 4000, b'{"a":' * 800 + b"1" + b"}" * 800,
        b'{"phone_number": NaN}', b'{"phone_number": "\xff"}', b'{"phone_number": "\\ud800"}',
        b'{"phone_number": ' + b"9" * 4000 + b"}", b'{"phone_number": "' + b"9" * 4000 + b'"}',
        b'{"phone_number": "+919876543210", "purpose": "\\u0000"}', b'{"language": "' + b"x" * 3000 + b'"}',
        b'{"code": Infinity}', b'{"code": "\\u0000"}', b'{"code": "\\ud800"}', b'{"code": "\\udcff12345"}',
    ],
    ids=lambda body: ascii(body[:24]),
)  # fmt: skip
def test_a_hostile_body_is_400_and_does_nothing(db, body, outbox):
    """R-038, R-090."""
    challenge = challenges.start(NUMBER)
    for url in ("/otp/challenges/", f"/otp/challenges/{challenge.pk}/verify/"):
        answer = APIClient(raise_request_exception=False).generic("POST", url, body, "application/json")
        assert answer.status_code == 400
        assert answer.json()["code"] in ("invalid", "invalid_phone_number")
    assert len(outbox) == 1
    assert OTPChallenge.objects.get().attempts == 0


@pytest.mark.parametrize("call", ["", "{id}/verify/", "{id}/resend/"])
def test_a_body_over_4_kib_is_refused(db, configure, call, outbox):
    """R-038."""
    configure(**NO_LIMITS)
    challenge = challenges.start(NUMBER)
    body = json.dumps({"phone_number": NUMBER, "code": code_in(outbox[0])})
    client, url = APIClient(), f"/otp/challenges/{call.format(id=challenge.pk)}"

    answer = client.generic("POST", url, body + " " * (4097 - len(body)), "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    answer = client.generic("POST", url, body + " " * 2_000_000, "application/json")
    assert answer.status_code == 400
    assert len(outbox) == 1
    assert OTPChallenge.objects.get().attempts == 0

    assert client.generic("POST", url, body + " " * (4096 - len(body)), "application/json").status_code < 300


def test_of_a_key_that_stands_twice_the_last_counts(api, challenge, code):
    """R-038."""
    body = json.dumps({"code": wrong(code)})[:-1] + f', "code": "{code}"}}'

    answer = api.client.generic("POST", f"/otp/challenges/{challenge.pk}/verify/", body, "application/json")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("language", "fine"),
    [("hi", True), ("pt_BR", True), ("zh-hant-tw", True), ("h", False), ("hi<script>", False), ("", False),
     ("x" * 36, False), ("हि", False), ("hi\n", False), (5, False), (None, False), ("-", False)],
)  # fmt: skip
def test_a_language_is_a_tag(api, language, fine, outbox):
    """R-038."""
    answer = api.start(language=language)

    assert answer.status_code == (201 if fine else 400)
    if not fine:
        assert set(answer.json()["errors"]) == {"language"}
        assert not outbox


@pytest.fixture
def requests_atomic(transactional_db):
    """Each request of the project is one transaction."""
    entries = (connections["default"].settings_dict, connections.settings["default"])
    before = [entry["ATOMIC_REQUESTS"] for entry in entries]
    for entry in entries:
        entry["ATOMIC_REQUESTS"] = True
    yield
    for entry, value in zip(entries, before, strict=True):
        entry["ATOMIC_REQUESTS"] = value


@pytest.fixture
def unbothered():
    """A caller that sees what a browser sees where the server fails."""
    return API(APIClient(raise_request_exception=False))


def test_what_a_failing_request_wrote_is_undone_in_this_project(requests_atomic, unbothered):
    """So that the tests below can fail."""
    assert unbothered.client.get("/undone/").status_code == 500
    assert not RateLimit.objects.filter(key="undone").exists()


def guess_five_times(unbothered, challenge, code, url="/otp/challenges/{}/verify/"):
    for spent in range(1, 6):
        body = {"code": wrong(code)}
        unbothered.client.post(url.format(challenge.pk), body, "json")
        challenge.refresh_from_db()
        assert challenge.attempts == spent
    assert challenge.status == "max_attempts_reached"
    assert not challenges.verify(challenge.pk, code).ok


def test_guesses_count_in_a_project_with_atomic_requests(requests_atomic, unbothered, outbox):
    """R-013."""
    challenge = challenges.start(NUMBER)

    guess_five_times(unbothered, challenge, code_in(outbox[0]))


def test_guesses_count_where_a_middleware_fails_after_the_view(requests_atomic, unbothered, outbox, settings):
    """R-013."""
    settings.MIDDLEWARE = [f"{__name__}.blowing_up", *settings.MIDDLEWARE]
    challenge = challenges.start(NUMBER)
    assert unbothered.look(challenge.pk).status_code == 500

    guess_five_times(unbothered, challenge, code_in(outbox[0]))


def test_guesses_count_where_a_view_of_the_projects_fails_after_ours(requests_atomic, unbothered, outbox):
    """R-013: a subclass keeps out of the request's transaction."""
    challenge = challenges.start(NUMBER)

    guess_five_times(unbothered, challenge, code_in(outbox[0]), "/hasty/{}/")


def test_guesses_count_where_a_receiver_fails(requests_atomic, unbothered, outbox, caplog):
    """R-013."""

    def raising(**kwargs):
        raise RuntimeError("a receiver fails")

    challenge = challenges.start(NUMBER)
    signals.challenge_failed.connect(raising)
    try:
        guess_five_times(unbothered, challenge, code_in(outbox[0]))
    finally:
        signals.challenge_failed.disconnect(raising)
    assert caplog.text.count("a receiver fails") >= 5


def test_a_success_stands_where_the_request_fails_after_it(requests_atomic, unbothered, outbox):
    """R-012, R-013: and the code is used up."""
    challenge = challenges.start(NUMBER)
    url = f"/hasty/{challenge.pk}/"

    assert unbothered.client.post(url, {"code": code_in(outbox[0])}, "json").status_code == 500

    assert unbothered.verify(challenge.pk, code_in(outbox[0])).json()["code"] == "already_verified"


def test_an_sms_and_its_rows_agree_where_the_request_fails(requests_atomic, unbothered, outbox, settings):
    """R-079, S7."""
    settings.MIDDLEWARE = [f"{__name__}.blowing_up", *settings.MIDDLEWARE]

    assert unbothered.start().status_code == 500

    assert len(outbox) == SendLog.objects.count() == OTPChallenge.objects.count() == 1
    assert challenges.verify(OTPChallenge.objects.get().pk, code_in(outbox[0])).ok


def test_a_view_of_the_projects_may_answer_in_its_own_words(requests_atomic, unbothered, outbox):
    challenge = challenges.start(NUMBER)

    answer = unbothered.client.post(f"/own/{challenge.pk}/", {"code": code_in(outbox[0])}, "json")

    assert (answer.status_code, answer.json()) == (200, {"own": 200})


def test_settings_that_are_wrong_are_503_and_send_nothing(unbothered, configure, db, outbox):
    """R-056: a mistake in the settings is no open door."""
    configure(LIMITS="5/h")

    answer = unbothered.start()

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")
    assert not outbox
