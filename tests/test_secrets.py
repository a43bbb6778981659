"""Canaries: no code, key, secret or full number where it must not be."""

from __future__ import annotations

import http.client
import json
import logging
import re

import pytest
import requests
import responses
from django.apps import apps
from django.db import OperationalError, connection
from django.urls import include, path
from django.utils.module_loading import import_string
from django.views.debug import ExceptionReporter
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges, delivery, exceptions, limits, phones, routing, signals
from django_kaleyra_otp.api import views
from django_kaleyra_otp.conf import conf, known
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate
from django_kaleyra_otp.types import SMS, Secret
from tests.conftest import API, NUMBER, OTHER, code_in, wrong
from tests.kaleyra import Server, framed, says
from tests.playing import KALEYRA, NO_LIMITS, SCRIPTED, SECRET, SMS_URL, Scripted, number

API_KEY = "Acanary0key0canary0key0canary0key"
WEBHOOK_SECRET = "canary-webhook-secret-canary-webhook-secret"
CODE_KEY = "canary-code-key-" * 3
STANDING = (API_KEY, WEBHOOK_SECRET, CODE_KEY)


class FailingStart(views.StartView):
    def post(self, request):
        answer = super().post(request)
        raise RuntimeError(f"after {answer.status_code}")


class FailingVerify(views.VerifyView):
    def post(self, request, challenge_id):
        answer = super().post(request, challenge_id)
        raise RuntimeError(f"after {answer.status_code}")


urlpatterns = [
    path("otp/", include("django_kaleyra_otp.urls")),
    path("failing/", FailingStart.as_view()),
    path("failing/<str:challenge_id>/", FailingVerify.as_view()),
]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def longer(configure, db):
    """Codes of ten digits, which no clock and no id shows by chance; every log at DEBUG."""
    configure(**NO_LIMITS, CODE_LENGTH=10, CODE_KEY=[CODE_KEY], RETRIES=1)


@pytest.fixture
def everything(caplog):
    """``everything()``: each line logged since last asked, each exception as the page mailed to admins."""
    caplog.set_level(logging.DEBUG)
    for name in (
        "urllib3",
        "requests",
        "http.client",
        "django_kaleyra_otp",
        "django.request",
        "django.dispatch",
    ):
        caplog.set_level(logging.DEBUG, name)

    def read():
        pages = [
            ExceptionReporter(None, *record.exc_info).get_traceback_html()
            for record in caplog.records
            if record.exc_info
        ]
        told = "\n".join([caplog.text, *pages])
        caplog.clear()
        return told

    return read


def tables():
    """Return a dump of every table."""
    found = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            for row in cursor.fetchall():
                values = (bytes(each) if isinstance(each, memoryview) else each for each in row)
                found.append(" ".join(map(str, values)))
    return "\n".join(found)


def clean(text, *canaries):
    """Say which canaries a text holds, without showing them."""
    return [name for name, canary in enumerate(canaries) if canary in text] == []


def kaleyra_in_every_manner(codes):
    """Return an answer for ``responses``: a yes, and every kind of trouble, each echoing the text."""
    turn = iter(range(10**6))

    def answer(request):
        told = json.loads(request.body)
        codes.append(re.search(r"\d{10}", told["body"])[0])
        manner, message = next(turn) % 11, f"{len(codes)}-a:1"
        echo = {"id": message, "body": told["body"], "data": [{"message_id": message}], "error": {}}
        no = {"code": codes[-1], "message": told["body"], "error": {"body": told["body"], "key": API_KEY}}
        if manner == 5:
            raise requests.exceptions.ReadTimeout(told["body"])
        if manner == 6:
            raise requests.exceptions.ConnectionError(told["body"])
        body = {1: no, 2: no, 3: {**echo, **no}, 7: told["body"], 8: [no]}.get(manner, echo)
        return {1: 400, 2: 500, 4: 401, 9: 503}.get(manner, 202), {}, json.dumps(body)

    return answer


def test_after_five_hundred_codes_none_stands_anywhere(longer, configure, everything):
    """R-004, R-034, R-104, R-106, S16, V32."""
    configure(**KALEYRA)
    codes, numbers, told, api = [], [], [], API(APIClient())
    with responses.RequestsMock() as kaleyra:
        kaleyra.add_callback("POST", SMS_URL, kaleyra_in_every_manner(codes), content_type="application/json")
        for n in range(500):
            numbers.append(number(n))
            if n % 5:
                try:
                    challenges.start(numbers[-1], bind={"n": n})
                except KaleyraOTPError as refusal:
                    told.append(f"{refusal} {refusal!r} {refusal.args} {vars(refusal)}")
            else:
                started = api.start(numbers[-1])
                told.append(f"{started.content.decode()} {started.headers}")
                send = SendLog.objects.order_by("-pk")[0]
                for guess in (wrong(codes[-1]), codes[-1], codes[-1]):
                    told.append(api.verify(send.challenge_id, guess).content.decode())
                body = {"id": send.message_id, "status": "SENT", "message": codes[-1], "error": codes[-1]}
                api.client.post("/otp/webhook/", body, "json", headers=SECRET)
                told.append(api.look(send.challenge_id).content.decode())
        assert len(kaleyra.calls) >= 500
        assert all(call.request.headers["api-key"] == API_KEY for call in kaleyra.calls)
    logged, dump = everything(), tables()

    assert len(set(codes)) == OTPChallenge.objects.count() == 500
    assert set(SendLog.objects.values_list("status", flat=True)) >= {"sent", "submitted", "failed", "unknown"}
    assert StatusUpdate.objects.exists()
    assert clean(dump, *codes, *STANDING)
    assert clean(logged, *codes, *STANDING)
    assert clean("\n".join(told), *codes, *STANDING)
    for text in (logged, "\n".join(told)):
        assert clean(text, *(each[3:] for each in numbers))


def test_over_a_real_socket_neither_logs_nor_prints_show_the_text(
    longer, configure, everything, capfd, monkeypatch
):
    """R-104: with http.client's own print-out switched on."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    server = Server(says(framed()))
    try:
        configure(**KALEYRA, BASE_URL=server.url)
        challenges.start(NUMBER)
    finally:
        server.close()
    code = re.search(rb"\d{10}(?=\.)", server.requests[0])[0].decode()
    assert API_KEY.encode() in server.requests[0]

    assert clean(everything() + "".join(capfd.readouterr()), code, *STANDING, NUMBER[1:])


@pytest.fixture
def debug(settings):
    settings.DEBUG = True
    return APIClient(raise_request_exception=False)


def test_the_page_of_a_failing_view_shows_no_code_and_no_key(longer, debug, outbox, everything):
    """R-104, R-004, W4: with DEBUG on."""
    page = debug.post("/failing/", {"phone_number": NUMBER}, "json")
    code, challenge = code_in(outbox[0]), OTPChallenge.objects.get()
    assert (page.status_code, "RuntimeError" in page.content.decode()) == (500, True)
    assert clean(page.content.decode() + everything(), code, *STANDING)

    page = debug.post(f"/failing/{challenge.pk}/", {"code": code}, "json")
    assert (page.status_code, "RuntimeError" in page.content.decode()) == (500, True)
    challenge.refresh_from_db()
    assert challenge.status == "verified"
    assert clean(page.content.decode() + everything(), code, *STANDING)


class Statements:
    """Lets so many statements of ours pass, then breaks as no database does."""

    def __init__(self, passing):
        self.left = passing

    def __call__(self, execute, sql, params, many, context):
        if "kaleyra_otp" in sql:
            if self.left == 0:
                raise RuntimeError("a wrapper of the project's fails")
            self.left -= 1
        return execute(sql, params, many, context)


@pytest.mark.parametrize("call", ["start", "resend", "verify", "look", "webhook"])
def test_the_page_of_a_failing_database_shows_no_code_and_no_key(
    longer, debug, configure, outbox, everything, transactional_db, call
):
    """R-104, R-004: wherever in the call it fails, with DEBUG on."""
    failed = 0
    for passing in range(7):
        challenge = challenges.start(number(passing))
        sent = len(outbox)
        code, url = code_in(outbox[-1]), f"/otp/challenges/{challenge.pk}/"
        body = {"id": outbox[-1].message_id, "status": "DELIVRD", "message": f"It is {code}."}
        with connection.execute_wrapper(Statements(passing)):
            answer = {
                "start": lambda: debug.post("/otp/challenges/", {"phone_number": OTHER}, "json"),
                "resend": lambda url=url: debug.post(f"{url}resend/", {}, "json"),
                "verify": lambda url=url, code=code: debug.post(f"{url}verify/", {"code": code}, "json"),
                "look": lambda url=url: debug.get(url),
                "webhook": lambda body=body: debug.post("/otp/webhook/", body, "json", headers=SECRET),
            }[call]()
        failed += answer.status_code == 500
        codes = [code_in(sms) for sms in outbox[sent - 1 :]]
        assert clean(answer.content.decode() + everything(), *codes, *STANDING), f"after {passing} statements"
    assert failed >= {"start": 5, "resend": 6, "verify": 2, "look": 1, "webhook": 2}[call]


def test_what_a_backend_raises_is_shown_nowhere(longer, debug, configure, everything):
    """R-004, R-104."""
    configure(**SCRIPTED)
    Scripted.script, codes = [], []

    def breaking(sms):
        codes.append(re.search(r"\d{10}", sms.body.reveal())[0])
        return RuntimeError(f"{sms.to} {sms.body.reveal()}")

    Scripted.script = [breaking]
    answer = debug.post("/otp/challenges/", {"phone_number": NUMBER}, "json")

    assert answer.status_code == 201
    logged = everything()
    assert clean(answer.content.decode() + logged + tables(), *codes, *STANDING)
    assert clean(logged, NUMBER[1:])


def test_a_receiver_that_raises_shows_no_code(longer, debug, outbox, everything):
    """R-115, R-104: in the mail to the admins, which has the values of every frame."""

    def raising(**kwargs):
        raise RuntimeError("a receiver fails")

    every = (
        signals.challenge_started,
        signals.challenge_failed,
        signals.challenge_verified,
        signals.sms_submitted,
    )
    for signal in every:
        signal.connect(raising)
    try:
        started = debug.post("/otp/challenges/", {"phone_number": NUMBER}, "json").json()
        code, url = code_in(outbox[0]), f"/otp/challenges/{started['id']}/verify/"
        debug.post(url, {"code": wrong(code)}, "json")
        verified = debug.post(url, {"code": code}, "json")
    finally:
        for signal in every:
            signal.disconnect(raising)

    report = everything()
    assert report.count("a receiver fails") >= 4
    assert clean(report, code, wrong(code), verified.json()["token"], *STANDING)
    assert clean(report, NUMBER[1:])


def test_a_wrong_setting_beside_the_secret_does_not_show_what_kaleyra_sends(longer, configure, everything):
    """R-104: the log of the refusal, with the values of every frame."""
    configure(WEBHOOK_SECRET=[WEBHOOK_SECRET, "short"])

    assert APIClient().post("/otp/webhook/", {}, "json", headers=SECRET).status_code == 401
    report = everything()
    assert "reason=no_setting" in report
    assert clean(report, *STANDING)


def test_a_callback_that_could_not_be_stored_does_not_show_the_text_of_the_sms(
    longer, outbox, everything, transactional_db
):
    """R-097: a profile may send the text against our advice."""
    challenges.start(NUMBER)
    code = code_in(outbox[0])

    def away(execute, sql, params, many, context):
        raise OperationalError("gone away")

    with connection.execute_wrapper(away):
        body = {"id": outbox[0].message_id, "status": "SENT", "message": outbox[0].body}
        answer = APIClient().post("/otp/webhook/", body, "json", headers=SECRET)

    assert answer.status_code == 503
    assert clean(everything(), code, *STANDING)


def test_no_repr_shows_what_is_secret(longer, outbox):
    """R-104, R-106, R-115."""
    challenge = challenges.start(NUMBER)
    code = code_in(outbox[0])
    result = challenges.verify(challenge.pk, code)
    send = SendLog.objects.get()
    shown = [
        challenge, send, result, send.challenge, delivery.code_of(challenge), outbox,
        SMS(to=NUMBER, body=Secret(code), code=Secret(code)), routing.routes_for(NUMBER),
        phones.parse(NUMBER),
        limits.buckets_for(phones.parse(NUMBER), conf.LIMITS, segments=1, ip=None, user_id=None, known=False,
                           proven=False),
    ]  # fmt: skip

    for value in shown:
        assert clean(f"{value!r} {value!s}", code, result.token, NUMBER[1:], *STANDING)


def test_no_setting_shows_its_secret_once_read(longer, configure):
    """R-104."""
    configure(
        ROUTES=[{"PREFIXES": ["+1"], "NAME": "own", "API_KEY": API_KEY}],
        TEST_NUMBERS={NUMBER: {"code": "4829130000", "until": "2026-01-01"}},
    )

    for name in known():
        assert clean(repr(getattr(conf, name)), "4829130000", *STANDING), name


def test_the_names_of_secret_settings_are_hidden_by_django(settings):
    """R-104, W4: on its own page of an error."""
    hidden = import_string(settings.DEFAULT_EXCEPTION_REPORTER_FILTER)().hidden_settings

    assert all(hidden.search(name) for name in ("API_KEY", "WEBHOOK_SECRET", "CODE_KEY"))


def test_every_refusal_has_a_word_and_a_sentence_and_no_more():
    """R-041."""
    refusals = [
        each
        for each in vars(exceptions).values()
        if isinstance(each, type) and each.__module__ == exceptions.__name__
    ]

    for refusal in refusals:
        error = refusal()
        assert error.code.isidentifier()
        assert str(error.detail).endswith(".")
        assert str(error) == str(error.detail)
    assert len(refusals) >= 20
