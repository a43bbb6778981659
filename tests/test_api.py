"""How the HTTP API behaves whatever it is asked: who is told what, in which shape."""

from __future__ import annotations

import json
import uuid

import pytest
from django.urls import include, path
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle

from django_kaleyra_otp import challenges
from django_kaleyra_otp.api import views
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER, OTHER, code_in
from tests.playing import NO_LIMITS, later

UNKNOWN = uuid.UUID("6f6a3d0e-58cf-4c0a-b0d6-4d4b3c1b9a55")


class Refuses(BaseThrottle):
    def allow_request(self, request, view):
        return False

    def wait(self):
        return 12.3


class ThrottledStart(views.StartView):
    throttle_classes = [Refuses]


class SessionStart(views.StartView):
    authentication_classes = [SessionAuthentication]


class BasicStart(views.StartView):
    authentication_classes = [BasicAuthentication]


class BasicDetail(views.DetailView):
    authentication_classes = [BasicAuthentication]


urlpatterns = [
    path("otp/", include("django_kaleyra_otp.urls")),
    path("throttled/", ThrottledStart.as_view()),
    path("session/", SessionStart.as_view()),
    path("basic/", BasicStart.as_view()),
    path("basic/<str:challenge_id>/", BasicDetail.as_view()),
]
pytestmark = pytest.mark.urls(__name__)


def calls_on(api, challenge_id):
    """Return an answer of each call that names a challenge."""
    client, start = api.client, f"/otp/challenges/{challenge_id}/"
    return {
        "look": client.get(start),
        "verify": client.post(f"{start}verify/", {"code": "123456"}, "json"),
        "resend": client.post(f"{start}resend/", {}, "json"),
        "cancel": client.delete(start),
    }


def same(one, other):
    return (one.status_code, one.content, dict(one.headers)) == (
        other.status_code,
        other.content,
        dict(other.headers),
    )


@pytest.fixture
def foreign(db, configure, django_user_model):
    """Challenges that a stranger must not tell from ones that do not exist."""
    configure(**NO_LIMITS)
    owner = django_user_model.objects.create_user("binod")
    return {
        "of a user": challenges.start(NUMBER, user=owner).pk,
        "of a purpose that HTTP does not have": challenges.start(NUMBER, purpose="step_up").pk,
        "no uuid": "x",
        "a purpose": "verify",
        "nil": uuid.UUID(int=0),
    }


def test_unknown_and_foreign_challenges_are_one_answer_byte_for_byte(api, foreign, user):
    """R-033, R-025, V14."""
    for signed_in in (None, user):
        api.client.force_authenticate(signed_in)
        unknown = calls_on(api, UNKNOWN)
        assert {answer.status_code for answer in unknown.values()} == {404}
        assert {answer.json()["code"] for answer in unknown.values()} == {"not_found"}
        for name, challenge_id in foreign.items():
            for call, answer in calls_on(api, challenge_id).items():
                assert same(answer, unknown[call]), f"{call} of {name}"
    assert set(OTPChallenge.objects.values_list("attempts", "status")) == {(0, "pending")}


def test_the_user_of_a_challenge_may_do_all_with_it(api, user, outbox):
    challenge = challenges.start(NUMBER, user=user)
    api.client.force_authenticate(user)

    assert api.look(challenge.pk).status_code == 200
    later(31)
    assert api.resend(challenge.pk).status_code == 200
    assert api.verify(challenge.pk, code_in(outbox[0])).status_code == 200


def test_a_challenge_without_a_user_is_whose_knows_its_id(api, challenge, user, code):
    api.client.force_authenticate(user)

    assert api.verify(challenge.pk, code).status_code == 200


def test_a_project_without_anonymous_users_is_served_alike(api, foreign, settings):
    """R-033: Django REST framework may be told to leave request.user None."""
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}

    assert api.start(OTHER).status_code == 201
    for call, answer in calls_on(api, foreign["of a user"]).items():
        assert answer.status_code == 404, call


def test_the_views_take_authentication_and_throttles_alone_from_the_project():
    """A project whose default is IsAuthenticated, a browsable API or a form parser changes nothing here."""
    pinned = {"permission_classes", "parser_classes", "renderer_classes", "versioning_class"}

    assert pinned <= set(vars(views.ChallengeView))
    for view in (views.StartView, views.DetailView, views.VerifyView, views.ResendView):
        assert not (pinned | {"authentication_classes", "throttle_classes"}) & set(vars(view))
    assert not {"authentication_classes", "throttle_classes"} & set(vars(views.ChallengeView))


METHODS = {
    "/otp/challenges/": {"post"},
    f"/otp/challenges/{UNKNOWN}/": {"get", "delete", "head"},
    f"/otp/challenges/{UNKNOWN}/verify/": {"post"},
    f"/otp/challenges/{UNKNOWN}/resend/": {"post"},
}


@pytest.mark.parametrize("url", METHODS)
@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options", "trace"])
def test_other_methods_are_405_and_do_nothing(api, url, method, outbox):
    """R-035, S2, R-100."""
    answer = api.client.generic(
        method.upper(), url, json.dumps({"phone_number": NUMBER, "code": "1"}), "application/json"
    )

    if method in METHODS[url]:
        assert answer.status_code != 405
        return
    assert answer.status_code == 405
    assert answer["Cache-Control"] == "no-store"
    if method != "head":
        assert answer.json()["code"] == "method_not_allowed"
    assert not outbox


FORM = "application/x-www-form-urlencoded"
ASKED = json.dumps({"phone_number": NUMBER, "code": "123456"})
PART = 'Content-Disposition: form-data; name="phone_number"'
BODIES = {
    "form": (f"phone_number=%2B{NUMBER[1:]}&code=123456", FORM),
    "plain": (ASKED, "text/plain"),
    "multipart": (f"--b\r\n{PART}\r\n\r\n{NUMBER}\r\n--b--\r\n", "multipart/form-data; boundary=b"),
    "json by another name": (ASKED, "application/vnd.api+json"),
    "xml": ("<phone_number/>", "application/xml"),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("call", ["start", "verify", "resend"])
def test_only_json_is_taken(api, challenge, outbox, call, body):
    """R-035: no form of another site's spends an SMS."""
    later(31)
    url = "/otp/challenges/" if call == "start" else f"/otp/challenges/{challenge.pk}/{call}/"

    answer = api.client.generic("POST", url, *BODIES[body])

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert len(outbox) == 1
    assert OTPChallenge.objects.get().attempts == 0


def test_a_form_without_fields_does_not_have_an_sms_sent(api, challenge, outbox):
    """R-035: a form of another site's may be empty."""
    later(31)

    answer = api.client.generic("POST", f"/otp/challenges/{challenge.pk}/resend/", "", FORM)

    assert answer.status_code == 415
    assert len(outbox) == 1


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
def test_json_is_json_however_its_header_is_written(api, content_type, outbox):
    answer = api.client.generic(
        "POST", "/otp/challenges/", json.dumps({"phone_number": NUMBER}), content_type
    )

    assert answer.status_code == 201


def test_a_resend_needs_no_body(api, challenge):
    later(31)

    assert api.client.post(f"/otp/challenges/{challenge.pk}/resend/").status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "x", "*/*;q=0"])
def test_the_answer_is_json_whatever_the_caller_would_take(api, accept):
    """R-034: no browsable page."""
    answer = api.start(headers={"Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (201, "application/json")


def test_every_answer_stays_out_of_every_cache(api, challenge, code, user):
    """R-037."""
    answers = [
        *calls_on(api, UNKNOWN).values(),
        *calls_on(api, challenge.pk).values(),
        api.start(),
        api.start("x"),
    ]
    answers += [api.start(OTHER), api.client.put("/otp/challenges/"), api.client.post("/otp/challenges/", {})]
    answers += [
        api.client.post("/throttled/", {}, "json"),
        api.client.generic("POST", "/basic/", "{}", "x/y"),
    ]

    assert {answer.status_code // 100 for answer in answers} == {2, 4}
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}
    assert not any("Set-Cookie" in answer for answer in answers)
    assert not any(answer.cookies for answer in answers)


def test_an_error_has_a_sentence_and_a_word(api, challenge, wrong_code):
    answers = [
        *calls_on(api, UNKNOWN).values(),
        api.start(), api.start(""), api.start("+33612345678"), api.start(purpose="step_up"),
        api.start(bind=1), api.client.get("/otp/challenges/"), api.client.post("/otp/challenges/", {}),
        api.client.post("/throttled/"),
        api.client.generic("POST", "/otp/challenges/", "[", "application/json"),
        api.verify(challenge.pk, wrong_code), api.verify(challenge.pk, 5),
    ]  # fmt: skip

    for answer in answers:
        body = answer.json()
        assert answer.status_code in range(400, 500)
        assert isinstance(body["detail"], str)
        assert body["detail"].endswith((".", "?", '"'))
        assert body["code"].isidentifier()
        assert set(body) <= {"detail", "code", "errors", "attempts_left"}
        for lines in body.get("errors", {}).values():
            assert all(isinstance(line, str) for line in lines)


def test_the_projects_throttles_hold_and_say_how_long_to_wait(db, outbox):
    """R-041."""
    answer = APIClient().post("/throttled/", {"phone_number": NUMBER}, "json")

    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert answer["Retry-After"] == "13"
    assert not outbox


def test_a_session_needs_the_csrf_token(user, outbox):
    """R-036."""
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)

    answer = client.post("/session/", {"phone_number": NUMBER}, "json")

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert not outbox
    assert not RateLimit.objects.exists()
    client.cookies["csrftoken"] = "a" * 32
    assert (
        client.post(
            "/session/", {"phone_number": NUMBER}, "json", headers={"X-CSRFToken": "a" * 32}
        ).status_code
        == 201
    )


def test_wrong_credentials_are_401_and_name_the_scheme(user, outbox):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Basic YXNoYTp3cm9uZw==")

    answer = client.post("/basic/", {"phone_number": NUMBER}, "json")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Basic")
    assert not outbox


def test_the_projects_authentication_says_who_owns_a_challenge(user, outbox):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Basic YXNoYTphIHBhc3N3b3Jk")
    started = client.post("/basic/", {"phone_number": NUMBER}, "json")
    assert OTPChallenge.objects.get().user == user

    assert client.get(f"/basic/{started.json()['id']}/").status_code == 200
    assert APIClient().get(f"/basic/{started.json()['id']}/").status_code == 404


def test_keys_that_are_not_known_are_ignored_and_not_stored(api, outbox):
    """R-038."""
    answer = api.start(
        user=1, known=True, ip="1.1.1.1", idempotency_key="a" * 20, status="verified", canary="x"
    )

    assert answer.status_code == 201
    challenge = OTPChallenge.objects.get()
    assert (challenge.user, challenge.known, challenge.ip, challenge.status) == (
        None,
        False,
        "127.0.0.1",
        "pending",
    )


def test_the_code_and_the_number_stand_in_no_url(api, challenge, code):
    """R-037, V25."""
    for url in (
        f"/otp/challenges/{challenge.pk}/verify/{code}/",
        f"/otp/challenges/{challenge.pk}/verify/?code={code}",
    ):
        assert api.client.post(url).status_code in (400, 404)
    assert api.client.post(f"/otp/challenges/?phone_number=%2B{NUMBER[1:]}", {}, "json").status_code == 400
    assert OTPChallenge.objects.get().attempts == 0
    assert SendLog.objects.count() == 1
