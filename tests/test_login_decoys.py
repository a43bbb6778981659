"""What a number meets that signs nobody in, and what a send that fails looks like."""

import itertools
import json
import re
from datetime import timedelta

import pytest
import requests
import responses
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_kaleyra_otp import delivery
from django_kaleyra_otp.models import BlockedPrefix, ChallengeStatus, OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER
from tests.visitor import (
    PROFILE,
    UNKNOWN,
    Record,
    Visitor,
    canceled,
    expired,
    forget_limits,
    looked_at,
    no_code_given,
    number_given,
    number_given_with_next,
    resent,
    resent_later,
    wrong_code_given,
)

pytestmark = [pytest.mark.django_db]

KALEYRA = "django_kaleyra_otp.backends.kaleyra.KaleyraBackend"


@pytest.fixture
def visitor(user):
    return Visitor()


@pytest.fixture
def kaleyra(configure):
    """Kaleyra, played at the socket; ``kaleyra.add(...)`` says what it answers."""
    configure(BACKEND=KALEYRA, RETRIES=0)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as played:
        yield played


VISITS = {
    "sent": [looked_at, number_given, looked_at],
    "sent on the way to somewhere": [number_given_with_next, wrong_code_given],
    "sent twice": [number_given, number_given],
    "wrong": [number_given, wrong_code_given, no_code_given, wrong_code_given],
    "too often": [number_given, *[wrong_code_given] * 7, resent_later, wrong_code_given],
    "resent": [number_given, resent, resent_later, wrong_code_given, resent],
    "resent too often": [number_given, *[resent_later] * 7, wrong_code_given],
    "expired": [number_given, expired, wrong_code_given, resent, resent_later, wrong_code_given],
    "canceled": [number_given, canceled, wrong_code_given, resent_later],
    "over the limit": [number_given, resent, *[number_given] * 2],
}


@pytest.fixture(params=["unknown", "shared", "inactive", "staff", "superuser"])
def decoy(request, user, django_user_model):
    """A number that signs nobody in, for each reason there is."""
    flags = {
        "inactive": {"is_active": False},
        "staff": {"is_staff": True},
        "superuser": {"is_superuser": True},
    }
    if request.param != "unknown":
        django_user_model.objects.create_user("ben", phone_number=UNKNOWN, **flags.get(request.param, {}))
    if request.param == "shared":
        django_user_model.objects.create_user("cleo", phone_number=UNKNOWN)
    return UNKNOWN


@pytest.mark.parametrize("visit", VISITS)
def test_a_decoy_looks_like_any_other_number(visit, decoy):
    """S14, R-032."""
    true = Record(NUMBER).do(*VISITS[visit]).seen

    assert Record(decoy).do(*VISITS[visit]).seen == true


def test_a_decoy_gets_no_sms_and_makes_no_user(decoy, outbox):
    """S13."""
    users = get_user_model().objects.count()

    Record(decoy).do(number_given, wrong_code_given, resent_later, expired, resent_later)

    assert not outbox
    assert not SendLog.objects.exists()
    assert get_user_model().objects.count() == users


def test_a_decoy_has_no_code_and_signs_nobody_in_when_its_number_gets_a_user(user, django_user_model):
    visit = Record(UNKNOWN).do(number_given)
    django_user_model.objects.create_user("ben", phone_number=UNKNOWN)

    visit.do(wrong_code_given)

    assert "That code is not right." in visit.visitor.text
    assert visit.challenge.attempts == 1


@pytest.mark.parametrize("store", ["db", "signed_cookies"])
def test_a_decoys_guesses_are_counted_where_no_client_can_reset_them(store, user, settings):
    """V20."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{store}"
    visitor = Visitor().give_number(UNKNOWN)
    cookie = visitor.client.cookies["sessionid"].value

    for _ in range(8):
        visitor.client.cookies["sessionid"] = cookie
        visitor.give_code("123456")

    visitor.follow()
    assert "Too many wrong codes" in visitor.text
    assert OTPChallenge.objects.get().attempts == 5


def test_a_decoy_is_charged_to_the_same_limits(user):
    def charged(phone_number):
        forget_limits()
        Record(phone_number).do(number_given)
        now = timezone.now().timestamp() * 1_000_000
        return sorted(round((row.tat - now) / 10_000_000) for row in RateLimit.objects.all())

    assert charged(UNKNOWN) == charged(NUMBER)


def test_a_decoys_cooldown_holds_at_every_door(user, api):
    """S8."""
    Record(UNKNOWN).do(number_given)

    assert api.start(UNKNOWN, purpose="login").json()["code"] == "cooldown"


def test_a_decoys_failures_close_its_number_as_any_other(user, configure):
    """R-014, R-032."""
    configure(RESEND_COOLDOWN=0, MAX_FAILURES=5)
    deeds = [number_given, *[wrong_code_given] * 5, number_given, resent]

    true, decoy = Record(NUMBER).do(*deeds), Record(UNKNOWN).do(*deeds)

    assert decoy.seen == true.seen
    assert "Too many wrong codes were entered for this number." in decoy.visitor.text


QUEUE = []


def enqueue(send_log_id):
    QUEUE.append(send_log_id)


def test_with_a_queue_a_decoy_takes_the_same_statements(user, configure):
    """R-032: the same statements take the same time."""
    configure(DISPATCH="tests.test_login_decoys.enqueue")

    def statements(phone_number):
        visit = Record(phone_number)
        with CaptureQueriesContext(connection) as captured:
            number_given(visit)
            visit.visitor.give_code("000000")
            resent_later(visit)
        values = re.compile(r"'(?:[^'\\]|\\.)*'|\b[0-9a-f]{32}\b|\d+", re.DOTALL)  # bytes may hold \'
        shapes = [values.sub("", query["sql"]) for query in captured]
        return [shape for shape in shapes if "SAVEPOINT" not in shape]

    true, decoy = statements(NUMBER), statements(UNKNOWN)

    taken_back = [shape for shape in decoy if re.match("DELETE FROM .kaleyra_otp_sendlog", shape)]
    assert len(taken_back) == 2  # all that it has more: one for each SMS that does not leave
    assert [shape for shape in decoy if shape not in taken_back] == true


@pytest.mark.parametrize("visit", VISITS)
def test_with_a_queue_every_byte_of_a_decoy_is_the_same(visit, user, configure):
    """R-032."""
    configure(DISPATCH="tests.test_login_decoys.enqueue")

    assert Record(UNKNOWN).do(*VISITS[visit]).seen == Record(NUMBER).do(*VISITS[visit]).seen


def test_a_queue_is_given_an_id_for_a_decoy_too_and_its_worker_sends_nothing(user, configure, outbox):
    """R-032."""
    configure(DISPATCH="tests.test_login_decoys.enqueue")
    QUEUE.clear()
    Record(UNKNOWN).do(number_given, resent_later)
    assert len(QUEUE) == 2

    for send_log_id in QUEUE:
        delivery.deliver(send_log_id)

    assert not outbox
    assert not SendLog.objects.exists()


def refuse_all(**_):
    return False


def kill_switch(configure):
    configure(SENDING=False)


def risk(configure):
    configure(RISK="tests.test_login_decoys.refuse_all")


def country(configure):
    configure(ALLOWED_COUNTRIES=["AE"])


def prefix(configure):
    BlockedPrefix.objects.create(prefix="+9198")


def failures(configure):
    configure(MAX_FAILURES=1)
    now = timezone.now()
    for phone_number in (NUMBER, UNKNOWN):
        OTPChallenge.objects.create(
            phone_number=phone_number,
            purpose="login",
            language="en",
            nonce=b"0" * 16,
            code_length=6,
            attempts=5,
            max_attempts=5,
            max_sends=5,
            status=ChallengeStatus.MAX_ATTEMPTS_REACHED,
            created_at=now,
            expires_at=now,
        )


def limit(configure):
    text = f"{{code}} {'is the code, and this text takes two SMS: ' * 4}"[:-2]
    configure(LIMITS=[{"scope": "global", "rate": "1/d"}], MESSAGES=[{"BODY": text}])


def no_text(configure):
    configure(MESSAGES=[{"purpose": "verify", "BODY": "{code}"}])


def unbound_text(configure):
    configure(MESSAGES=[{"BODY": "{code} pays {amount}"}])


def past_test_numbers(configure):
    rule = {"code": "123456", "until": (timezone.now() - timedelta(days=2)).date().isoformat()}
    configure(TEST_NUMBERS={NUMBER: rule, UNKNOWN: rule})


WORLDS = [limit, kill_switch, risk, country, prefix, failures, no_text, unbound_text, past_test_numbers]


@pytest.mark.parametrize("worlds", list(itertools.combinations_with_replacement(WORLDS, 2)))
def test_a_decoy_is_refused_in_the_same_words(worlds, user, configure):
    """R-032: whatever refuses a number, and whatever two things do."""
    for world in worlds:
        world(configure)
    true = Record(NUMBER).do(number_given)
    assert "error" in str(true.visitor.page)

    decoy = Record(UNKNOWN).do(number_given)

    assert decoy.seen == true.seen


@pytest.mark.parametrize("world", [kill_switch, risk, country, prefix, past_test_numbers])
def test_a_decoys_resend_is_refused_in_the_same_words(world, user, configure):
    """R-032."""
    true, decoy = Record(NUMBER).do(number_given), Record(UNKNOWN).do(number_given)
    world(configure)
    for visit in (true, decoy):
        visit.do(resent_later)

    assert decoy.seen == true.seen
    assert SendLog.objects.count() == 1


# Sends that fail


@pytest.mark.parametrize(
    "said",
    [
        {"status": 400, "json": {"error": {"code": "E001", "message": "No balance"}}},
        {"status": 401, "json": {"error": "unauthorized"}},
        {"status": 429, "json": {}},
        {"status": 502, "body": "<html>"},
        {"body": ConnectionError()},
        {"body": requests.ConnectTimeout()},
        {"body": requests.ReadTimeout()},
    ],
    ids=["refused", "unauthorized", "busy", "bad gateway", "cut off", "not connected", "unanswered"],
)
def test_a_send_that_fails_looks_like_one_that_arrives(said, user, kaleyra):
    """S14: what the provider does is not visible to a stranger."""
    kaleyra.add(responses.POST, re.compile(r"https://api\.in\.kaleyra\.io/"), **said)
    deeds = [number_given, wrong_code_given, resent, resent_later, wrong_code_given]

    true = Record(NUMBER).do(*deeds)

    assert len(kaleyra.calls) == 2
    assert set(SendLog.objects.values_list("status", flat=True)) <= {"failed", "unknown"}
    assert Record(UNKNOWN).do(*deeds).seen == true.seen


def test_the_code_of_a_send_that_failed_is_sent_by_the_resend(visitor, kaleyra):
    """S4."""
    url = re.compile(r"https://api\.in\.kaleyra\.io/")
    kaleyra.add(responses.POST, url, status=400, json={"error": {"code": "E001", "message": "No balance"}})
    visitor.give_number(NUMBER)
    kaleyra.replace(
        responses.POST, url, status=202, json={"id": "a", "data": [{"message_id": "a:1"}], "error": {}}
    )
    forget_limits()

    visitor.resend()

    code = re.search(r"\d{6}", json.loads(kaleyra.calls[-1].request.body)["body"])[0]
    assert visitor.give_code(code).answer.url == PROFILE


def raise_always(send_log_id):
    raise ConnectionError


@pytest.mark.parametrize("queue", ["enqueue", "raise_always"])
def test_a_queue_that_is_down_looks_like_one_that_works(queue, user, configure):
    configure(DISPATCH=f"tests.test_login_decoys.{queue}")
    deeds = [number_given, wrong_code_given, resent_later]

    assert Record(NUMBER).do(*deeds).seen == Record(UNKNOWN).do(*deeds).seen


@pytest.mark.parametrize("has_user", [True, False], ids=["true", "decoy"])
def test_the_time_of_another_resend_does_not_tell_who_has_a_user(api, configure, django_user_model, has_user):
    """R-032: both move the time at which any challenge of the number may be sent again."""
    configure(RESEND_COOLDOWN=0, LIMITS=[])
    if has_user:
        django_user_model.objects.create_user("asha", phone_number="+919876543210")
    before = api.start("+919876543210").json()

    answer = Client().post("/login/", {"phone_number": "+919876543210"})

    assert answer.status_code in (302, 303)
    assert api.look(before["id"]).json()["resend_at"] > before["resend_at"]
