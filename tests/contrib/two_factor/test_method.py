"""two-factor's set-up and sign-in with our own method, over the simulator."""

from __future__ import annotations

import pytest
from two_factor.plugins.registry import registry

from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests.conftest import NUMBER, OTHER, wrong
from tests.contrib.two_factor.person import Person
from tests.playing import later

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def method(settings):
    """The app is installed: its method stands where the phone plugin's was."""
    settings.OTP_KALEYRA_THROTTLE_FACTOR = 0
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_kaleyra_otp.contrib.two_factor"]
    yield
    registry.unregister("sms")  # the plugin puts its own back when the settings are


@pytest.fixture
def device(user):
    return KaleyraDevice.objects.create(user=user, name="default", phone_number=NUMBER)


def test_the_method_takes_the_place_of_the_plugins(device):
    assert [type(method).__name__ for method in registry.get_methods()] == [
        "GeneratorMethod",
        "KaleyraMethod",
    ]


def test_a_set_up_sends_a_code_and_confirms_the_device(user, kaleyra):
    person = Person(user).set_up("phone_number", phone_number="+91 98765 43210")
    assert person.step == "validation"
    assert "A text message with a code is on its way to +91••••••3210." in person.text
    assert KaleyraDevice.objects.get().confirmed is False

    person.validate(kaleyra.wait_for_message(NUMBER).code)

    device = KaleyraDevice.objects.get()
    assert (device.confirmed, device.phone_number, device.name) == (True, NUMBER, "default")
    assert person.may_see_the_secret
    kaleyra.wait_until_idle()
    send = SendLog.objects.get()
    assert (send.status, send.challenge.purpose) == ("delivered", "second_factor")


@pytest.mark.parametrize("number", ["+33612345678", "+911234", ""])
def test_a_set_up_refuses_a_number_that_no_code_can_go_to(user, kaleyra, number):
    person = Person(user).set_up("phone_number", phone_number=number)

    assert person.step == "phone_number"
    assert kaleyra.messages == []


def test_in_the_set_up_too_five_wrong_codes_are_enough(user, kaleyra):
    """V7, R-019."""
    person = Person(user).set_up("phone_number", phone_number=NUMBER)
    code = kaleyra.wait_for_message(NUMBER).code
    for _ in range(5):
        person.validate(wrong(code))
    assert OTPChallenge.objects.get().attempts == 5

    person.validate(code)
    assert person.step == "validation"
    assert KaleyraDevice.objects.get().confirmed is False
    assert not person.may_see_the_secret


def test_a_set_up_begun_anew_with_another_number_needs_that_numbers_code(user, kaleyra):
    """V31."""
    person = Person(user).set_up("phone_number", phone_number=NUMBER)
    stale = kaleyra.wait_for_message(NUMBER).code
    person.set_up("phone_number", phone_number=OTHER)
    code = kaleyra.wait_for_message(OTHER).code

    person.validate(stale)
    assert KaleyraDevice.objects.get().confirmed is False
    person.validate(code)
    assert KaleyraDevice.objects.get().phone_number == OTHER


def test_a_sign_in_with_password_and_code(device, kaleyra):
    person = Person().sign_in()
    assert person.step == "token"
    assert "A text message with a code is on its way to +91••••••3210." in person.text
    code = kaleyra.wait_for_message(NUMBER).code

    person.give_code(wrong(code))
    assert not person.may_see_the_secret
    person.give_code(f"{code[:3]} {code[3:]}")

    assert person.may_see_the_secret
    assert len(kaleyra.messages) == 1


def test_a_code_with_leading_zeros_is_good(device, kaleyra, configure):
    """V13, V25."""
    configure(LIMITS=[], RESEND_COOLDOWN=0)
    for _ in range(200):
        OTPChallenge.objects.all().delete()
        person = Person().sign_in()
        code = kaleyra.wait_for_message(NUMBER).code
        if code.startswith("0"):
            break

    assert person.give_code(code).may_see_the_secret


def test_a_code_is_no_good_for_a_second_sign_in(device, kaleyra):
    """V5: also where the second had given the password before."""
    first, second = Person().sign_in(), Person().sign_in()
    code = kaleyra.wait_for_message(NUMBER).code

    assert first.give_code(code).may_see_the_secret
    assert not second.give_code(code).may_see_the_secret
    assert not Person().sign_in().give_code(code).may_see_the_secret


def test_five_wrong_codes_close_the_door(device, kaleyra):
    """R-011, R-019."""
    person = Person().sign_in()
    code = kaleyra.wait_for_message(NUMBER).code
    for _ in range(5):
        person.give_code(wrong(code))

    assert "5 failed attempts" in person.give_code(code).text
    assert not person.may_see_the_secret


def test_nothing_of_the_code_is_kept_in_the_session(user, kaleyra):
    """R-004, V20."""
    person = Person(user).set_up("phone_number", phone_number=NUMBER)
    code = kaleyra.wait_for_message(NUMBER).code
    assert code not in str(dict(person.client.session))
    person.validate(code)
    assert code not in str(dict(person.client.session))

    later(31)
    person = Person().sign_in()
    code = kaleyra.wait_for_message(NUMBER).code
    assert code not in str(dict(person.client.session))
    person.give_code(code)
    assert code not in str(dict(person.client.session))


def test_a_sign_in_whose_sms_is_refused_still_shows_the_page_and_tells(device, kaleyra, configure):
    """S5."""
    configure(SENDING=False)
    person = Person().sign_in()

    assert (person.answer.status_code, person.step) == (200, "token")
    assert "Codes cannot be sent at the moment." in person.text


def test_signing_in_again_at_once_the_same_code_is_good_and_the_page_says_to_wait(device, kaleyra):
    """S1."""
    Person().sign_in()
    person = Person().sign_in()

    assert "A code was sent a moment ago." in person.text
    assert person.give_code(kaleyra.wait_for_message(NUMBER).code).may_see_the_secret
