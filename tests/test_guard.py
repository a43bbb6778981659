"""May an SMS go to this number: its country, closed prefixes, the kill switch, the project's own rule."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import (
    CountryNotAllowed,
    DeliveryUnavailable,
    PrefixBlocked,
    Refused,
)
from django_kaleyra_otp.models import BlockedPrefix, OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER, code_in
from tests.playing import later

FRENCH = "+33612345678"


class Hooks:
    """What the hooks of this module were asked, and what they answer."""

    answer: object = True
    asked: list[dict] = []


def asked_hook(**arguments):
    Hooks.asked.append(arguments)
    if isinstance(Hooks.answer, Exception):
        raise Hooks.answer
    return Hooks.answer


@pytest.fixture
def hook():
    Hooks.answer, Hooks.asked = True, []
    return Hooks


@pytest.fixture
def untouched(db, outbox):
    """Look after the test that nothing was sent, charged or stored."""
    yield
    assert not outbox
    assert not OTPChallenge.objects.exists()
    assert not SendLog.objects.exists()
    assert not RateLimit.objects.exists()


def closed(prefix, **more):
    return BlockedPrefix.objects.create(prefix=prefix, **more)


def proven(number, outbox):
    """Give a number a success."""
    challenge = challenges.start(number)
    assert challenges.verify(challenge.pk, code_in(outbox[-1])).ok
    later(60)


def test_a_country_that_is_not_named_is_refused(untouched):
    """R-058."""
    with pytest.raises(CountryNotAllowed):
        challenges.start(FRENCH)


def test_a_country_that_is_not_named_is_403(api, untouched):
    """R-058."""
    answer = api.start(FRENCH)

    assert (answer.status_code, answer.json()["code"]) == (403, "country_not_allowed")


def test_countries_that_share_a_code_are_told_apart(db, configure):
    configure(ALLOWED_COUNTRIES=["CA"])

    assert challenges.start("+14165550123").pk
    with pytest.raises(CountryNotAllowed):
        challenges.start("+12025550123")


def test_without_allowed_countries_nothing_is_sent(settings, untouched):
    """R-058: unset refuses, it never admits all."""
    settings.KALEYRA_OTP = {
        key: value for key, value in settings.KALEYRA_OTP.items() if key != "ALLOWED_COUNTRIES"
    }

    with pytest.raises(CountryNotAllowed):
        challenges.start(NUMBER)


def test_a_star_allows_every_country(db, configure):
    configure(ALLOWED_COUNTRIES="*")

    assert challenges.start(FRENCH).pk


@pytest.mark.parametrize("mode", ["off", "monitor", "enforce"])
@pytest.mark.parametrize("prefix", ["+", "+9", "+91", "+91987", NUMBER])
def test_a_prefix_closed_by_hand_is_closed_in_every_mode(configure, mode, prefix, untouched):
    """R-061."""
    configure(GUARD={"MODE": mode})
    closed(prefix)

    with pytest.raises(PrefixBlocked):
        challenges.start(NUMBER)


def test_a_closed_prefix_is_403(api, untouched):
    closed("+91")

    answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (403, "prefix_blocked")


@pytest.mark.parametrize("prefix", ["+92", "+91988", NUMBER + "0", "+98", "91", "98"])
def test_other_prefixes_close_nothing(db, prefix):
    closed(prefix)

    assert challenges.start(NUMBER).pk


def test_a_block_lapses_and_one_without_an_end_does_not(db):
    """R-061."""
    block = closed("+91", until=timezone.now() + timedelta(hours=1))
    with pytest.raises(PrefixBlocked):
        challenges.start(NUMBER)
    later(3601)
    assert challenges.start(NUMBER).pk

    BlockedPrefix.objects.filter(pk=block.pk).update(until=None)
    later(365 * 86400)
    with pytest.raises(PrefixBlocked):
        challenges.start(NUMBER)


@pytest.mark.parametrize(("mode", "holds"), [("off", False), ("monitor", False), ("enforce", True)])
def test_an_automatic_block_holds_under_enforce_alone(db, configure, mode, holds):
    """R-060."""
    configure(GUARD={"MODE": mode})
    closed("+91", automatic=True, until=timezone.now() + timedelta(hours=1))

    if holds:
        with pytest.raises(PrefixBlocked):
            challenges.start(NUMBER)
    else:
        assert challenges.start(NUMBER).pk


def test_a_number_with_a_success_passes_automatic_blocks_for_90_days(db, configure, outbox):
    """R-060."""
    configure(GUARD={"MODE": "enforce"})
    proven(NUMBER, outbox)
    closed("+91", automatic=True)

    assert challenges.start(NUMBER).pk
    with pytest.raises(PrefixBlocked):
        challenges.start("+919876543211")
    later(90 * 86400)
    with pytest.raises(PrefixBlocked):
        challenges.start(NUMBER)


def test_a_success_does_not_open_what_was_closed_by_hand(db, configure, outbox):
    """R-061: though an automatic block stands beside it."""
    configure(GUARD={"MODE": "enforce"})
    proven(NUMBER, outbox)
    closed("+91", automatic=True)
    closed("+919876")

    with pytest.raises(PrefixBlocked):
        challenges.start(NUMBER)


def test_a_prefix_that_is_pinned_open_is_not_closed_by_an_automatic_block(db, configure):
    """R-061."""
    closed("+919876", automatic=True)
    configure(GUARD={"MODE": "enforce", "ALLOW": ["+91987"]})

    assert challenges.start(NUMBER).pk


def test_a_closed_prefix_stops_resends_and_leaves_codes_that_went_out_good(challenge, code):
    closed("+91")
    later(31)

    with pytest.raises(PrefixBlocked):
        challenges.resend(challenge.pk)
    assert challenges.verify(challenge.pk, code).ok


def test_the_kill_switch_stops_every_start(configure, untouched):
    """R-068."""
    configure(SENDING=False)

    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)


def test_the_kill_switch_is_503(api, configure, untouched):
    """R-068."""
    configure(SENDING=False)

    answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")


def test_the_kill_switch_stops_resends_and_leaves_codes_that_went_out_good(
    configure, challenge, code, outbox
):
    """R-068."""
    configure(SENDING=False)
    later(31)

    with pytest.raises(DeliveryUnavailable):
        challenges.resend(challenge.pk)
    assert len(outbox) == 1
    assert challenges.verify(challenge.pk, code).ok


@pytest.mark.parametrize("switch", ["tests.test_guard.asked_hook", asked_hook], ids=["path", "callable"])
def test_a_switch_that_is_asked_is_asked_at_each_send(db, configure, hook, switch):
    """R-068."""
    configure(SENDING=switch, RESEND_COOLDOWN=0)
    challenge = challenges.start(NUMBER)
    challenges.resend(challenge.pk)
    assert hook.asked == [{}, {}]
    hook.answer = False

    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)


@pytest.mark.parametrize(
    "answer",
    [False, None, 0, 1, "", "yes", "False", [], [True], "True", RuntimeError(NUMBER)],
    ids=lambda answer: repr(answer)[:8],
)
def test_a_switch_or_a_rule_that_says_anything_but_true_refuses(configure, hook, answer, untouched, caplog):
    """R-068, R-056, R-106: also one that raises, and its words are not logged."""
    caplog.set_level(logging.DEBUG)
    hook.answer = answer
    configure(SENDING="tests.test_guard.asked_hook")
    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)
    configure(SENDING=True, RISK="tests.test_guard.asked_hook")
    with pytest.raises(Refused):
        challenges.start(NUMBER)

    assert "98765" not in caplog.text
    assert ("RuntimeError" in caplog.text) == isinstance(answer, Exception)


@pytest.mark.parametrize("path", ["tests.test_guard.nothing_here", "no_such_module.hook"])
def test_a_hook_that_is_not_there_refuses(configure, path, untouched):
    """R-056."""
    configure(SENDING=path)
    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)
    configure(SENDING=True, RISK=path)

    with pytest.raises(Refused):
        challenges.start(NUMBER)


def test_the_projects_rule_hears_who_asks_for_what(db, configure, hook, user, rf):
    configure(RISK="tests.test_guard.asked_hook")
    request = rf.post("/", REMOTE_ADDR="198.51.100.7")

    challenges.start("+91 98765 43210", purpose="login", user=user, request=request)

    expected = {"phone_number": NUMBER, "purpose": "login", "ip": "198.51.100.7", "user": user}
    assert hook.asked == [{**expected, "request": request}]


def test_the_projects_rule_is_asked_again_at_a_resend(db, configure, hook, user, rf):
    challenge = challenges.start(NUMBER, purpose="login", user=user)
    configure(RISK="tests.test_guard.asked_hook")
    later(31)
    hook.answer, request = False, rf.post("/", REMOTE_ADDR="198.51.100.7")

    with pytest.raises(Refused):
        challenges.resend(challenge.pk, request=request)

    expected = {"phone_number": NUMBER, "purpose": "login", "ip": "198.51.100.7", "user": user}
    assert hook.asked == [{**expected, "request": request}]


def test_a_refusal_of_the_projects_rule_is_403(api, configure, hook, untouched):
    configure(RISK="tests.test_guard.asked_hook")
    hook.answer = False

    answer = api.start()

    assert (answer.status_code, answer.json()["code"]) == (403, "refused")


def test_over_http_the_rule_gets_djangos_request(api, configure, hook):
    configure(RISK="tests.test_guard.asked_hook")
    api.start()

    assert type(hook.asked[0]["request"]).__module__ == "django.core.handlers.wsgi"
    assert hook.asked[0]["user"] is None
