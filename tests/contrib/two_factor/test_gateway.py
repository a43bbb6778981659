"""two-factor's own phone plugin, its set-up and its sign-in, with our gateway over the simulator."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from two_factor.gateways import make_call
from two_factor.plugins.phonenumber.models import PhoneDevice
from two_factor.plugins.registry import registry

from django_kaleyra_otp.models import SendLog
from tests.conftest import NUMBER, OTHER, wrong
from tests.contrib.two_factor.person import FURTHER, Person
from tests.playing import later

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def phone(user):
    return PhoneDevice.objects.create(user=user, name="default", number=NUMBER, method="sms")


def test_a_set_up_sends_a_code_and_saves_the_phone(user, kaleyra):
    person = Person(user).set_up("sms", number=NUMBER)
    assert person.step == "validation"
    assert "We sent you a text message" in person.text

    person.validate(kaleyra.wait_for_message(NUMBER).code)

    assert PhoneDevice.objects.get().number.as_e164 == NUMBER
    assert person.may_see_the_secret
    kaleyra.wait_until_idle()
    send = SendLog.objects.get()
    assert (send.status, send.challenge) == ("delivered", None)
    assert send.body == "Your Kirana code is {code}. It is good for 2 minutes. Do not share it with anyone."


def test_a_sign_in_with_password_and_code(phone, kaleyra):
    person = Person().sign_in()
    assert person.step == "token"
    code = kaleyra.wait_for_message(NUMBER).code

    person.give_code(wrong(code))
    assert not person.may_see_the_secret
    PhoneDevice.objects.update(throttling_failure_timestamp=None)
    person.give_code(code)

    assert person.may_see_the_secret
    assert len(kaleyra.messages) == 1


def test_signing_in_again_at_once_the_code_of_the_sms_before_is_good(phone, kaleyra):
    """S1: no second SMS within the cool-down, and no error 500."""
    Person().sign_in()
    code = kaleyra.wait_for_message(NUMBER).code
    person = Person().sign_in()

    assert person.step == "token"
    assert len(kaleyra.messages) == 1
    assert person.give_code(code).may_see_the_secret


def test_asked_again_later_another_sms_leaves(phone, kaleyra):
    Person().sign_in()
    later(31)
    Person().sign_in()

    assert len(kaleyra.messages) == 2


def test_a_set_up_that_is_refused_says_so(user, kaleyra):
    person = Person(user).set_up("sms", number="+33612345678")

    assert person.step == "validation"
    assert "We've encountered an issue" in person.text
    assert kaleyra.messages == []


@pytest.mark.parametrize("reason", ["switched off", "refused by Kaleyra", "too many"])
def test_a_sign_in_whose_sms_is_refused_still_shows_the_page_and_tells(
    phone, kaleyra, configure, reason, caplog
):
    """S5: who has another device or a backup token can go on."""
    if reason == "switched off":
        configure(SENDING=False)
    elif reason == "refused by Kaleyra":
        kaleyra.set_fate(NUMBER, "no-balance")
    else:
        configure(LIMITS=[{"scope": "phone", "rate": "1/d"}], RESEND_COOLDOWN=0)
        Person().sign_in()
    person = Person().sign_in()

    assert (person.answer.status_code, person.step) == (200, "token")
    assert len(person.told) == 1
    assert NUMBER not in caplog.text


def test_a_further_phone_that_is_refused_is_no_error(phone, user, kaleyra):
    person = Person().sign_in()
    person.give_code(kaleyra.wait_for_message(NUMBER).code)
    person.look(FURTHER)
    person.give(FURTHER, "phone_setup_view", "setup", number="+33612345678", method="sms")
    assert person.answer.status_code == 200
    assert person.told == ["Codes are not sent to numbers of this country."]

    person.give(FURTHER, "phone_setup_view", "setup", number=OTHER, method="sms")
    code = kaleyra.wait_for_message(OTHER).code
    person.give(FURTHER, "phone_setup_view", "validation", token=code)
    assert PhoneDevice.objects.get(name="backup").number.as_e164 == OTHER


def test_a_stranger_does_not_lock_out_who_gave_his_password(phone, api, kaleyra):
    """R-021."""
    assert api.start(NUMBER).status_code == 201
    assert api.start(NUMBER).json()["code"] == "cooldown"

    person = Person().sign_in()

    assert len(kaleyra.messages) == 2
    assert person.step == "token"


def test_limits_see_the_address_of_the_request(phone, kaleyra, configure):
    """R-019."""
    configure(LIMITS=[{"scope": "ip", "rate": "1/d"}], RESEND_COOLDOWN=0)
    Person().sign_in()
    later(31)
    Person().sign_in()

    assert len(kaleyra.messages) == 1


def test_calls_are_not_offered_and_not_made(phone, settings):
    assert [method.code for method in registry.get_methods()] == ["generator", "sms"]

    settings.TWO_FACTOR_CALL_GATEWAY = settings.TWO_FACTOR_SMS_GATEWAY
    with pytest.raises(ImproperlyConfigured, match="unset TWO_FACTOR_CALL_GATEWAY"):
        make_call(phone, "123456")
