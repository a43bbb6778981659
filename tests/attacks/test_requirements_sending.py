"""What is asked of starts, where no other test does it in the size that is asked for."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import Counter

import pytest
import responses
from django.apps import apps
from rest_framework.test import APIClient

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.exceptions import InvalidToken, KaleyraOTPError, RateLimited
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests.conftest import API, NUMBER, OTHER, code_in
from tests.playing import KALEYRA, NO_LIMITS, SECRET, SMS_URL, later, number
from tests.test_phones import SPELLINGS
from tests.visitor import UNKNOWN, Visitor, forget_limits


def queue(send_log_id):
    """What DISPATCH may name: a queue that takes everything, and whose workers are slow."""


def test_every_spelling_at_once_is_one_subject(outbox, together):
    """R-042: fifteen spellings of one number, twenty requests at one moment."""
    answers = together(20, lambda n: API(APIClient()).start(SPELLINGS[n % len(SPELLINGS)]).status_code)

    assert Counter(answers) == {201: 1, 429: 19}
    assert list(OTPChallenge.objects.values_list("phone_number", flat=True)) == [NUMBER]
    assert len(outbox) == 1


def test_starts_and_resends_at_once_are_one_sms_in_a_cool_down(configure, user, outbox, together):
    """R-048: purposes and doors mixed, thirty at once, five windows of the cool-down."""
    configure(LIMITS=[])
    challenge = challenges.start(NUMBER)
    doors = [
        lambda: challenges.start(NUMBER),
        lambda: challenges.start(NUMBER, purpose="login", user=user),
        lambda: challenges.resend(challenge.pk),
        lambda: delivery.send_code(NUMBER, "482913"),
    ]

    def one(n):
        try:
            doors[n % len(doors)]()
        except KaleyraOTPError as refusal:
            return refusal.code
        return "sent"

    for window in range(2, 7):
        later(31)
        OTPChallenge.objects.filter(pk=challenge.pk).update(expires_at=challenge.expires_at, sends=1)
        assert Counter(together(30, one)) == {"sent": 1, "cooldown": 29}
        assert len(outbox) == SendLog.objects.count() == window


def test_the_eleventh_sms_of_a_day_is_refused(db, outbox):
    """R-048: whoever waits each limit out gets ten a day and no more than nineteen in any one."""
    waited = 0
    while waited < 86400 - 120:  # two minutes for what the test itself takes
        try:
            challenges.start(NUMBER)
        except RateLimited as refusal:
            later(refusal.retry_after)
            waited += refusal.retry_after

    assert 10 <= len(outbox) <= 19


def test_with_a_queue_who_has_a_user_is_not_told_by_the_time(user, configure):
    """R-032: forty sign-ins of either kind, alternating; how much the server does for each, as CPU time."""
    configure(**NO_LIMITS, DISPATCH="tests.attacks.test_requirements_sending.queue")
    took = {NUMBER: [], UNKNOWN: []}
    for _ in range(40):
        for phone_number, times in took.items():
            visitor = Visitor()
            before = time.process_time()
            visitor.give_number(phone_number)
            times.append(time.process_time() - before)
            forget_limits()

    known, unknown = (statistics.median(times) for times in took.values())
    assert abs(known - unknown) < 0.25 * max(known, unknown)


#: What a request might be thought to bend: the address, the account, the text.
EVIL = "https://evil.example"
BENT = {
    "base_url": EVIL, "BASE_URL": EVIL, "sid": "EVIL", "api_key": "evil", "sender": "EVILCO", "route": "evil",
    "pod": "eu", "body": "evil", "template_id": "666", "callback": EVIL, "channel": "evil", "to": OTHER,
    "backend": "evil", "provider": "evil", "message": "evil",
}  # fmt: skip
HEADERS = {
    "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "Referer": EVIL,
    "X-Original-URL": EVIL, "Accept-Language": "evil", "User-Agent": EVIL,
}  # fmt: skip


def test_no_request_and_no_row_says_where_an_sms_goes(api, configure):
    """R-076: the address, the account and the text are the settings' alone."""
    configure(**KALEYRA, **NO_LIMITS)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as kaleyra:
        kaleyra.post(SMS_URL, json={"id": "a", "data": [{"message_id": "a:1"}], "error": {}}, status=202)
        for name, value in BENT.items():
            assert api.start(number(1), headers=HEADERS, **{name: value}).status_code == 201
        api.client.post("/otp/webhook/", {"id": "a:1", **BENT, "status": "SENT"}, "json", headers=SECRET)
        SendLog.objects.update(route="evil", sender="EVILCO", template_id="")
        challenges.resend(OTPChallenge.objects.latest("created_at").pk)

        for call in kaleyra.calls:
            told = json.loads(call.request.body)
            assert call.request.url == SMS_URL
            assert (told["to"], told["sender"]) == (number(1), "KLRTST")
            assert "evil" not in call.request.body.decode().lower()

    ours = apps.get_app_config("kaleyra_otp").get_models()
    names = {field.name for model in ours for field in model._meta.fields}
    assert not [name for name in names if "url" in name or "host" in name or "api" in name]


def test_a_new_number_is_proven_by_a_code_to_it_and_by_no_other(db, configure, user, outbox):
    """R-030: in Python; the pages are in ``test_login_change_number``."""
    configure(RESEND_COOLDOWN=0)
    change = {"user": user.pk, "new": OTHER}
    challenge = challenges.start(OTHER, purpose="step_up", user=user, bind=change)
    assert [sms.to for sms in outbox] == [OTHER]
    code = code_in(outbox[0])

    assert challenges.verify(challenge.pk, code, bind={**change, "new": NUMBER}).error == "invalid_code"
    token = challenges.verify(challenge.pk, code, bind=change).token
    with pytest.raises(InvalidToken):
        challenges.redeem(token, purpose="step_up", bind={**change, "user": 0})
    proven = challenges.redeem(token, purpose="step_up", bind=change)
    assert (proven.phone_number, proven.user) == (OTHER, user)
    user.refresh_from_db()
    assert user.phone_number == NUMBER


def test_whoever_is_refused_can_come_back_when_he_was_told(db, configure, outbox):
    """R-041: for each limit in turn, a second too early is refused and the time told is not."""
    for scope in ("phone", "ip", "block", "global", "country"):
        configure(LIMITS=[{"scope": scope, "rate": "2/h"}], RESEND_COOLDOWN=0)
        phone_number = number(random.randrange(100_000))
        for _ in range(2):
            challenges.start(phone_number, ip="198.51.100.7")
        with pytest.raises(RateLimited) as refusal:
            challenges.start(phone_number, ip="198.51.100.7")
        later(refusal.value.retry_after - 2)
        with pytest.raises(RateLimited):
            challenges.start(phone_number, ip="198.51.100.7")
        later(2)
        challenges.start(phone_number, ip="198.51.100.7")
