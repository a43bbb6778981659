"""The device by itself: whom it sends to, what it counts, and that one code is one success."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django_otp import devices_for_user, verify_token
from django_otp.models import Device, GenerateNotAllowed, VerifyNotAllowed

from django_kaleyra_otp import challenges
from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice
from django_kaleyra_otp.models import OTPChallenge
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import later


@pytest.fixture(autouse=True)
def no_waits(settings):
    settings.OTP_KALEYRA_THROTTLE_FACTOR = 0


def again(device):
    """The device as another request loads it."""
    return Device.from_persistent_id(device.persistent_id)


def test_the_device_is_one_of_the_users_and_asks_for_a_code(device, user):
    assert list(devices_for_user(user)) == [device]
    assert device.is_interactive()


def test_a_code_goes_to_the_devices_own_number_and_says_where_to(device, outbox):
    said = device.generate_challenge()

    assert [sms.to for sms in outbox] == [OTHER]
    assert said == "A text message with a code is on its way to +91••••••1234."
    challenge = OTPChallenge.objects.get()
    assert (challenge.purpose, challenge.user, challenge.known) == ("second_factor", device.user, True)


def test_without_a_number_of_its_own_a_device_uses_the_users(user, outbox):
    KaleyraDevice.objects.create(user=user, name="phone").generate_challenge()

    assert [sms.to for sms in outbox] == [NUMBER]


def test_without_any_number_there_is_no_code(user, outbox):
    user.phone_number = ""
    user.save()
    device = KaleyraDevice.objects.create(user=user, name="phone")

    assert device.generate_challenge() == "There is no mobile number that a code could be sent to."
    assert not device.verify_token("123456")
    assert (outbox, device.masked_number) == ([], "")


def test_a_device_that_is_not_saved_asks_for_nothing(user, outbox):
    """V7: what it would be counted by is nowhere."""
    device = KaleyraDevice(user=user, name="phone", phone_number=NUMBER)

    with pytest.raises(ValueError, match="Save the device first"):
        device.generate_challenge()
    assert not device.verify_token("123456")
    assert outbox == []


def test_a_number_is_kept_in_its_one_spelling(user):
    device = KaleyraDevice(user=user, name="phone", phone_number="+91 98765-43210")
    device.full_clean()
    assert device.phone_number == NUMBER

    device.phone_number = "+1800"
    with pytest.raises(ValidationError) as refusal:
        device.full_clean()
    assert list(refusal.value.message_dict) == ["phone_number"]


def test_the_right_code_is_good_once(asked, code):
    """V5, R-012."""
    assert asked.verify_token(code)

    assert not asked.verify_token(code)
    assert not again(asked).verify_token(code)
    challenge = OTPChallenge.objects.get()
    assert challenge.redeemed_at is not None
    assert again(asked).last_used_at is not None


@pytest.mark.parametrize("kind", [int, lambda code: None, lambda code: "", lambda code: [code], float])
def test_what_is_no_code_is_refused_and_costs_no_attempt(asked, code, kind):
    """V13."""
    assert not asked.verify_token(kind(code))
    assert OTPChallenge.objects.get().attempts == 0


def test_of_two_loaded_copies_one_verifies(asked, code):
    """V8."""
    copies = [again(asked), again(asked)]

    assert [copy.verify_token(code) for copy in copies] == [True, False]


def test_of_many_copies_at_once_one_verifies(transactional_db, user, outbox, together):
    """V8, R-012: with no lock on the device's row."""
    device = KaleyraDevice.objects.create(user=user, name="phone")
    device.generate_challenge()
    code = code_in(outbox[-1])
    copies = [again(device) for _ in range(12)]

    assert together(12, lambda number: copies[number].verify_token(code)).count(True) == 1


def test_of_many_guesses_at_once_five_are_looked_at(transactional_db, user, outbox, together):
    """R-011, R-019."""
    device = KaleyraDevice.objects.create(user=user, name="phone")
    device.generate_challenge()
    code = code_in(outbox[-1])
    copies = [again(device) for _ in range(20)]

    assert not any(together(20, lambda number: copies[number].verify_token(wrong(code))))
    assert OTPChallenge.objects.get().attempts == 5
    assert not again(device).verify_token(code)


def test_django_otps_own_call_verifies_within_its_lock(transactional_db, user, outbox, together):
    """V8: and warns of no transaction, for that one commits."""
    device = KaleyraDevice.objects.create(user=user, name="phone")
    device.generate_challenge()
    code = code_in(outbox[-1])

    assert verify_token(user, device.persistent_id, wrong(code)) is None
    assert OTPChallenge.objects.get().attempts == 1
    winners = together(8, lambda _: verify_token(user, device.persistent_id, code))
    assert winners.count(device) == 1


def test_after_too_many_wrong_codes_the_right_one_is_refused_and_says_why(asked, code):
    """R-011, R-014, V7: also while the device is being set up."""
    asked.confirmed = False
    asked.save()
    for _ in range(5):
        assert not again(asked).verify_token(wrong(code))

    assert again(asked).verify_is_allowed() == (
        False,
        {"reason": VerifyNotAllowed.N_FAILED_ATTEMPTS, "failure_count": 5},
    )
    assert not again(asked).verify_token(code)


def test_a_new_code_after_too_many_wrong_ones_is_another(asked, code, outbox):
    for _ in range(5):
        asked.verify_token(wrong(code))
    later(31)
    asked.generate_challenge()

    assert len(outbox) == 2
    assert OTPChallenge.objects.count() == 2
    assert asked.verify_token(code_in(outbox[-1]))


def test_failures_add_up_over_challenges(device, outbox, configure):
    """R-014."""
    configure(MAX_FAILURES=10, LIMITS=[], RESEND_COOLDOWN=0)
    for _ in range(2):
        device.generate_challenge()
        for _ in range(5):
            device.verify_token(wrong(code_in(outbox[-1])))

    assert device.generate_challenge() == "Too many wrong codes were entered for this number."
    assert len(outbox) == 2


def test_asked_again_an_open_challenge_sends_the_same_code(asked, code, outbox):
    later(31)
    again(asked).generate_challenge()

    assert [code_in(sms) for sms in outbox] == [code, code]
    assert again(asked).verify_token(code)


def test_asked_again_at_once_nothing_is_sent_and_it_says_why(asked, outbox):
    """S1."""
    allowed, why = again(asked).generate_is_allowed()
    assert (allowed, why["reason"]) == (False, GenerateNotAllowed.COOLDOWN_DURATION_PENDING)

    said = again(asked).generate_challenge()
    assert said == "A code was sent a moment ago. Please wait before asking for another."
    assert len(outbox) == 1
    later(31)
    assert again(asked).generate_is_allowed() == (True, None)


def test_a_code_that_expired_is_refused_and_says_so(asked, code):
    """R-002."""
    later(301)

    assert again(asked).verify_is_allowed() == (
        False,
        {"error_message": "This code has expired. Ask for a new one."},
    )
    assert not again(asked).verify_token(code)


def test_a_code_sent_to_the_number_before_is_no_good_for_the_new_one(asked, code, outbox):
    """V31, R-025."""
    asked.phone_number = NUMBER
    asked.save()
    assert not asked.verify_token(code)

    asked.generate_challenge()
    assert [sms.to for sms in outbox] == [OTHER, NUMBER]
    assert asked.verify_token(code_in(outbox[-1]))


def test_a_code_of_one_device_is_no_good_for_another(asked, code, outbox, configure):
    """V9, R-025."""
    configure(RESEND_COOLDOWN=0)
    twin = KaleyraDevice.objects.create(user=asked.user, name="twin", phone_number=asked.phone_number)
    twin.generate_challenge()
    KaleyraDevice.objects.filter(pk=twin.pk).update(challenge_id=asked.challenge_id)

    assert not again(twin).verify_token(code)
    assert not again(asked).verify_token(code_in(outbox[-1]))


def test_a_devices_challenge_is_found_over_no_other_door(asked, code):
    """R-025, R-027: its context is known to the device alone."""
    result = challenges.verify(asked.challenge_id, code, purpose="second_factor")

    assert result.error == "invalid_code"


def test_a_device_that_is_being_set_up_is_counted_as_a_stranger(user, outbox):
    """R-021: a hundred accounts are not a hundred times the limits of somebody's number."""
    KaleyraDevice.objects.create(user=user, name="phone", confirmed=False).generate_challenge()

    assert OTPChallenge.objects.get().known is False


def test_a_wrong_code_of_one_copy_leaves_the_rest_of_the_row_alone(asked, code):
    stale = again(asked)
    KaleyraDevice.objects.filter(pk=asked.pk).update(name="renamed")

    stale.verify_token(wrong(code))
    stale.verify_token(code)

    assert again(asked).name == "renamed"


def test_waits_begin_anew_with_a_new_code(asked, code, settings, outbox):
    """R-021: django-otp's waits grow without end; they lock nobody out for longer than a code lives."""
    settings.OTP_KALEYRA_THROTTLE_FACTOR = 60
    asked = again(asked)
    asked.verify_token(wrong(code))
    assert again(asked).verify_is_allowed()[0] is False

    later(301)
    asked.generate_challenge()

    assert again(asked).verify_token(code_in(outbox[-1]))


def test_nothing_of_a_device_is_the_code(asked, code):
    """R-004."""
    row = KaleyraDevice.objects.filter(pk=asked.pk).values().get()

    assert code not in repr(row)
    assert code not in repr(vars(asked))


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_the_sms_leaves_after_it(user, outbox):
    device = KaleyraDevice.objects.create(user=user, name="phone")
    with transaction.atomic():
        device.generate_challenge()
        assert outbox == []

    assert device.verify_token(code_in(outbox[-1]))


def test_a_challenge_that_was_purged_verifies_nothing_and_is_followed_by_another(asked, code, outbox):
    OTPChallenge.objects.all().delete()
    later(31)

    assert not again(asked).verify_token(code)
    asked.generate_challenge()
    assert again(asked).verify_token(code_in(outbox[-1]))
