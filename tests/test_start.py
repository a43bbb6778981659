"""Send a code and open the challenge that waits for it: over HTTP and in Python."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.utils.dateparse import parse_datetime

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import (
    Cooldown,
    DeliveryFailed,
    DeliveryUnavailable,
    IdempotencyConflict,
    Invalid,
    Refused,
)
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER, OTHER, code_in
from tests.playing import NO_LIMITS, later

KEY = "0123456789abcdef"
KEYS_OF_A_CHALLENGE = {
    "id", "status", "purpose", "phone_number", "code_length", "attempts_left", "sends_left", "created_at",
    "expires_at", "resend_at", "delivery",
}  # fmt: skip


def test_a_start_sends_one_sms_and_answers_with_the_challenge(api, outbox):
    """S2."""
    answer = api.start("+91 98765 43210")
    body = answer.json()

    assert answer.status_code == 201
    assert set(body) == KEYS_OF_A_CHALLENGE
    assert uuid.UUID(body["id"]).version == 4
    assert body["status"] == "pending"
    assert body["purpose"] == "verify"
    assert body["phone_number"] == "+91••••••3210"
    assert (body["code_length"], body["attempts_left"], body["sends_left"]) == (6, 5, 4)
    assert set(body["delivery"]) == {"status", "updated_at"}
    assert body["delivery"]["status"] == "sent"
    assert [sms.to for sms in outbox] == [NUMBER]
    assert re.fullmatch(
        r"Your Kirana code is \d{6}\. It is good for 5 minutes\. Do not share it with anyone\.",
        outbox[0].body,
    )


def test_the_times_of_a_challenge_follow_from_the_settings(api, configure):
    """R-002."""
    configure(CODE_TTL=120, RESEND_COOLDOWN=45)

    body = api.start().json()
    created, expires, again = (parse_datetime(body[key]) for key in ("created_at", "expires_at", "resend_at"))

    assert expires - created == timedelta(seconds=120)
    assert again - created == timedelta(seconds=45)


def test_the_answer_holds_neither_the_code_nor_the_number_nor_the_providers_id(api, outbox):
    """R-034, V32."""
    answer = api.start()
    told = answer.content.decode() + str(dict(answer.headers))

    assert code_in(outbox[0]) not in told
    assert "9876543210" not in told
    assert outbox[0].message_id.partition(":")[0] not in told


def test_the_row_holds_no_code_and_the_text_a_placeholder(challenge, code):
    """R-004."""
    send = SendLog.objects.get()

    assert send.body.count("{code}") == 1
    assert code not in send.body
    assert send.challenge == challenge


def test_a_purpose_and_a_language_choose_the_text(api, configure, outbox):
    texts = [
        {"purpose": "login", "language": "hi", "BODY": "hi {code}"},
        {"purpose": "login", "BODY": "login {code}"},
        {"BODY": "any {code}"},
    ]
    configure(MESSAGES=texts, **NO_LIMITS)
    for body in ({"purpose": "login", "language": "hi-IN"}, {"purpose": "login"}, {"language": "hi"}):
        assert api.start(**body).status_code == 201

    assert [sms.body.split()[0] for sms in outbox] == ["hi", "login", "any"]


def test_no_header_and_no_host_reaches_the_text(api, configure, outbox, settings):
    """R-070."""
    settings.ALLOWED_HOSTS = ["*"]
    configure(MESSAGES=[{"BODY": "a {code}"}, {"language": "hi", "BODY": "b {code}"}], **NO_LIMITS)
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Accept-Language": "hi"}
    assert api.start(headers=forged).status_code == 201

    assert re.fullmatch(r"a \d{6}", outbox[0].body)


@pytest.mark.parametrize("purpose", ["second_factor", "step_up"])
def test_a_purpose_of_the_server_alone_is_not_found_over_http(api, purpose, outbox):
    """R-029."""
    answer = api.start(purpose=purpose)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not outbox
    assert not OTPChallenge.objects.exists()
    assert challenges.start(NUMBER, purpose=purpose).pk


@pytest.mark.parametrize("purpose", ["xyz", "", "VERIFY", "verify ", None, 5, True, ["verify"], {"a": 1}])
def test_a_purpose_that_does_not_exist_is_invalid(api, purpose, outbox):
    """R-029."""
    answer = api.start(purpose=purpose)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["errors"]) == {"purpose"}
    assert not outbox
    assert not RateLimit.objects.exists()


def test_the_refusal_of_a_purpose_names_none_that_http_does_not_have(api):
    """R-033: one that is 404 is not told beside those that exist."""
    assert "step_up" not in api.start(purpose="xyz").content.decode()


@pytest.mark.parametrize("purpose", ["xyz", None, 5, ["verify"]])
def test_in_python_too_a_purpose_must_exist(db, purpose):
    with pytest.raises(Invalid):
        challenges.start(NUMBER, purpose=purpose)


def test_a_purpose_has_rules_of_its_own(api, configure, outbox):
    """R-029."""
    configure(PURPOSES={"transfer": {"API": True, "CODE_LENGTH": 8, "CODE_TTL": 60, "MAX_ATTEMPTS": 3}})

    body = api.start(purpose="transfer").json()

    assert (body["code_length"], body["attempts_left"]) == (8, 3)
    assert len(code_in(outbox[0])) == 8
    assert parse_datetime(body["expires_at"]) - parse_datetime(body["created_at"]) == timedelta(seconds=60)
    assert api.verify(body["id"], code_in(outbox[0])).status_code == 200


def test_a_builtin_purpose_may_be_closed_to_http(api, configure):
    configure(PURPOSES={"login": {"API": False}})

    assert api.start(purpose="login").status_code == 404
    assert api.start().status_code == 201


@pytest.mark.parametrize("value", [{"amount": 1}, None, "", []])
def test_a_context_in_the_body_is_refused(api, value, outbox):
    """R-027."""
    answer = api.start(bind=value)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["errors"]) == {"bind"}
    assert not outbox


def test_a_context_stands_in_the_text_and_binds_the_code(db, configure, outbox):
    """R-027."""
    configure(MESSAGES=[{"BODY": "{code} pays {amount} to {payee}"}])
    bind = {"amount": "10.00", "payee": "Asha", "session": "x" * 500}

    challenge = challenges.start(NUMBER, bind=bind)

    assert outbox[0].body.endswith("pays 10.00 to Asha")
    assert challenges.verify(challenge.pk, code_in(outbox[0])).error == "invalid_code"
    assert challenges.verify(challenge.pk, code_in(outbox[0]), bind={**bind, "amount": "10.01"}).ok is False
    assert challenges.verify(challenge.pk, code_in(outbox[0]), bind=dict(reversed(bind.items()))).ok


@pytest.mark.parametrize(
    "amount",
    [None, "", "x" * 31, "1\n@evil.com #000000", "{code}", "a\r\nb", "\u202e1", "\x00", True, ["1"], 10**31],
    ids=lambda value: repr(value)[:20],
)
def test_a_context_that_does_not_fit_the_text_is_refused_and_nothing_is_charged(
    db, configure, outbox, amount
):
    """R-069."""
    configure(MESSAGES=[{"BODY": "{code} pays {amount}"}])

    with pytest.raises(Invalid) as refusal:
        challenges.start(NUMBER, bind={"amount": amount})

    assert set(refusal.value.errors) == {"bind"}
    assert not outbox
    assert not RateLimit.objects.exists()


def test_the_same_request_with_its_key_is_the_same_challenge(api, outbox):
    first, second = api.start(key=KEY), api.start(key=KEY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert len(outbox) == OTPChallenge.objects.count() == 1


def test_a_key_with_another_number_or_purpose_is_a_conflict(api, outbox):
    api.start(key=KEY)
    for arguments in ({"phone_number": OTHER}, {"purpose": "login"}):
        answer = api.start(key=KEY, **arguments)

        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert len(outbox) == 1


def test_a_key_belongs_to_one_caller(db, user, django_user_model, outbox, configure):
    """One user, else one address: nobody meets another's challenge by its key."""
    configure(**NO_LIMITS)
    other = django_user_model.objects.create_user("binod")
    callers = [{"user": user}, {"user": other}, {"ip": "1.1.1.1"}, {"ip": "1.1.1.2"}]
    found = [challenges.start(NUMBER, idempotency_key=KEY, **caller).pk for caller in callers * 2]

    assert len(set(found)) == len(outbox) == 4
    assert found[:4] == found[4:]


def test_a_key_lapses_after_a_day(db, outbox):
    first = challenges.start(NUMBER, idempotency_key=KEY)
    later(24 * 3600 - 60)
    assert challenges.start(NUMBER, idempotency_key=KEY) == first
    later(120)

    assert challenges.start(NUMBER, idempotency_key=KEY) != first
    assert challenges.start(NUMBER, idempotency_key=KEY) != first


def test_a_key_is_not_stored_as_it_is(db):
    challenges.start(NUMBER, idempotency_key=KEY)

    assert KEY not in OTPChallenge.objects.get().idempotency_digest


@pytest.mark.parametrize(
    ("key", "fine"),
    [
        ("!" * 16, True), ("~" * 128, True), ("a" * 15, False), ("a" * 129, False), ("", False),
        ("a b" * 8, False), ("a" * 16 + "\n", False), ("é" * 20, False), ("\x7f" * 16, False),
    ],
)  # fmt: skip
def test_a_key_is_16_to_128_characters_of_printable_ascii(db, key, fine, outbox):
    if fine:
        assert challenges.start(NUMBER, idempotency_key=key).pk
        return
    with pytest.raises(Invalid) as refusal:
        challenges.start(NUMBER, idempotency_key=key)
    assert set(refusal.value.errors) == {"Idempotency-Key"}
    assert not outbox


def test_a_bad_key_is_400_and_says_so_by_its_name(api, outbox):
    answer = api.start(headers={"Idempotency-Key": "short"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["errors"]) == {"Idempotency-Key"}
    assert not outbox


def test_a_twin_of_another_number_meets_the_conflict_though_the_cool_down_holds(db):
    challenges.start(NUMBER, idempotency_key=KEY)
    challenges.start(OTHER)

    with pytest.raises(IdempotencyConflict):
        challenges.start(OTHER, idempotency_key=KEY)


@pytest.mark.parametrize(
    ("backend", "status", "code", "error"),
    [
        ("Refusing", 502, "delivery_failed", DeliveryFailed),
        ("Away", 503, "delivery_unavailable", DeliveryUnavailable),
    ],
)
def test_a_send_that_surely_failed_is_told(api, configure, backend, status, code, error):
    """R-082, S5."""
    configure(BACKEND=f"tests.playing.{backend}")

    answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert SendLog.objects.get().status == "failed"
    with pytest.raises(error):
        challenges.start(OTHER)


@pytest.mark.parametrize("backend", ["Losing", "Breaking"])
def test_a_send_whose_answer_was_lost_is_no_failure(api, configure, backend):
    """R-079: the SMS may well arrive."""
    configure(BACKEND=f"tests.playing.{backend}")

    answer = api.start()

    assert answer.status_code == 201
    assert answer.json()["delivery"]["status"] == "pending"
    assert SendLog.objects.get().status == "unknown"


def test_a_text_that_nobody_wrote_is_503_and_nothing_is_charged(api, configure, outbox):
    configure(MESSAGES=[{"purpose": "login", "BODY": "{code}"}])

    assert api.start().status_code == 503
    assert not RateLimit.objects.exists()


def test_a_start_creates_no_user_and_tells_nothing_of_one(api, user, django_user_model, outbox):
    """S13, R-032: the same keys and words for a number with a user and one without."""
    with_user, without = api.start(NUMBER).json(), api.start(OTHER).json()

    assert django_user_model.objects.count() == 1
    for body in (with_user, without):
        for key in ("id", "created_at", "expires_at", "resend_at", "phone_number"):
            del body[key]
        del body["delivery"]["updated_at"]
    assert with_user == without


def test_a_signed_in_caller_owns_the_challenge_and_is_known(api, user):
    api.client.force_authenticate(user)
    body = api.start().json()

    challenge = OTPChallenge.objects.get(pk=body["id"])
    assert (challenge.user, challenge.known) == (user, True)


def test_a_request_given_in_python_sets_neither_user_nor_language(db, user, rf):
    request = rf.post("/", headers={"Accept-Language": "hi"})
    request.user = user

    challenge = challenges.start(NUMBER, request=request)

    assert (challenge.user, challenge.known, challenge.language) == (None, False, "en-us")
    assert challenge.ip == "127.0.0.1"


def test_a_new_start_leaves_the_code_of_the_one_before_good(challenge, code):
    """S11."""
    later(31)
    challenges.start(NUMBER)

    assert challenges.verify(challenge.pk, code).ok


def test_a_test_number_has_its_code_and_is_never_sent_to(api, configure, outbox):
    """R-117, S18, V16: it still needs a live challenge and obeys the limits."""
    until = (dt.datetime.now(dt.UTC).date() + timedelta(days=30)).isoformat()
    configure(TEST_NUMBERS={NUMBER: {"code": "12345678", "until": until}})
    body = api.start().json()

    assert not outbox
    assert (body["code_length"], body["delivery"]["status"]) == (8, "sent")
    assert api.start().json()["code"] == "cooldown"
    assert api.verify(uuid.uuid4(), "12345678").status_code == 404
    assert api.verify(body["id"], "12345679").json()["code"] == "invalid_code"
    assert api.verify(body["id"], "12345678").status_code == 200
    other = api.start(OTHER).json()
    assert api.verify(other["id"], "12345678").json()["code"] == "invalid"
    assert len(outbox) == 1


def test_a_test_number_past_its_day_is_refused(db, configure, outbox):
    """R-117."""
    yesterday = (dt.datetime.now(dt.UTC).date() - timedelta(days=1)).isoformat()
    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": yesterday}})

    with pytest.raises(Refused) as refusal:
        challenges.start(NUMBER)
    assert refusal.value.code == "refused"
    assert not outbox


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_last_day_of_a_test_number_is_one_of_the_projects_time_zone(db, configure, settings, zone):
    """R-117: at any time, it is another day there than UTC's in one of these two at least."""
    settings.TIME_ZONE = zone
    today = dt.datetime.now(ZoneInfo(zone)).date()

    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": today.isoformat()}})
    challenges.start(NUMBER)

    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": (today - timedelta(days=1)).isoformat()}})
    with pytest.raises(Refused):
        challenges.start(NUMBER)


def test_inside_a_transaction_a_refused_start_raises_at_once(db, challenge):
    with transaction.atomic(), pytest.raises(Cooldown):
        challenges.start(NUMBER)
