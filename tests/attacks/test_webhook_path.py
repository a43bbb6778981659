"""What happened to other packages where the provider calls back; each test says what, by its W number."""

from __future__ import annotations

import hmac
import io
import itertools
import json
import uuid
from datetime import timedelta

import pytest
import responses
from django.core import checks
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from django.views.debug import ExceptionReporter, get_exception_reporter_filter

from django_kaleyra_otp import challenges, signals
from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate
from tests import staff
from tests.conftest import NUMBER
from tests.playing import NO_LIMITS, SCRIPTED, SECRET, Scripted

URL = "/otp/webhook/"
EVENTS = ("SENT", "DELIVRD", "UNDELIVERED", "EXPIRED", "FAILED")


def call(body, headers=SECRET, content_type="application/json", url=URL, **more):
    """Call back, and return the HTTP status."""
    body = json.dumps(body) if isinstance(body, dict | list) else body
    client = Client(raise_request_exception=False)
    return client.generic("POST", url, body, content_type, headers=headers, **more).status_code


def told(status, **more):
    return {"id": SendLog.objects.get().message_id, "status": status, "recipient": NUMBER[1:], **more}


def status():
    return SendLog.objects.get().status


@pytest.mark.parametrize("secret", [None, "", [], "changeme"])
def test_without_a_secret_nobody_gets_in(challenge, configure, secret):
    """W1: where no secret was set, every call was taken."""
    configure(WEBHOOK_SECRET=secret)

    for headers in ({}, {"X-Kaleyra-Otp-Secret": ""}, {"X-Kaleyra-Otp-Secret": "changeme"}, SECRET):
        assert call(told("DELIVRD"), headers) == 401
    assert status() == "submitted"
    errors = [each.id for each in checks.run_checks(tags=["kaleyra_otp"]) if each.level >= checks.ERROR]
    assert {"kaleyra_otp.E003", "kaleyra_otp.E006"} & set(errors)


def test_debug_lets_nobody_in(challenge, settings):
    """W2: with DEBUG on, the signature was not looked at."""
    settings.DEBUG = True

    assert call(told("DELIVRD"), {}) == 401
    assert status() == "submitted"


def test_the_secret_is_compared_in_constant_time(challenge, monkeypatch):
    """W3: == told by its time how much of the secret was right."""
    compared, true = [], hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append({a, b}) or true(a, b))
    secret = SECRET["X-Kaleyra-Otp-Secret"]

    call(told("SENT"), {"X-Kaleyra-Otp-Secret": secret[:-1]})

    assert {secret.encode(), secret[:-1].encode()} in compared


def test_the_page_of_an_error_hides_the_secret(challenge, rf, settings):
    """W4: Django's page of an error showed the secret, for its setting had another name."""
    settings.DEBUG = True
    shown = repr(get_exception_reporter_filter(rf.get("/")).get_safe_settings()["KALEYRA_OTP"])
    try:
        raise RuntimeError
    except RuntimeError as error:
        reporter = ExceptionReporter(rf.post(URL, headers=SECRET), type(error), error, error.__traceback__)
        page = reporter.get_traceback_html()

    assert settings.KALEYRA_OTP["SENDER"] in shown
    for key in ("WEBHOOK_SECRET", "API_KEY"):
        assert settings.KALEYRA_OTP[key] not in shown
        assert settings.KALEYRA_OTP[key] not in page
    assert "HTTP_X_KALEYRA_OTP_SECRET" in page


def test_nothing_in_a_call_says_what_it_is_checked_against(challenge):
    """W5: the call named the certificate that it was to be checked with."""
    mine = "an-attackers-own-secret-0123456789-0123456789"
    names = ("secret", "key", "WEBHOOK_SECRET", "X-Kaleyra-Otp-Secret", "SigningCertURL", "signature", "alg")
    with responses.RequestsMock():  # a request that leaves is an error
        for name in names:
            headers = {
                "X-Kaleyra-Otp-Secret": mine,
                name: mine,
                "X-Signing-Cert": "https://evil.example/c.pem",
            }
            assert call(told("DELIVRD", **{name: mine}), headers) == 401
            assert call(told("DELIVRD"), {name: mine}, url=f"{URL}?{name}={mine}") == 401

    assert status() == "submitted"


def test_every_order_ends_alike(db, configure):
    """W6: "sent" came after "delivered", and the SMS was not delivered any more."""
    configure(**NO_LIMITS)
    ends = set()
    for order in itertools.permutations(EVENTS[:4]):
        send = challenges.start(NUMBER).newest_send
        for event in order:
            assert call({"id": send.message_id, "status": event}) == 204
        ends.add(SendLog.objects.values_list("status", "rank", "kaleyra_status").get(pk=send.pk))

    assert len(ends) == 1
    assert ends.pop()[0] == "delivered"


def test_all_of_them_at_once_end_alike(configure, together):
    """W6: ... and where they came at one moment, the last to write won."""
    configure(**NO_LIMITS)
    for _ in range(5):
        send = challenges.start(NUMBER).newest_send
        bodies = [{"id": send.message_id, "status": event} for event in EVENTS]

        assert together(20, lambda n, bodies=bodies: call(bodies[n % len(bodies)])) == [204] * 20
        assert SendLog.objects.get(pk=send.pk).status == "delivered"


@pytest.mark.parametrize("first", ["EXPIRED", "UNDELIVERED", "FAILED"])
def test_a_late_proof_beats_an_early_guess_and_both_are_kept(challenge, first):
    """W7: which of "failed" and "delivered" held was whichever came last, and the other was lost."""
    for order in ((first, "DELIVRD"), ("DELIVRD", first)):
        for event in order:
            call(told(event))
        assert status() == "delivered"

    kept = StatusUpdate.objects.filter(send_log=SendLog.objects.get())
    assert set(kept.values_list("status", flat=True)) == {first, "DELIVRD"}


def test_ten_calls_are_one_change_and_no_error(challenge):
    """W8: the same call again was an error 500, for its row was there."""
    moves = []

    def listen(previous, send, **kwargs):
        moves.append((previous, send.status))

    signals.delivery_updated.connect(listen)
    try:
        answers = [call(told("DELIVRD")) for _ in range(10)]
    finally:
        signals.delivery_updated.disconnect(listen)

    assert answers == [204] * 10
    assert moves == [("submitted", "delivered")]
    assert StatusUpdate.objects.count() == 1


def test_ten_calls_at_once_are_one_change_and_no_error(together):
    """W8: ... and where both came at one moment, both found no row."""
    challenges.start(NUMBER)
    body = told("DELIVRD")

    assert together(10, lambda _: call(body)) == [204] * 10
    assert (status(), StatusUpdate.objects.count()) == ("delivered", 1)


def test_a_call_that_comes_before_the_answer_is_not_lost(db, configure):
    """W9: the call came before the id was in the row, and was dropped."""
    configure(**SCRIPTED)

    def hasty(sms):
        assert call({"id": "early:1", "status": "DELIVRD", "recipient": sms.to[1:]}) == 204
        assert StatusUpdate.objects.waiting().count() == 1
        return "early:1"

    Scripted.script = [hasty]
    challenges.start(NUMBER)

    assert status() == "delivered"
    assert not StatusUpdate.objects.waiting().exists()


def test_an_unknown_id_is_taken_and_kept(challenge):
    """W10: an unknown id was an error 500, and the provider called for ever."""
    for message_id in (str(uuid.uuid4()), "", "x" * 5000, "'; DROP TABLE", "../../etc/passwd"):
        assert call({"id": message_id, "status": "DELIVRD"}) == 204

    assert StatusUpdate.objects.waiting().count() == 5
    assert status() == "submitted"


WRONG = (None, [], {}, 5, True, "", "x" * 10_000, "\x00", "\ud800", "é" * 300, [["SENT"]], {"a": {"b": []}})


def test_no_field_of_any_kind_breaks_the_door(challenge):
    """W11: a field that was missing or null was an error 500."""
    whole = told("SENT", status_trace="X", timestamp="2026-01-01 00:00:00", description="d", operator="o")
    bodies = [{key: value for key, value in whole.items() if key != missing} for missing in whole]
    bodies += [{**whole, name: value} for name in whole for value in WRONG]
    for body in bodies:
        for content_type in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
            assert call(body, content_type=content_type) == 204
    for raw in (b"\xff\xfe", b"{", b"id=%ff", b"", json.dumps(whole).encode("utf-16")):
        assert call(raw) == 204

    assert SendLog.objects.count() == 1


@pytest.mark.parametrize(
    "way",
    [
        {"HTTP_X_FORWARDED_HOST": "shop.example", "HTTP_X_FORWARDED_PROTO": "https"},
        {"SCRIPT_NAME": "/shop", "HTTP_X_FORWARDED_PREFIX": "/shop"},
        {"SERVER_NAME": "localhost", "SERVER_PORT": "8443", "wsgi.url_scheme": "https"},
        {"QUERY_STRING": "utm=1&id=other"},
    ],
)
def test_a_proxy_in_between_changes_nothing(challenge, way):
    """W12: the signature was over the address, and behind a proxy that was another one."""
    assert call(told("DELIVRD"), **way) == 204
    assert status() == "delivered"


def test_what_could_not_be_stored_is_not_said_to_be(transactional_db, challenge):
    """W13: every error was answered 200, so that nobody called again, and the event was lost."""
    broken = []

    def away(execute, sql, params, many, context):
        if StatusUpdate._meta.db_table in sql or SendLog._meta.db_table in sql:
            broken.append(sql)
            raise OperationalError("gone away")
        return execute(sql, params, many, context)

    body = told("DELIVRD")
    with connection.execute_wrapper(away):
        assert call(body) == 503
    assert broken
    assert not StatusUpdate.objects.exists()

    assert call(body) == 204
    assert (status(), StatusUpdate.objects.count()) == ("delivered", 1)


def test_what_was_stored_and_not_applied_is_applied_later(db, challenge):
    """W13: ... and what was kept, nothing looked at again."""
    body, send = told("DELIVRD"), SendLog.objects.get()
    SendLog.objects.update(message_id="")  # its process ended before it wrote the id down
    call(body)
    SendLog.objects.update(message_id=send.message_id)

    call_command("kaleyra_otp_reconcile", stdout=io.StringIO())

    assert status() == "delivered"


@pytest.mark.parametrize("word", ["DELIVRD", "verified", "VERIFIED", "approved", "canceled", "READ"])
def test_no_call_answers_for_the_person(api, challenge, code, word):
    """W14: "delivered" set the verification itself to approved."""
    before = OTPChallenge.objects.values().get()
    body = told(word, challenge=str(challenge.pk), verified_at="2026-01-01", attempts=0)

    assert call(body) == call({**body, "id": str(uuid.uuid4())}) == 204

    assert OTPChallenge.objects.values().get() == before
    assert api.verify(challenge.pk, code).status_code == 200


def test_a_forged_call_does_not_tell_whether_an_id_exists(challenge):
    """W14: ... and a call without the secret told which ids there are."""
    headers = {"X-Kaleyra-Otp-Secret": "wrong"}
    client = Client()
    known, unknown = (
        client.post(URL, {**told("SENT"), "id": name}, "application/json", headers=headers)
        for name in (told("SENT")["id"], str(uuid.uuid4()))
    )

    assert (known.status_code, known.content, known.headers) == (401, unknown.content, unknown.headers)


def test_a_call_keeps_little_and_nothing_unasked(challenge):
    """W15: body and headers were kept whole, whatever their size."""
    canary = "canary-in-a-header"
    headers = {**SECRET, "User-Agent": canary, "Cookie": f"a={canary}", "X-Anything": canary}
    wide = dict.fromkeys(("status_trace", "timestamp", "description", "operator", "circle"), "x" * 4000)

    assert call(b" " * (64 * 1024 + 1)) == 413
    assert call(told("SENT", unasked="canary-in-a-field", message="canary-text", **wide), headers) == 204

    kept = " ".join(str(value) for value in StatusUpdate.objects.values().get().values())
    assert "canary" not in kept
    assert len(kept) < 2000


def test_a_callback_that_was_never_set_up_is_noticed(challenge, configure):
    """W16: the callback was never configured, and nobody noticed that no receipt came."""
    SendLog.objects.update(submitted_at=timezone.now() - timedelta(minutes=61))
    shown = staff.visit("viewer").get(staff.page("sendlog"))
    assert "no receipt" in staff.text_of(shown)

    configure(CALLBACK_PROFILE_ID="", BACKEND="django_kaleyra_otp.backends.kaleyra.KaleyraBackend")
    assert "kaleyra_otp.E004" in [each.id for each in checks.run_checks(tags=["kaleyra_otp"])]


def test_a_required_login_and_csrf_stand_not_in_the_way(challenge, settings):
    """W17: a middleware sent the provider to the login page."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    client = Client(enforce_csrf_checks=True)

    assert client.post(URL, told("DELIVRD"), "application/json", headers=SECRET).status_code == 204
    assert status() == "delivered"
