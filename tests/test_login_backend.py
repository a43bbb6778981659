"""Whom a code signs in, and in which session."""

import itertools
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate, get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.login import pending
from django_kaleyra_otp.login.backends import PhoneBackend
from tests.conftest import NUMBER, OTHER, code_in
from tests.visitor import (
    CODE_URL,
    PROFILE,
    URL,
    Visitor,
    forget_limits,
    the_challenge,
)

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def visitor(user):
    return Visitor()


@pytest.fixture
def no_cooldown(configure):
    configure(RESEND_COOLDOWN=0)


# Whose code


def test_a_code_is_useless_in_another_session(visitor, outbox, no_cooldown):
    """R-028."""
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])
    thief = Visitor()
    assert thief.give_code(code).answer.url == URL
    thief.give_number(NUMBER)
    outbox.pop()

    thief.give_code(code).follow()

    assert "That code is not right." in thief.text or code_in(outbox[-1]) == code
    assert thief.signed_in_as is None
    assert visitor.give_code(code).answer.url == PROFILE


def test_codes_and_sessions_fit_on_the_diagonal_alone(user, outbox, no_cooldown, django_user_model):
    """R-025, V9."""
    django_user_model.objects.create_user("ben", phone_number=OTHER)
    visitors = [Visitor().give_number(number) for number in (NUMBER, OTHER, NUMBER)]
    codes = [code_in(sms) for sms in outbox]
    assert len(set(codes)) == 3

    for (mine, visitor), (its, code) in itertools.product(enumerate(visitors), enumerate(codes)):
        if mine != its:
            assert visitor.give_code(code).answer.url == CODE_URL
    outcomes = [visitor.give_code(code).answer.url for visitor, code in zip(visitors, codes, strict=True)]

    assert outcomes == [PROFILE] * 3


def test_a_number_sent_with_the_code_is_ignored(visitor, user, outbox, django_user_model):
    """R-026."""
    django_user_model.objects.create_user("ben", phone_number=OTHER)
    visitor.give_number(NUMBER)

    visitor.give_code(code_in(outbox[0]), phone_number=OTHER, next="/elsewhere/")

    assert visitor.signed_in_as == str(user.pk)
    assert visitor.answer.url == PROFILE
    assert {sms.to for sms in outbox} == {NUMBER}


def test_a_changed_number_makes_the_old_code_useless(visitor, outbox, django_user_model):
    """V31."""
    django_user_model.objects.create_user("ben", phone_number=OTHER)
    visitor.give_number(NUMBER)
    visitor.give_number(OTHER)

    visitor.give_code(code_in(outbox[0])).follow()

    assert "That code is not right." in visitor.text
    assert visitor.signed_in_as is None


def test_a_code_for_another_purpose_signs_nobody_in(user, outbox):
    """V31, R-025."""
    challenge = challenges.start(NUMBER, purpose="verify")
    token = challenges.verify(challenge.pk, code_in(outbox[0])).token

    assert authenticate(None, otp_token=token) is None


def test_the_pages_challenge_is_not_verified_over_the_api(visitor, outbox):
    """R-028."""
    visitor.give_number(NUMBER)

    answer = visitor.client.post(
        f"/otp/challenges/{the_challenge().pk}/verify/", {"code": code_in(outbox[0])}, "application/json"
    )

    assert answer.json()["code"] == "invalid_code"


# The backend


def token_for(phone_number, outbox, bind=None):
    challenge = challenges.start(phone_number, purpose="login", bind=bind)
    return challenges.verify(challenge.pk, code_in(outbox[-1]), purpose="login", bind=bind).token


def test_the_backend_returns_the_user_whose_number_the_token_proves(user, outbox):
    assert authenticate(None, otp_token=token_for(NUMBER, outbox)) == user


def test_a_token_signs_in_once(user, outbox):
    """R-022."""
    token = token_for(NUMBER, outbox)
    authenticate(None, otp_token=token)

    assert authenticate(None, otp_token=token) is None


@pytest.mark.parametrize("bind", [None, {}, {"session": "another"}])
def test_a_token_is_good_for_its_context_alone(bind, user, outbox):
    """R-028."""
    token = token_for(NUMBER, outbox, bind={"session": "mine"})

    assert authenticate(None, otp_token=token, otp_bind=bind) is None
    assert authenticate(None, otp_token=token, otp_bind={"session": "mine"}) == user


@pytest.mark.parametrize("token", ["", "x", "0" * 32 + ":x", None, 5])
def test_what_is_no_token_signs_nobody_in(token, user):
    assert PhoneBackend().authenticate(None, otp_token=token) is None


def test_the_backend_has_an_async_twin(user, outbox):
    token = token_for(NUMBER, outbox)

    assert async_to_sync(aauthenticate)(None, otp_token=token) == user


@pytest.mark.parametrize("flag", ["is_staff", "is_superuser"])
def test_staff_is_refused(flag, user, outbox):
    setattr(user, flag, True)
    user.save()

    assert authenticate(None, otp_token=token_for(NUMBER, outbox)) is None


class StaffToo(PhoneBackend):
    def allows(self, user):
        return True


def test_a_subclass_may_let_staff_in(user, outbox, settings):
    settings.AUTHENTICATION_BACKENDS = ["tests.test_login_backend.StaffToo"]
    get_user_model().objects.update(is_staff=True)
    visitor = Visitor().give_number(NUMBER)

    visitor.give_code(code_in(outbox[0]))

    assert visitor.answer.url == PROFILE


def test_a_test_number_never_signs_staff_in(user, configure, settings):
    """S18."""
    settings.AUTHENTICATION_BACKENDS = ["tests.test_login_backend.StaffToo"]
    until = (timezone.now() + timedelta(days=10)).date().isoformat()
    configure(TEST_NUMBERS={NUMBER: {"code": "123456", "until": until}})
    visitor = Visitor().give_number(NUMBER)
    assert visitor.give_code("123456").answer.url == PROFILE
    get_user_model().objects.update(is_staff=True)
    forget_limits()

    visitor = Visitor().give_number(NUMBER)
    visitor.give_code("123456").follow()

    assert "That code is not right." in visitor.text
    assert visitor.signed_in_as is None


def test_a_number_that_two_active_users_share_signs_neither_in(user, outbox, django_user_model):
    ben = django_user_model.objects.create_user("ben", phone_number=NUMBER)
    assert authenticate(None, otp_token=token_for(NUMBER, outbox)) is None
    ben.is_active = False
    ben.save()
    forget_limits()

    assert authenticate(None, otp_token=token_for(NUMBER, outbox)) == user


def test_a_number_behind_a_look_up_path_will_do(user, outbox, configure):
    get_user_model().objects.update(username=NUMBER, phone_number="")
    configure(USER_PHONE="username")

    assert authenticate(None, otp_token=token_for(NUMBER, outbox)) == user


def test_the_pages_without_a_backend_say_what_to_add(user, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]

    with pytest.raises(ImproperlyConfigured, match="PhoneBackend"):
        Visitor().give_number(NUMBER)


def change(user, **fields):
    type(user).objects.filter(pk=user.pk).update(**fields)


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_staff": True}, {"phone_number": OTHER}])
def test_who_is_shut_out_between_number_and_code_stays_out(fields, visitor, user, outbox):
    visitor.give_number(NUMBER)
    change(user, **fields)

    visitor.give_code(code_in(outbox[0]))

    assert visitor.answer.status_code == 200
    assert "It is not possible to sign in with this number." in visitor.text
    assert visitor.signed_in_as is None
    assert pending.SESSION_KEY not in visitor.client.session
