"""What happened to other packages before an SMS left; each test says what, by its S number."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import responses
from django.contrib.auth import get_user_model
from django.core import checks
from django.db import connection, connections, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.exceptions import Cooldown, RateLimited, Refused
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests import staff
from tests.conftest import API, NUMBER, OTHER, code_in, wrong
from tests.kaleyra import Server
from tests.playing import KALEYRA, NO_LIMITS, SCRIPTED, SMS_URL, Scripted, later, number, only, passed
from tests.visitor import CODE_URL, UNKNOWN, URL, Record, Visitor, number_given, resent, wrong_code_given


def test_twenty_five_starts_are_one_sms(api, outbox):
    """S1: with no cool-down, 25 requests in a row were 25 SMS."""
    answers = [api.start() for _ in range(25)]

    assert Counter(answer.status_code for answer in answers) == {201: 1, 429: 24}
    assert all(0 < int(answer["Retry-After"]) <= 30 for answer in answers[1:])
    assert len(outbox) == 1


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_a_look_at_a_page_sends_nothing(api, user, outbox, method):
    """S2: a GET had an SMS sent, and so had a refresh and a browser that looks ahead."""
    visitor = Visitor().give_number(NUMBER)
    started = challenges.start(OTHER)
    ours = "/otp/challenges/"
    pages = [URL, CODE_URL, f"{URL}?phone_number={NUMBER}", f"{CODE_URL}&resend=1"]

    for path in [*pages, ours, f"{ours}{started.pk}/", f"{ours}{started.pk}/resend/"]:
        getattr(visitor.client, method)(path, headers={"Sec-Purpose": "prefetch"})
        getattr(api.client, method)(path)

    assert len(outbox) == SendLog.objects.count() == 2


def test_a_wrong_code_has_no_sms_sent(api, configure, user, outbox):
    """S3: every wrong code had a new one sent."""
    configure(RESEND_COOLDOWN=0)
    challenge = challenges.start(OTHER)
    visitor = Visitor().give_number(NUMBER)
    for _ in range(8):
        api.verify(challenge.pk, wrong(code_in(outbox[0])))
        visitor.give_code(wrong(code_in(outbox[1]))).follow()

    assert len(outbox) == SendLog.objects.count() == 2


@pytest.mark.parametrize("backend", ["Refusing", "Away", "Losing", "Breaking"])
def test_a_send_that_fails_does_not_end_the_code_before_it(api, configure, challenge, code, backend):
    """S4: the send failed, but the old code was dead by then and the new one never came."""
    configure(RESEND_COOLDOWN=0, BACKEND=f"tests.playing.{backend}", RETRIES=0)

    assert api.resend(challenge.pk).status_code in (200, 502, 503)

    assert api.verify(challenge.pk, code).status_code == 200


TROUBLE = {
    "connect": (requests.exceptions.ConnectTimeout("no route"), {201, 503}),
    "name": (requests.exceptions.ConnectionError("Name or service not known"), {201, 503}),
    "read": (requests.exceptions.ReadTimeout("too slow"), {201}),
    "certificate": (requests.exceptions.SSLError("bad certificate"), {201, 502, 503}),
    "redirects": (requests.exceptions.TooManyRedirects("round and round"), {201, 502, 503}),
    "500": ({"status": 500, "body": "Oops"}, {201}),
    "502": ({"status": 502, "body": "<html>Bad gateway</html>"}, {201}),
    "429": ({"status": 429, "json": {}}, {503}),
    "401": ({"status": 401, "json": {"code": "RBC001", "message": "no"}}, {502}),
    "400": ({"status": 400, "json": {"code": "E612"}}, {502}),
    "html": ({"status": 200, "body": "<html>Welcome</html>"}, {201}),
    "null": ({"status": 202, "body": "null"}, {201}),
    "empty": ({"status": 202, "body": ""}, {201}),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_trouble_of_the_providers_is_an_error_500_or_told_as_sent(api, configure, trouble):
    """S5: one kind of exception was caught, the others were 500 with the row written, or told as sent."""
    configure(**KALEYRA, RETRIES=0)
    how, statuses = TROUBLE[trouble]
    with responses.RequestsMock() as kaleyra:
        if isinstance(how, Exception):
            kaleyra.post(SMS_URL, body=how)
        else:
            kaleyra.post(SMS_URL, **how)
        answer = api.start()

    send = SendLog.objects.get()
    assert answer.status_code in statuses
    assert send.status == ("unknown" if answer.status_code == 201 else "failed")
    assert send.submitted_at is None


def test_a_provider_that_hangs_holds_nobody_up(api, configure):
    """S6: the call had no time-out, and a server that hung held a worker for ever."""

    def hangs(connection, server):
        server.hear(connection)
        server.over.wait(30)

    server = Server(hangs)
    try:
        configure(**KALEYRA, BASE_URL=server.url, TIMEOUT=(0.5, 0.5))
        before = time.monotonic()
        answer = api.start()
        took = time.monotonic() - before
    finally:
        server.close()

    assert (answer.status_code, SendLog.objects.get().status) == (201, "unknown")
    assert took < 5
    assert len(server.requests) == 1


def test_an_sms_never_leaves_without_its_row(transactional_db, configure, outbox):
    """S7: the SMS went out inside the transaction that was to keep its row, and the row was lost."""
    configure(**SCRIPTED, RESEND_COOLDOWN=0)
    seen = []

    def look(sms):
        def elsewhere():
            seen.append((OTPChallenge.objects.count(), SendLog.objects.filter(phone_number=sms.to).count()))
            connections.close_all()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return "a:1"

    Scripted.script, Scripted.seen = [look], []
    challenges.start(NUMBER)
    with transaction.atomic():
        challenges.start(OTHER)
        transaction.set_rollback(True)

    assert seen == [(1, 1)]
    assert [sms.to for sms, _ in Scripted.seen] == [NUMBER]
    assert SendLog.objects.count() == 1


DOORS = {
    "start": lambda door: challenges.start(NUMBER),
    "another purpose": lambda door: challenges.start(NUMBER, purpose="second_factor"),
    "resend": lambda door: challenges.resend(door["open"].pk),
    "send_code": lambda door: delivery.send_code(NUMBER, "482913"),
    "API start": lambda door: door["api"].start(),
    "API resend": lambda door: door["api"].resend(door["open"].pk),
    "page": lambda door: Visitor().give_number(NUMBER),
    "page resend": lambda door: door["visitor"].resend(),
}


@pytest.mark.parametrize("first", DOORS)
def test_no_door_goes_round_the_limits(api, user, outbox, first):
    """S8: one path to an SMS skipped the limiter."""
    visitor = Visitor().give_number(NUMBER)
    later(31)
    door = {"api": api, "visitor": visitor, "open": challenges.start(NUMBER)}
    later(31)
    DOORS[first](door)
    assert len(outbox) == 3

    for act in DOORS.values():
        with contextlib.suppress(RateLimited):
            act(door)
    assert len(outbox) == 3


def test_no_header_makes_a_caller_into_many(db, configure, outbox):
    """S9: whoever wrote another address into X-Forwarded-For was another caller."""
    configure(**only("ip", "5/h"))
    draw = random.Random(7)
    for n in range(30):
        address = f"203.0.113.{draw.randrange(256)}"
        headers = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "Client-IP"), address)
        API(APIClient(REMOTE_ADDR="198.51.100.7")).start(number(n), headers=headers)
    assert len(outbox) == 5

    for n in range(30, 60):
        API(APIClient(REMOTE_ADDR=f"2001:db8:1:2:{draw.getrandbits(16):x}::{n:x}")).start(number(n))
    assert len(outbox) == 10


def test_a_success_of_ones_own_buys_nothing(api, configure, outbox):
    """S10: a good login cleared what the address had run up, for everybody behind it."""
    configure(**only("ip", "4/h"))
    for n in range(4):
        started = api.start(number(n)).json()
        assert api.verify(started["id"], code_in(outbox[-1])).status_code == 200

    assert api.start(number(9)).status_code == 429


def test_a_stranger_stops_nobody_else(api, user, outbox):
    """S11: an attacker asked for codes, and the owner's code was dead or his number locked."""
    owner = API(APIClient())
    owner.client.force_authenticate(user)
    mine = owner.start().json()
    code = code_in(outbox[0])
    later(31)
    for _ in range(12):
        api.start()
        later(31)
    assert api.start().status_code == 429  # a stranger has used up all that strangers have

    OTPChallenge.objects.filter(pk=mine["id"]).update(expires_at=timezone.now() + timedelta(seconds=9))
    assert owner.verify(mine["id"], code).status_code == 200
    assert owner.start().status_code == 201


ANOTHER_PROCESS = """
import sys, django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from django_kaleyra_otp import challenges, exceptions
try:
    challenges.start(sys.argv[2])
    print("sent")
except exceptions.KaleyraOTPError as refusal:
    print(refusal.code)
"""


def test_another_process_meets_the_same_cool_down(transactional_db):
    """S12: the cool-down was kept in the memory of one process, and each had its own."""
    challenges.start(NUMBER)

    def there(phone_number):
        return subprocess.run(
            [sys.executable, "-c", ANOTHER_PROCESS, str(connection.settings_dict["NAME"]), phone_number],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()

    assert [there(NUMBER), there(OTHER)] == ["cooldown", "sent"]
    with pytest.raises(Cooldown):
        challenges.start(OTHER)


def test_asking_for_a_code_makes_no_user(api, user):
    """S13: a number that nobody had got a user by asking for a code."""
    before = get_user_model().objects.count()
    Visitor().give_number(UNKNOWN).follow()
    api.start(OTHER)

    assert get_user_model().objects.count() == before


@pytest.mark.parametrize("backend", [None, "Refusing", "Away", "Losing"])
def test_an_unknown_number_looks_like_a_known_one(user, configure, backend):
    """S14: text, status or a provider's failure told whether a number has a user."""
    if backend:
        configure(BACKEND=f"tests.playing.{backend}", RETRIES=0)
    deeds = (number_given, wrong_code_given, resent)

    assert Record(NUMBER).do(*deeds).seen == Record(UNKNOWN).do(*deeds).seen


NO_MOBILES = [
    "", " ", "+", "123", "+91", "null", "+000000000000", "+912212345678", "+18005550123", "+448081570192",
    "+979123456789", "+8816123456789", "+447012345678", "+449098790123", "+15550100", "+91140123456",
]  # fmt: skip


@pytest.mark.parametrize("phone_number", NO_MOBILES)
def test_what_is_no_mobile_number_never_reaches_the_provider(api, user, outbox, phone_number):
    """S15: an empty number passed the check, and an SMS to nobody was asked for."""
    assert api.start(phone_number).status_code in (400, 403)
    Visitor().give_number(phone_number)

    assert (len(outbox), SendLog.objects.count(), RateLimit.objects.count()) == (0, 0, 0)


def test_the_log_has_neither_code_nor_number(api, configure, user, outbox, caplog):
    """S16: code and number stood in the log, at INFO."""
    caplog.set_level(logging.DEBUG)
    configure(CODE_LENGTH=10, RESEND_COOLDOWN=0)
    started = api.start(OTHER).json()
    code = code_in(outbox[0])
    api.resend(started["id"])
    for guess in (wrong(code), code, code):
        api.verify(started["id"], guess)
    configure(BACKEND="tests.playing.Breaking")
    Visitor().give_number(NUMBER).give_code(wrong(code))
    configure(BACKEND="tests.playing.Refusing")
    api.start(number(1))

    assert caplog.text
    for secret in (code, OTHER[3:], NUMBER[3:], number(1)[3:]):
        assert secret not in caplog.text


@pytest.mark.parametrize("kind", ["superuser", "seer", "operator"])
def test_no_page_of_the_admin_shows_a_code(db, configure, outbox, kind):
    """S17: staff read live codes, or what they are made from, in the admin."""
    configure(CODE_LENGTH=10)
    challenge = challenges.start(NUMBER)
    secrets = [code_in(outbox[0]), challenge.nonce.hex(), challenge.key_fingerprint, str(challenge.nonce)]
    client, shown = staff.visit(kind), ""
    for name in staff.ALL:
        rows = staff.table(name).objects.values_list("pk", flat=True)
        paths = [staff.page(name, pk, view) for pk in rows for view in ("change", "history", "delete")]
        for path in [staff.page(name), f"{staff.page(name)}?q={code_in(outbox[0])[:3]}", *paths]:
            shown += client.get(path).content.decode()

    assert str(challenge.pk) in shown
    assert [n for n, secret in enumerate(secrets) if secret in shown.replace("&#x27;", "'")] == []


def test_a_number_for_tests_obeys_the_limits_and_ends_on_its_day(api, configure, outbox):
    """S18: numbers for testing met some limits and not others, and nobody took them out again."""
    today = timezone.now().date()
    entry = {"code": "482913", "until": f"{today + timedelta(days=30)}"}
    configure(TEST_NUMBERS={NUMBER: entry})
    started = api.start()
    assert (started.status_code, api.start().status_code, len(outbox)) == (201, 429, 0)
    assert api.verify(started.json()["id"], "482913").status_code == 200
    near = api.start(NUMBER[:-1] + "1").json()  # the map is exact
    assert len(outbox) == 1
    assert api.verify(near["id"], wrong(code_in(outbox[0]))).status_code == 400

    found = checks.run_checks(tags=["kaleyra_otp"], include_deployment_checks=True)
    assert "kaleyra_otp.W012" in [each.id for each in found]
    configure(TEST_NUMBERS={NUMBER: {**entry, "until": f"{today - timedelta(days=1)}"}}, **NO_LIMITS)
    with pytest.raises(Refused):
        challenges.start(NUMBER)


def test_twenty_starts_at_once_are_one_sms(outbox, together):
    """S19: requests at one moment read the same old row, and each sent."""
    answers = together(20, lambda _: API(APIClient()).start().status_code)

    assert Counter(answers) == {201: 1, 429: 19}
    assert len(outbox) == SendLog.objects.count() == 1


def test_pumping_one_block_is_cut_and_nobody_else_notices(db, outbox):
    """S20: addresses changed with every request, and thousands of SMS went to one block of numbers."""
    block = [f"+91987654{n:04d}" for n in range(1000, 1080)]
    let_through = [passed([each], ip=f"203.0.{n}.7")[0] for n, each in enumerate(block)]

    assert sum(let_through) == 60
    assert passed(["+447400123456", "+14155550132", "+919812345678"], ip="198.51.100.7") == [True] * 3
