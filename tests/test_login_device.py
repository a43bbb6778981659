"""The device cookie: who signed in here before is no stranger, and still needs the code."""

import time

import pytest
from django.contrib.auth import get_user_model
from django.core import signing
from django.http import HttpResponse
from django.test import Client

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.login.views import PhoneLoginView
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.visitor import CODE_URL, PROFILE, UNKNOWN, URL, Visitor, forget_limits, the_challenge

pytestmark = [pytest.mark.django_db]

COOKIE = PhoneLoginView.device_cookie_name


@pytest.fixture
def visitor(user, outbox, configure):
    """A visitor who signed in and out again."""
    configure(RESEND_COOLDOWN=0)
    visitor = Visitor().give_number(NUMBER)
    visitor.give_code(code_in(outbox[-1]))
    del visitor.client.cookies["sessionid"]
    return visitor


def challenge_code():
    return delivery.code_of(the_challenge()).reveal()


def is_known(visitor, number=NUMBER):
    visitor.give_number(number)
    return the_challenge().known


def test_a_success_leaves_a_cookie_of_the_device(visitor, settings):
    settings.SESSION_COOKIE_SECURE = True
    visitor.client.cookies.clear()
    visitor.give_number(NUMBER)
    assert COOKIE not in visitor.answer.cookies

    visitor.give_code(challenge_code())

    cookie = visitor.answer.cookies[COOKIE]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")
    assert (cookie["max-age"], cookie["path"]) == (90 * 24 * 60 * 60, "/")


def test_a_wrong_code_leaves_none(user, outbox):
    visitor = Visitor().give_number(NUMBER)

    visitor.give_code(wrong(code_in(outbox[0])))

    assert COOKIE not in visitor.answer.cookies


def test_the_cookie_says_nothing_of_number_user_or_password(visitor, user):
    value = visitor.client.cookies[COOKIE].value

    kept, seconds, signature = value.split(":")
    assert kept == "known"
    assert abs(signing.b62_decode(seconds) - time.time()) < 60
    assert len(signing.b64_decode(signature.encode())) == 32


def test_who_has_the_cookie_is_a_known_caller_and_still_needs_the_code(visitor, user):
    """R-021."""
    visitor.give_number(NUMBER)

    challenge = the_challenge()
    assert (challenge.known, challenge.user) == (True, user)
    assert visitor.signed_in_as is None
    visitor.give_code(wrong(challenge_code()))
    assert visitor.signed_in_as is None
    visitor.give_code(challenge_code())
    assert visitor.answer.url == PROFILE


def test_strangers_who_use_up_the_limits_do_not_lock_out_who_has_the_cookie(visitor, configure):
    """R-021."""
    forget_limits()
    configure(LIMITS=[{"scope": "phone", "rate": "1/h"}], RESEND_COOLDOWN=0)
    challenges.start(NUMBER, purpose="login")
    assert Visitor().give_number(NUMBER).answer.status_code == 200

    visitor.give_number(NUMBER)

    assert visitor.answer.url == CODE_URL


def test_a_thief_of_the_cookie_does_not_lock_its_owner_out(visitor, configure):
    """R-021: the owner, still in his own browser, is asked as a stranger is."""
    configure(MAX_FAILURES=5, RESEND_COOLDOWN=0, LIMITS=[])
    thief = Visitor()
    thief.client.cookies[COOKIE] = visitor.client.cookies[COOKIE].value
    thief.give_number(NUMBER)
    assert the_challenge().known
    for _ in range(5):
        thief.give_code(wrong(challenge_code()))

    visitor.give_number(NUMBER)

    assert not the_challenge().known
    assert visitor.give_code(challenge_code()).answer.url == PROFILE


def test_the_device_is_known_until_something_changes(visitor):
    assert is_known(visitor)


@pytest.mark.parametrize(
    "change",
    [{"password": "md5$other$0123456789abcdef"}, {"phone_number": OTHER}],
    ids=["password", "number"],
)
def test_a_change_of_password_or_number_makes_the_cookie_worth_nothing(change, visitor):
    get_user_model().objects.update(**change)

    assert not is_known(visitor, change.get("phone_number", NUMBER))


def test_the_cookie_of_another_person_is_worth_nothing(visitor, django_user_model):
    django_user_model.objects.create_user("ben", phone_number=OTHER)

    assert not is_known(visitor, OTHER)


def test_the_cookie_is_of_one_user_though_others_have_his_number_and_password(visitor, user, rf):
    request = rf.post(URL)
    request.COOKIES[COOKIE] = visitor.client.cookies[COOKIE].value
    view = PhoneLoginView()
    view.setup(request)
    twin = get_user_model()(pk=user.pk + 1, phone_number=NUMBER, password=user.password)

    assert [view.knows_device(each, NUMBER) for each in (user, twin)] == [True, False]


def test_a_number_that_signs_nobody_in_meets_its_decoy_with_or_without_a_cookie(visitor, outbox):
    """R-032."""
    sent = len(outbox)

    assert not is_known(visitor, UNKNOWN)
    assert len(outbox) == sent


def test_a_forged_or_garbled_cookie_is_worth_nothing(visitor, user):
    for value in ("known", "", "known:1:2", visitor.client.cookies[COOKIE].value[:-1], "\xe9"):
        visitor.client.cookies[COOKIE] = value
        assert not is_known(visitor), value


class Short(PhoneLoginView):
    device_cookie_age = 0


class Without(PhoneLoginView):
    device_cookie_age = None


def test_a_cookie_past_its_age_is_worth_nothing(visitor, rf, user):
    request = rf.post(URL)
    request.COOKIES[COOKIE] = visitor.client.cookies[COOKIE].value
    views = {cls: cls() for cls in (PhoneLoginView, Short, Without)}
    for view in views.values():
        view.setup(request)

    known = {cls: view.knows_device(user, NUMBER) for cls, view in views.items()}

    assert known == {PhoneLoginView: True, Short: False, Without: False}


def test_a_view_may_do_without_the_cookie(rf, user):
    request = rf.post(URL)
    request.session = Client().session
    view = Without()
    view.setup(request)
    assert not view.remember_device(HttpResponse(), user, NUMBER).cookies


def test_a_rotated_secret_key_keeps_the_cookie(visitor, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-0123456789abcd"

    assert is_known(visitor)
