"""The fault table: what Kaleyra does wrong, what the client is told, what the row ends in, how many SMS."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from django.core.management import call_command

from django_kaleyra_otp import breaker, challenges, recovery, simulator
from django_kaleyra_otp.models import SendLog, StatusUpdate
from django_kaleyra_otp.simulator import fates
from tests.e2e.conftest import ONE_PROCESS, end, launch
from tests.playing import later, number

pytestmark = pytest.mark.heavy

HEALTHY = "+919812300000"
TIMEOUT = [1, 1.5]


class Row(NamedTuple):
    """One fault: the answer to ``start``, the row then and after ``reconcile``, and how much was sent."""

    http: int
    word: str
    status: str
    after: str
    sms: int = 1
    tries: int = 1
    error: str = ""


SENT = (201, "pending")
NO, LATER = (502, "delivery_failed"), (503, "delivery_unavailable")

ANSWERS = {
    # the SMS went out and the answer was lost: callbacks find their send again, nobody sends twice
    "delay": Row(*SENT, "unknown", "delivered"),
    "hang": Row(*SENT, "unknown", "delivered"),
    "close": Row(*SENT, "unknown", "delivered"),
    "close-mid-answer": Row(*SENT, "unknown", "delivered"),
    "drip": Row(*SENT, "unknown", "delivered"),
    "truncated-json": Row(*SENT, "unknown", "delivered"),
    "huge": Row(*SENT, "unknown", "delivered"),
    "500-sent": Row(*SENT, "unknown", "delivered", error="X500"),
    "no-id": Row(*SENT, "unknown", "delivered"),
    # no SMS went out, but the answer does not prove it
    "html-200": Row(*SENT, "unknown", "unknown", sms=0),
    "html-502": Row(*SENT, "unknown", "unknown", sms=0),
    "500-unsent": Row(*SENT, "unknown", "unknown", sms=0, error="X500"),
    "503-retry-after": Row(*SENT, "unknown", "unknown", sms=0, error="X503"),
    "202-error": Row(*SENT, "unknown", "unknown", sms=0),
    # a clear no
    "redirect": Row(*NO, "failed", "failed", sms=0),
    "status": Row(*NO, "failed", "failed", sms=0, error="X400"),
    "unauthorized": Row(*NO, "failed", "failed", sms=0, error="RBC001"),
    "ip-refused": Row(*NO, "failed", "failed", sms=0, error="X403"),
    "no-balance": Row(*NO, "failed", "failed", sms=0, error="E110"),
    # a clear "later": tried twice more
    "429": Row(*LATER, "failed", "failed", sms=0, tries=3, error="X429"),
    "429-retry-after": Row(*LATER, "failed", "failed", sms=0, tries=3, error="X429"),
    # odd, and a clear yes
    "error-list": Row(*SENT, "delivered", "delivered"),
    "error-null": Row(*SENT, "delivered", "delivered"),
    "error-absent": Row(*SENT, "delivered", "delivered"),
    "200": Row(*SENT, "delivered", "delivered"),
}

ARRIVES = Row(*SENT, "delivered", "delivered")
PULLED = Row(*SENT, "submitted", "delivered")  # no callback that could be taken: reconcile asks

CALLBACKS = {
    "no-callback": PULLED,
    "before-answer": ARRIVES,
    "duplicate": ARRIVES,
    "out-of-order": ARRIVES,
    "two-finals": ARRIVES,
    "other-spelling": ARRIVES,
    "bare-uuid": ARRIVES,
    "suffix-0": ARRIVES,
    "suffix-1": ARRIVES,
    "wrong-number": PULLED,
    "placeholder": ARRIVES,
    "placeholder-braces": ARRIVES,
    "no-auth": PULLED,
    "wrong-auth": PULLED,
    "basic-auth": ARRIVES,
    "wrong-basic": PULLED,
    "bearer": PULLED,
    "get": PULLED,
    "post": ARRIVES,
    "put": PULLED,
    "chunked-body": ARRIVES,
    "slow-body": ARRIVES,
    "endless-body": PULLED,
    "big-body": PULLED,
    "garbage-body": PULLED,
}

#: What a status of the simulator's ends as; "" is no callback at all.
ENDS = {
    "DELIVRD": "delivered",
    "NOT-SENT": "rejected",
    "UNDELIVERED": "undelivered",
    "UNDELIV": "undelivered",
    "FAILED": "failed",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
    "SUBMITTED": "submitted",
    "SENT": "sent",
    "SENT - NO DLR": "sent",
    "PARKED": "sent",  # a word that nobody knows moves nothing
    "": "submitted",
}
DELIVERIES = {
    fate.word: Row(*SENT, ends, ends)
    for fate in fates.TABLE
    if fate.part == "delivery"
    for ends in [ENDS[fate.steps[-1].status if fate.steps else ""]]
}

TABLE = {**ANSWERS, **CALLBACKS, **DELIVERIES}


@pytest.fixture(scope="module")
def kaleyra():
    with simulator.Simulator(time_scale=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def server(kaleyra, django_db_setup):
    """One process of gunicorn, for all of the table; and where Kaleyra calls it back."""
    settings = {"TIMEOUT": TIMEOUT, "LIMITS": [], "RESEND_COOLDOWN": 0}
    site, process = launch(kaleyra, *ONE_PROCESS, SERVER_KALEYRA_OTP=json.dumps(settings))
    yield site
    end(process)


@pytest.fixture
def site(server, transactional_db, kaleyra):
    """The server, with empty tables, a Kaleyra in health and no failure counted against it."""
    kaleyra.reset()
    kaleyra.set_callback_url(f"{server.url}/otp/webhook/")
    kaleyra.knobs(callback_timeout=1.0)
    assert server.start(HEALTHY).status_code == 201
    yield server
    kaleyra.reset()
    kaleyra.wait_until_idle(15)  # a callback that is under way would cross the emptying of the tables


@pytest.fixture
def account(configure, kaleyra):
    """This process, too, sends and asks by the simulator."""
    configure(
        BACKEND="django_kaleyra_otp.backends.kaleyra.KaleyraBackend",
        BASE_URL=kaleyra.base_url,
        SID=simulator.SID,
        API_KEY=simulator.API_KEY,
        TIMEOUT=TIMEOUT,
        WEBHOOK_SECRET=simulator.CALLBACK_SECRET,
        LIMITS=[],
        RESEND_COOLDOWN=0,
    )


def sends_to(kaleyra, phone_number):
    """Return the calls of the account's API that asked for an SMS to a number."""
    return [call for call in kaleyra.requests if call.method == "POST" and phone_number.encode() in call.body]


def test_every_fault_of_the_simulator_has_its_row():
    assert set(TABLE) == {fate.word for fate in fates.TABLE}


@pytest.mark.parametrize("word", TABLE)
def test_whatever_goes_wrong_no_attempt_sends_two_sms(site, account, kaleyra, word):
    """R-079, R-083, R-090 to R-096: the fault table."""
    row, phone_number = TABLE[word], fates.BY_WORD[word].number
    if word == "slow-body":
        kaleyra.set_fate(phone_number, "slow-body=0.3")

    answer = site.start(phone_number)
    kaleyra.wait_until_idle(20)

    told = answer.json()
    assert (answer.status_code, told.get("code", told.get("status"))) == (row.http, row.word)
    send = SendLog.objects.get(phone_number=phone_number)
    assert (send.status, send.error_code) == (row.status, row.error)
    assert len(kaleyra.messages_to(phone_number)) == row.sms
    assert len(sends_to(kaleyra, phone_number)) == row.tries

    later(150)
    call_command("kaleyra_otp_reconcile", verbosity=0)
    call_command("kaleyra_otp_reconcile", verbosity=0)

    send.refresh_from_db()
    assert send.status == row.after
    assert len(kaleyra.messages_to(phone_number)) == row.sms
    look = site.call("GET", f"/otp/challenges/{send.challenge_id}/").json()
    shown = {"unknown": "pending"}.get(row.after, "sent") if row.http == 201 else "failed"
    assert look["delivery"]["status"] == shown


@pytest.mark.parametrize("word", ANSWERS)
def test_whatever_goes_wrong_with_a_pull_it_only_waits(site, account, kaleyra, word):
    """R-083, R-103: the next run asks again."""
    kaleyra.set_fate(None, "no-callback", times=1)
    assert site.start(number(1)).status_code == 201
    kaleyra.wait_until_idle(20)
    later(150)

    kaleyra.knobs(pull=word)
    recovery.reconcile()
    kaleyra.knobs(pull="")
    later(900)
    recovery.reconcile()

    assert SendLog.objects.get(phone_number=number(1)).status == "delivered"
    assert len(kaleyra.messages_to(number(1))) == 1


@pytest.mark.parametrize(("knob", "error"), [("ip_allowed", "X403"), ("balance", "E110")])
def test_a_fault_of_the_account_is_a_clear_no_until_it_is_mended(site, kaleyra, knob, error):
    """R-084: nothing is tried again."""
    kaleyra.knobs(**{knob: False})
    refused = site.start(number(1))
    kaleyra.knobs(**{knob: True})

    assert (refused.status_code, refused.json()["code"]) == NO
    assert SendLog.objects.get(phone_number=number(1)).error_code == error
    assert len(sends_to(kaleyra, number(1))) == 1
    assert site.start(number(1)).status_code == 201
    assert len(kaleyra.messages_to(number(1))) == 1


@pytest.fixture
def two_routes(account, configure, kaleyra, site):
    """Two accounts for one prefix; the first is refused, the second is the simulator's."""
    configure(
        ROUTES=[
            {"PREFIXES": ["+91"], "NAME": "first", "SID": "HXFIRST000000000IN"},
            {"PREFIXES": ["+91"], "NAME": "second"},
        ]
    )


def test_the_next_route_sends_where_the_first_surely_did_not(two_routes, kaleyra):
    """R-079: one SMS, by the second."""
    challenge = challenges.start(number(1))
    kaleyra.wait_until_idle(20)

    assert challenge.newest_send.route == "second"
    assert [call.http_status for call in sends_to(kaleyra, number(1))] == [401, 202]
    assert len(kaleyra.messages_to(number(1))) == 1
    assert SendLog.objects.get(phone_number=number(1)).status == "delivered"


@pytest.mark.parametrize("word", [word for word, row in ANSWERS.items() if row.status == "unknown"])
def test_no_other_route_is_tried_where_the_first_may_have_sent(account, configure, kaleyra, site, word):
    """R-079: the answer was lost, so nobody else sends."""
    routes = [{"PREFIXES": ["+91"], "NAME": name} for name in ("first", "second")]
    configure(ROUTES=routes, TIMEOUT=[1, 0.3])
    kaleyra.set_fate(number(1), word)

    challenge = challenges.start(number(1))

    assert (challenge.newest_send.route, challenge.newest_send.status) == ("first", "unknown")
    assert len(sends_to(kaleyra, number(1))) == 1
    assert len(kaleyra.messages_to(number(1))) == ANSWERS[word].sms


def test_a_hundred_sends_that_hang_are_one_sms_each_and_late_callbacks_heal_them(
    account, configure, kaleyra, site, together
):
    """R-079, R-080: fewer at a time than give the account a rest, so that each of the hundred is tried."""
    configure(TIMEOUT=[1, 0.3], DISPATCH="django_kaleyra_otp.delivery.deliver")
    kaleyra.set_fate(None, "hang", "lost")

    def start(n):
        return challenges.start(number(n)).newest_send.pk

    started = []
    for first in range(0, 100, at_once := breaker.FAILURES - 1):
        breaker.reset()
        some = range(first, min(first + at_once, 100))
        started += together(len(some), lambda i, some=some: start(some[i]))

    sends = SendLog.objects.filter(pk__in=started)
    assert list(sends.values_list("status", flat=True)) == ["unknown"] * 100
    recovery.reconcile()
    assert len(kaleyra.messages) == 1 + 100

    for message in kaleyra.messages[1:]:
        assert kaleyra.fire(message, "DELIVRD").http_status == 204
    assert StatusUpdate.objects.waiting().count() == 100
    assert recovery.reconcile().healed == 100

    assert set(SendLog.objects.exclude(phone_number=HEALTHY).values_list("status", flat=True)) == {
        "delivered"
    }
    assert {len(kaleyra.messages_to(number(n))) for n in range(100)} == {1}


def test_an_account_that_hangs_is_given_a_rest_and_codes_that_were_issued_verify(serve, kaleyra):
    """R-081: nothing is charged meanwhile, and nobody is sent two SMS."""
    site = serve(*ONE_PROCESS, SERVER_KALEYRA_OTP=json.dumps({"TIMEOUT": [1, 0.2], "RETRIES": 0}))
    kaleyra.reset()
    kaleyra.set_callback_url(f"{site.url}/otp/webhook/")
    challenge = site.start(HEALTHY).json()
    code = kaleyra.wait_for_message(HEALTHY).code
    kaleyra.set_fate(None, "hang")

    answers = [site.start(number(n)) for n in range(15)]

    assert [answer.status_code for answer in answers] == [201] * 10 + [503] * 5
    assert answers[-1].json()["code"] == "delivery_unavailable"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 31
    assert len(kaleyra.messages) == 1 + 10
    assert SendLog.objects.count() == 1 + 10
    assert site.verify(challenge["id"], code).json()["status"] == "verified"
