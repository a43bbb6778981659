"""allauth's sign-up, sign-in by code and change of number, over the simulator: its pages and its API."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_kaleyra_otp.models import BlockedPrefix, RateLimit, SendLog
from tests.conftest import NUMBER, OTHER, wrong
from tests.contrib.allauth.adapter import AccountAdapter
from tests.contrib.allauth.clients import App, Browser
from tests.contrib.allauth.models import Member
from tests.playing import later

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "+919812345678"


@pytest.fixture(params=[Browser, App], ids=["pages", "headless"])
def person(request):
    return request.param()


@pytest.fixture
def member():
    return Member.objects.create_user("asha", phone_number=NUMBER, phone_verified=True)


def test_a_sign_up_verifies_the_number(person, kaleyra):
    person.sign_up(NUMBER)
    member = Member.objects.get()
    assert (member.phone_number, member.phone_verified) == (NUMBER, False)
    assert person.signed_in_as == "None"

    person.verify(kaleyra.wait_for_message(NUMBER).code)

    member.refresh_from_db()
    assert member.phone_verified
    assert person.signed_in_as == str(member.pk)
    kaleyra.wait_until_idle()
    send = SendLog.objects.get()
    assert (send.status, send.challenge) == ("delivered", None)
    assert send.body == "Your Kirana code is {code}. It is good for 3 minutes. Do not share it with anyone."


def test_a_sign_in_by_code(person, member, kaleyra):
    person.ask_for_code(NUMBER)
    code = kaleyra.wait_for_message(NUMBER).code
    assert len(code) == 6
    person.sign_in(wrong(code))
    assert person.refused

    person.sign_in(code)

    assert person.signed_in_as == str(member.pk)


def test_a_code_is_no_good_for_a_second_sign_in(person, member, kaleyra):
    """V1, V5."""
    person.ask_for_code(NUMBER)
    code = kaleyra.wait_for_message(NUMBER).code
    person.sign_in(code)
    later(31)
    other = type(person)()
    other.ask_for_code(NUMBER)
    other.sign_in(code)

    assert other.signed_in_as == "None"


def test_three_wrong_codes_end_the_sign_in(person, member, kaleyra):
    person.ask_for_code(NUMBER)
    code = kaleyra.wait_for_message(NUMBER).code
    for _ in range(3):
        person.sign_in(wrong(code))
    person.sign_in(code)

    assert person.signed_in_as == "None"


@pytest.mark.parametrize("number", ["+33612345678", "+911234567890", "+919876543210 ext 5"])
def test_a_number_that_no_code_can_go_to_is_refused_in_the_form(person, kaleyra, number):
    person.sign_up(number)
    assert person.refused
    person.ask_for_code(number)
    assert person.refused
    assert (kaleyra.messages, Member.objects.count()) == ([], 0)


def test_a_number_is_read_in_any_spelling(person, kaleyra):
    person.sign_up("+91 (98765) 43210")

    assert Member.objects.get().phone_number == NUMBER


def seen(person):
    """What an answer shows, but for the number and what differs between any two answers."""
    headers = {name: value for name, value in person.answer.headers.items() if name != "Expires"}
    body = person.answer.content if isinstance(person, App) else b""
    token = person.headers.get("X-Session-Token", "") if isinstance(person, App) else ""
    headers.pop("Content-Length", None)
    return person.answer.status_code, headers, body.replace(token.encode(), b"")


def test_a_number_without_an_account_is_asked_for_a_code_and_gets_no_sms(person, member, kaleyra):
    """R-032, S13, S14."""
    stranger = type(person)()
    person.ask_for_code(NUMBER)
    stranger.ask_for_code(UNKNOWN)

    assert seen(stranger) == seen(person)
    stranger.sign_in("000000")
    person.sign_in(wrong(kaleyra.wait_for_message(NUMBER).code))
    assert stranger.answer.status_code == person.answer.status_code
    assert [message.number for message in kaleyra.messages] == [NUMBER]
    assert Member.objects.count() == 1


def test_a_sign_up_with_a_number_that_is_taken_looks_like_any_other(person, member, kaleyra):
    """R-032."""
    newcomer = type(person)()
    person.sign_up(NUMBER)
    newcomer.sign_up(OTHER)

    assert seen(person) == seen(newcomer)
    assert [message.number for message in kaleyra.messages] == [OTHER]
    assert Member.objects.filter(phone_number=NUMBER).count() == 1


@pytest.mark.parametrize("number", [NUMBER, UNKNOWN], ids=["known", "unknown"])
def test_limits_refuse_known_and_unknown_numbers_alike(person, member, kaleyra, number):
    """R-019, R-032, S1."""
    person.ask_for_code(number)
    again = type(person)()
    again.ask_for_code(number)

    assert again.answer.status_code == 429
    assert 0 < int(again.answer["Retry-After"]) <= 30
    assert len(kaleyra.messages) == (number == NUMBER)


@pytest.mark.parametrize("number", [NUMBER, UNKNOWN], ids=["known", "unknown"])
def test_known_and_unknown_numbers_are_charged_to_the_same_limits(person, member, kaleyra, number):
    """R-032."""
    RateLimit.objects.all().delete()
    person.ask_for_code(number)

    assert RateLimit.objects.count() == 7  # the cool-down, three of the number, two of the address, the block


@pytest.mark.parametrize("number", [NUMBER, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("reason", ["switched off", "refused by Kaleyra"])
def test_a_send_that_fails_is_not_told(person, member, kaleyra, configure, number, reason, caplog):
    """R-032, S5, S14."""
    if reason == "switched off":
        configure(SENDING=False)
    else:
        kaleyra.set_fate(None, "no-balance")
    person.ask_for_code(number)

    assert person.answer.status_code in (302, 401)
    assert number not in caplog.text
    person.sign_in("000000")
    assert person.answer.status_code in (200, 400)


@pytest.mark.parametrize("number", [NUMBER, UNKNOWN], ids=["known", "unknown"])
def test_a_prefix_that_is_closed_is_forbidden(person, member, kaleyra, number):
    BlockedPrefix.objects.create(prefix="+91")
    if isinstance(person, App):
        person.client.raise_request_exception = False
        answer = person.client.post(
            "/_allauth/app/v1/auth/code/request", {"phone": number}, "application/json"
        )
    else:
        answer = person.ask_for_code(number)

    assert answer.status_code == 403


def test_a_change_of_number_needs_the_new_numbers_code(person, member, kaleyra, settings):
    """R-030."""
    person.ask_for_code(NUMBER)
    person.sign_in(kaleyra.wait_for_message(NUMBER).code)
    person.change(OTHER)
    member.refresh_from_db()
    assert member.phone_number == NUMBER

    code = kaleyra.wait_for_message(OTHER).code
    person.verify(wrong(code))
    person.verify(code)

    member.refresh_from_db()
    assert (member.phone_number, member.phone_verified) == (OTHER, True)


def test_a_session_that_the_client_holds_is_refused(member, settings):
    """V20: it would show the code, and playing an old one again would wind back the guesses."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    with pytest.raises(ImproperlyConfigured, match="SESSION_ENGINE"):
        Browser().ask_for_code(NUMBER)


def test_codes_are_digits_of_the_purposes_length(rf, configure):
    """R-001."""
    adapter = AccountAdapter()
    codes = {adapter.generate_phone_verification_code() for _ in range(2000)}
    assert all(code.isascii() and code.isdecimal() and len(code) == 6 for code in codes)
    assert any(code.startswith("0") for code in codes)

    configure(PURPOSES={"verify": {"CODE_LENGTH": 8}})
    assert len(adapter.generate_phone_verification_code()) == 8


def test_whose_number_is_verified_comes_before_who_typed_it():
    adapter = AccountAdapter()
    typed = Member.objects.create_user("mallory", phone_number=NUMBER)
    assert adapter.get_user_by_phone(NUMBER) == typed
    owner = Member.objects.create_user("asha", phone_number=NUMBER, phone_verified=True)
    assert adapter.get_user_by_phone(NUMBER) == owner

    Member.objects.update(phone_verified=True)
    assert adapter.get_user_by_phone(NUMBER) is None
    assert adapter.get_user_by_phone(UNKNOWN) is None
    assert adapter.get_phone(Member(username="nobody")) is None
