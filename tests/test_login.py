"""The sign-in pages: number, code, session."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from django_kaleyra_otp.login import pending
from django_kaleyra_otp.login.views import PhoneLoginView
from django_kaleyra_otp.models import ChallengeStatus, OTPChallenge
from tests.conftest import NUMBER, code_in, wrong
from tests.visitor import (
    CODE_URL,
    PROFILE,
    URL,
    Visitor,
    expire,
    the_challenge,
    unmarked,
)

pytestmark = [pytest.mark.django_db]


@pytest.fixture
def visitor(user):
    return Visitor()


@pytest.fixture
def no_cooldown(configure):
    configure(RESEND_COOLDOWN=0)


# Number, code, session


def test_a_number_and_its_code_sign_in(visitor, user, outbox):
    visitor.look()
    assert visitor.answer.status_code == 200
    visitor.give_number(NUMBER)
    assert (visitor.answer.status_code, visitor.answer.url) == (302, CODE_URL)
    visitor.follow()
    assert "+91••••••3210" in visitor.text
    assert [sms.to for sms in outbox] == [NUMBER]

    visitor.give_code(code_in(outbox[0]))

    assert (visitor.answer.status_code, visitor.answer.url) == (302, PROFILE)
    assert visitor.follow().answer.content == b"asha"
    assert visitor.signed_in_as == str(user.pk)


@pytest.mark.parametrize(
    "spelling", ["+91 98765 43210", "+91-98765-43210", "+९१ ९८७६५ ४३२१०", " +91(98765)43210"]
)
def test_any_spelling_of_the_number_will_do(spelling, visitor, outbox):
    """R-042."""
    visitor.give_number(spelling)

    assert [sms.to for sms in outbox] == [NUMBER]


@pytest.mark.parametrize("spelling", ["{} {}", "{}-{}", " {}{} "])
def test_spaces_and_hyphens_in_a_code_do_not_count(spelling, visitor, outbox):
    """R-129."""
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])

    visitor.give_code(spelling.format(code[:3], code[3:]))

    assert visitor.answer.url == PROFILE


def test_the_session_key_is_changed_by_the_sign_in(visitor, outbox):
    visitor.give_number(NUMBER)
    before = visitor.client.session.session_key

    visitor.give_code(code_in(outbox[0]))

    assert visitor.client.session.session_key not in (None, before)
    assert not type(visitor.client.session)(before).load()


def test_there_is_no_session_of_the_user_before_the_right_code(visitor, outbox):
    """V29."""
    visitor.look().give_number(NUMBER).follow()
    assert visitor.signed_in_as is None

    visitor.give_code(wrong(code_in(outbox[0]))).follow()

    assert visitor.signed_in_as is None


def test_the_sign_in_leaves_no_state_behind(visitor, outbox):
    visitor.give_number(NUMBER)

    visitor.give_code(code_in(outbox[0]))

    assert pending.SESSION_KEY not in visitor.client.session


def test_the_session_holds_no_code_no_number_and_no_readable_id(visitor, outbox):
    """V20, V30, R-034."""
    visitor.give_number(NUMBER)
    visitor.give_code(wrong(code_in(outbox[0])))

    kept = repr(dict(visitor.client.session))

    challenge = the_challenge()
    assert code_in(outbox[0]) not in kept
    assert NUMBER[3:] not in kept
    assert challenge.pk.hex not in kept
    assert str(challenge.pk) not in kept


def test_nobodys_password_is_touched(visitor, user, outbox):
    visitor.give_number(NUMBER).give_code(code_in(outbox[0]))

    before = user.password
    user.refresh_from_db()
    assert user.password == before


def test_the_code_page_without_a_number_leads_to_the_number_page(visitor):
    assert visitor.look(CODE_URL).answer.url == URL
    assert visitor.give_code("123456").answer.url == URL
    assert visitor.resend().answer.url == URL


def test_a_challenge_that_is_gone_leads_to_the_number_page(visitor):
    visitor.give_number(NUMBER)
    OTPChallenge.objects.all().delete()

    assert visitor.look(CODE_URL).answer.url == URL
    assert "I have a code already" not in visitor.look().text


def test_who_comes_back_to_the_number_page_finds_the_way_to_his_code(visitor):
    visitor.give_number(NUMBER)

    link = visitor.look().page.find("a", string="I have a code already")

    assert link["href"] == CODE_URL


def test_a_code_that_was_asked_for_before_a_rotation_of_the_key_signs_in_after_it(visitor, outbox, configure):
    first, second = "dr9Yk2vXb7QmZ0tLw4Hs8Nc1Gf6Pj3Ua", "Tq5Ve8Rz1Mx4Ld7Ky0Bh3Jn6Wc9Sf2Gp"
    configure(CODE_KEY=[first])
    visitor.give_number(NUMBER)
    configure(CODE_KEY=[second, first])

    visitor.give_code(code_in(outbox[0]))

    assert visitor.answer.url == PROFILE


def test_signed_cookie_sessions_will_do(visitor, outbox, settings):
    """R-028."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    visitor.give_number(NUMBER).follow()

    visitor.give_code(code_in(outbox[0])).follow()

    assert visitor.answer.content == b"asha"


# Where to go afterwards


def test_next_leads_on_after_the_code(visitor, outbox):
    visitor.look(f"{URL}?next=/cart/")
    assert visitor.page.find("input", {"name": "next"})["value"] == "/cart/"
    visitor.give_number(NUMBER, next="/cart/").follow()
    assert visitor.page.find("a", string="Use another number")["href"] == f"{URL}?next=%2Fcart%2F"

    visitor.give_code(code_in(outbox[0]))

    assert visitor.answer.url == "/cart/"


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_next_leads_to_no_other_host(url, visitor, outbox):
    assert "evil" not in str(visitor.look(f"{URL}?next={url}").page)

    visitor.give_number(NUMBER, next=url).give_code(code_in(outbox[0]))

    assert visitor.answer.url == PROFILE


def test_a_path_of_two_slashes_leads_to_no_other_host(rf, user):
    request = rf.post(URL, {"phone_number": NUMBER}, secure=True)
    request.path = "//evil.example/"
    request.session, request._dont_enforce_csrf_checks = Client().session, True

    answer = PhoneLoginView.as_view()(request)

    assert answer.url == "/%2Fevil.example/?step=code"


# Wrong, late, too often


def test_a_wrong_code_says_how_many_are_left_and_is_tied_to_the_field(visitor, outbox):
    """R-131."""
    visitor.give_number(NUMBER)

    visitor.give_code(wrong(code_in(outbox[0])))

    assert visitor.answer.url == CODE_URL
    page = visitor.follow().page
    field = page.find("input", {"name": "code"})
    message = page.find(id=field["aria-describedby"].split()[-1])
    assert message["role"] == "alert"
    assert message.get_text(" ").strip() == "That code is not right. You can try 4 more times."
    assert field["aria-invalid"] == "true"
    assert not field.has_attr("value")


def test_loading_the_page_again_after_a_wrong_code_spends_nothing(visitor, outbox):
    visitor.give_number(NUMBER)
    visitor.give_code(wrong(code_in(outbox[0])))

    for _ in range(3):
        visitor.look(CODE_URL)

    assert the_challenge().attempts == 1
    assert "4 more times" in visitor.text


@pytest.mark.parametrize(
    "guess", ["", "12345", "1234567", "12345a", "１２３４５６", "123 456\n", "123\x00456", "1" * 100]
)
def test_what_is_no_code_costs_no_attempt_and_is_not_shown_again(guess, visitor):
    """R-039, R-040."""
    visitor.give_number(NUMBER)

    visitor.give_code(guess)

    assert visitor.answer.status_code == 200
    assert visitor.page.find("input", {"name": "code"})["aria-invalid"] == "true"
    assert not visitor.page.find("input", {"name": "code"}).has_attr("value")
    assert the_challenge().attempts == 0


def test_after_the_last_attempt_the_right_code_is_refused_too(visitor, outbox, no_cooldown):
    """V22, R-016."""
    visitor.give_number(NUMBER)
    code = code_in(outbox[0])
    for _ in range(5):
        visitor.give_code(wrong(code))
    after_the_last = visitor.follow().answer.content
    assert "Too many wrong codes" in visitor.text

    visitor.give_code(code).follow()

    assert "Too many wrong codes" in visitor.text
    assert unmarked(visitor.answer.content) == unmarked(after_the_last)
    assert visitor.signed_in_as is None
    assert visitor.page.find("input", {"name": "code"}) is None


def test_an_old_session_played_again_gives_no_further_attempts(visitor, outbox, settings):
    """V20: the counter is in the row, whatever the cookie says."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    visitor.give_number(NUMBER)
    code, cookie = code_in(outbox[0]), visitor.client.cookies["sessionid"].value
    for _ in range(5):
        visitor.client.cookies["sessionid"] = cookie
        visitor.give_code(wrong(code))

    visitor.client.cookies["sessionid"] = cookie
    visitor.give_code(code)

    assert visitor.answer.url == CODE_URL
    assert the_challenge().status == ChallengeStatus.MAX_ATTEMPTS_REACHED


def test_an_expired_code_offers_a_new_one_and_the_number_is_not_asked_again(visitor, outbox, no_cooldown):
    """R-132."""
    visitor.give_number(NUMBER)
    expire()
    visitor.give_code(code_in(outbox[0])).follow()
    assert "The code has expired." in visitor.text
    assert visitor.page.find("button", {"name": "resend"}).string == "Send a new code"

    visitor.resend().follow()
    visitor.give_code(code_in(outbox[1]))

    assert visitor.answer.url == PROFILE
    assert OTPChallenge.objects.count() == 2


def test_how_long_the_code_is_good_is_said(visitor, configure):
    """R-132."""
    configure(CODE_TTL=240)
    assert "good for 4 more minutes" in visitor.give_number(NUMBER).follow().text

    OTPChallenge.objects.update(expires_at=timezone.now() + timedelta(seconds=30))

    assert "good for one more minute" in visitor.look(CODE_URL).text


def test_a_code_is_good_once(visitor, outbox):
    """V28."""
    visitor.give_number(NUMBER)
    old = dict(visitor.client.session)
    visitor.give_code(code_in(outbox[0]))
    visitor.client.logout()
    session = visitor.client.session
    session.update({pending.SESSION_KEY: old[pending.SESSION_KEY]})
    session.save()

    visitor.give_code(code_in(outbox[0])).follow()

    assert "This code was used already." in visitor.text
    assert visitor.signed_in_as is None
