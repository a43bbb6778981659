"""What happened to other packages between a code and a session; each test says what, by its V number."""

from __future__ import annotations

import pytest
from django.contrib.auth import SESSION_KEY

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import InvalidToken
from django_kaleyra_otp.login import pending
from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.guarded import PASSWORD_URL, SECOND_URL
from tests.visitor import CODE_URL, PROFILE, UNKNOWN, Visitor, the_challenge

EMPTY = ("", " ", "-", "0", "000000")


in_two_steps = pytest.mark.urls("tests.guarded")


def password_given(visitor):
    visitor.answer = visitor.client.post(PASSWORD_URL, {"username": "asha", "password": "a password"})
    return visitor


def second_step(visitor, code):
    visitor.answer = visitor.client.post(SECOND_URL, {"code": code})
    return visitor


def row(challenge):
    return OTPChallenge.objects.filter(pk=challenge.pk).values().get()


@pytest.fixture
def visitor(user):
    return Visitor()


def test_a_code_is_not_good_again_after_the_login(visitor, outbox):
    """V1: a code was never put out of use by the login, and worked again for a quarter of an hour."""
    visitor.give_number(NUMBER)
    code, kept = code_in(outbox[0]), dict(visitor.client.session)[pending.SESSION_KEY]
    assert visitor.give_code(code).answer.url == PROFILE
    before = row(the_challenge())

    for _ in range(15):
        again = Visitor()
        session = again.client.session
        session[pending.SESSION_KEY] = kept
        session.save()
        again.client.cookies["sessionid"] = session.session_key
        again.give_code(code)
        assert again.signed_in_as is None
    assert row(the_challenge()) == before


def test_nothing_is_no_code_where_there_is_none(api, configure, visitor):
    """V12: an empty code fitted one that was never set, and signed in as anyone."""
    configure(CODE_KEY=["a-key-that-will-be-taken-out-0123456789"])
    challenge = challenges.start(OTHER)
    configure(CODE_KEY=["another-key-0123456789-another-key-0123"])
    for guess in EMPTY:
        assert api.verify(challenge.pk, guess).status_code >= 400, ascii(guess)

    visitor.give_number(UNKNOWN)  # nobody's: no code is sent at all
    for guess in EMPTY:
        visitor.give_code(guess)
        assert visitor.signed_in_as is None


def test_a_cookie_holds_neither_code_nor_count(visitor, outbox, settings):
    """V20: the session was a signed cookie: the code stood in it, and an old one wound the counter back."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    visitor.give_number(NUMBER)
    code, cookie = code_in(outbox[0]), visitor.client.cookies["sessionid"].value
    assert code not in repr(dict(visitor.client.session))

    for guess in [wrong(code)] * 12 + [code]:
        visitor.client.cookies["sessionid"] = cookie
        visitor.give_code(guess)
        assert visitor.answer.url == CODE_URL
    assert the_challenge().attempts == 5


def test_the_code_page_counts_its_guesses(visitor, outbox):
    """V22: at the second factor one could guess for ever."""
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])

    for guess in [wrong(code)] * 30 + [code]:
        visitor.give_code(guess)

    assert visitor.signed_in_as is None
    assert the_challenge().attempts == 5


@in_two_steps
def test_the_second_step_counts_its_guesses_over_sessions_and_resends(visitor, configure, outbox):
    """V22: ... also where the password was given anew, or the code sent again."""
    configure(RESEND_COOLDOWN=0, LIMITS=[], MAX_FAILURES=10)
    for _ in range(4):
        password_given(visitor)
        visitor.client.post(SECOND_URL, {"resend": "1"})
        for _ in range(6):
            second_step(visitor, wrong(code_in(outbox[-1])))

    assert second_step(visitor, code_in(outbox[-1])).signed_in_as is None
    assert sum(OTPChallenge.objects.values_list("attempts", flat=True)) == 10


def test_one_factor_is_not_two(db, outbox):
    """V28: one code satisfied both factors."""
    challenge = challenges.start(NUMBER, purpose="login")
    code = code_in(outbox[0])

    assert challenges.verify(challenge.pk, code, purpose="second_factor").error == "not_found"
    token = challenges.verify(challenge.pk, code, purpose="login").token
    for purpose in ("second_factor", "step_up", "verify"):
        with pytest.raises(InvalidToken):
            challenges.redeem(token, purpose=purpose)


@in_two_steps
def test_a_code_that_signed_in_opens_no_page_that_wants_one(visitor, configure, outbox):
    """V28: ... and the code of the login was taken for the second step of the same session."""
    configure(RESEND_COOLDOWN=0)
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])
    assert visitor.give_code(code).signed_in_as is not None
    assert visitor.look("/settings/").answer.status_code == 302
    assert visitor.look("/vault/").answer.status_code == 302

    other = password_given(Visitor())
    assert second_step(other, code).signed_in_as is None


def test_nobody_is_signed_in_before_the_code(visitor, outbox):
    """V29: the session was that of the user before the second factor, and was taken for a whole one."""
    visitor.look().give_number(NUMBER).follow()
    visitor.give_code(wrong(code_in(outbox[0]))).follow().resend()
    assert visitor.signed_in_as is None
    half = visitor.client.session.session_key

    visitor.give_code(code_in(outbox[0]))

    assert visitor.signed_in_as is not None
    assert visitor.client.session.session_key != half


@in_two_steps
def test_a_password_alone_opens_nothing(visitor, outbox):
    """V29: ... a session that has seen the password alone was taken for a whole one."""
    password_given(visitor)
    for url in ("/settings/", "/vault/", "/number/", "/transfer/"):
        assert visitor.look(url).answer.status_code == 302
        assert visitor.signed_in_as is None
    assert visitor.look(PROFILE).answer.content == b""

    assert second_step(visitor, code_in(outbox[0])).signed_in_as is not None


def test_between_the_steps_a_session_holds_no_secret(visitor, user, outbox):
    """V30: the password waited in the session for the second step."""
    visitor.give_number(NUMBER)
    kept = repr(dict(visitor.client.session))

    for secret in ("a password", user.password, code_in(outbox[0]), NUMBER[1:], str(the_challenge().pk)):
        assert secret not in kept
    assert set(visitor.client.session.keys()) == {pending.SESSION_KEY}


@in_two_steps
def test_the_password_waits_in_no_session(visitor, user, outbox):
    """V30: ... also where there was one."""
    password_given(visitor)
    kept = repr(dict(visitor.client.session))

    assert SESSION_KEY not in visitor.client.session
    for secret in ("a password", user.password, code_in(outbox[0]), NUMBER[1:], str(the_challenge().pk)):
        assert secret not in kept


def test_a_code_follows_neither_purpose_nor_number(visitor, configure, outbox, django_user_model):
    """V31: a code was good for every purpose, and for another number put into the form."""
    configure(RESEND_COOLDOWN=0)
    django_user_model.objects.create_user("ben", phone_number=OTHER)
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])

    assert challenges.verify(the_challenge().pk, code, purpose="verify").error == "not_found"
    assert visitor.give_code(code, phone_number=OTHER, purpose="verify").signed_in_as == str(
        django_user_model.objects.get(phone_number=NUMBER).pk
    )
    other = Visitor().give_number(NUMBER).give_number(OTHER)
    assert other.give_code(code_in(outbox[1])).signed_in_as is None
