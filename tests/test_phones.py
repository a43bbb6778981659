"""Phone numbers: one spelling each, which are refused, and how one is shown."""

from __future__ import annotations

import string

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import PhoneNumberType

from django_kaleyra_otp import challenges, phones
from django_kaleyra_otp.exceptions import Cooldown, CountryNotAllowed, Invalid, InvalidPhoneNumber, Refused
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import NUMBER

SPELLINGS = [
    "+919876543210", "+91 98765 43210", "+91-98765-43210", "+91 (98765) 43210", "+91(98765)43210",
    "(+91) 98765 43210", " +919876543210 ", "+91 98765-43210", "+91 9876 543 210", "+9 1 9 8 7 6 5 4 3 2 1 0",
    "+٩١٩٨٧٦٥٤٣٢١٠", "+९१९८७६५४३२१०", "+９１９８７６５４３２１０", "+91 ٩٨٧٦٥ ४३२१०", "+91 09876543210",
    "+(91) 98765-43210", "+ 91 98765 43210",
]  # fmt: skip
REFUSED = [
    "", " ", "+", "+91", "123", "98", "9876543210", "919876543210", "+91 98765 4321", "+91987654321012345",
    "tel:+919876543210", "+919876543210;ext=5", "+919876543210 x5", "+919876543210 ext. 5", "+919876543210#5",
    "+1-800-FLOWERS", "+91 98765 4321O", "9876543210;phone-context=+91", "+919876543210;phone-context=+91",
    "+91\u200b9876543210", "\u200e+919876543210", "+919876543210\u202c", "+91\u00a09876543210",
    "＋919876543210", "+91\t9876543210", "+919876543210\n", "\n+919876543210", "+91\r\n9876543210",
    "+919876543210\x00",
    "+91.98765.43210", "+91/9876543210", "++919876543210", "+91+9876543210", "*+919876543210",
    "+91 98765,43210",
    "+91 9876543210" + " " * 20, "+919876543210, +919876501234", "+91\u20139876543210", "+91 ⑨876543210",
    "+91 ²876543210", "asha@example.com", "'; DROP TABLE users; --", "\ud800+919876543210",
]  # fmt: skip


def test_every_spelling_of_a_number_is_one_subject(db, outbox):
    """R-042, R-044, V19: the first sends, all the others meet its cool-down."""
    challenges.start(SPELLINGS[0])

    for spelling in SPELLINGS[1:]:
        with pytest.raises(Cooldown):
            challenges.start(spelling)
    assert len(outbox) == 1
    assert set(OTPChallenge.objects.values_list("phone_number", flat=True)) == {NUMBER}
    assert set(SendLog.objects.values_list("phone_number", flat=True)) == {NUMBER}


@pytest.mark.parametrize("spelling", SPELLINGS, ids=ascii)
def test_a_number_has_one_spelling_inside(spelling):
    """R-042, R-044."""
    number = phones.parse(spelling)

    assert (number.e164, number.country, number.block) == (NUMBER, "IN", "+91987654")


@pytest.mark.parametrize("written", REFUSED, ids=lambda written: ascii(written)[:40])
def test_what_is_not_plainly_a_number_is_refused_and_nothing_else_happens(db, written, outbox):
    """R-043, R-045, R-085, S15."""
    with pytest.raises(InvalidPhoneNumber):
        challenges.start(written)

    assert not outbox
    assert not OTPChallenge.objects.exists()
    assert not RateLimit.objects.exists()


@pytest.mark.parametrize("value", [None, 919876543210, 1.5, True, b"+919876543210", ["+919876543210"], {}])
def test_what_is_no_text_is_refused(value):
    """R-038."""
    with pytest.raises(InvalidPhoneNumber):
        phones.parse(value)


@pytest.mark.parametrize("written", [written for written in REFUSED if "\ud800" not in written], ids=ascii)
def test_the_api_refuses_what_is_not_plainly_a_number_with_400(api, written, outbox):
    """R-043."""
    answer = api.start(written)

    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_phone_number", "invalid")
    assert not outbox


def test_without_a_country_code_a_number_is_read_in_the_default_region(settings):
    """R-045."""
    settings.PHONENUMBER_DEFAULT_REGION = "IN"

    for written in ("9876543210", "98765 43210", "09876543210", "0091 9876543210"):
        assert phones.parse(written).e164 == NUMBER
    assert phones.parse("+12025550123").country == "US"


def test_a_field_of_a_model_gives_the_same_number():
    assert phones.parse(PhoneNumber.from_string("+91 98765 43210")).e164 == NUMBER


@pytest.mark.parametrize("written", ["+919876543210 ext. 5", "+91 12", "+9198765"])
def test_a_field_that_holds_no_sendable_number_is_refused(written):
    """R-043: an extension is not dropped in silence."""
    with pytest.raises(InvalidPhoneNumber):
        phones.parse(PhoneNumber.from_string(written))


NEVER = [
    PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST, PhoneNumberType.VOIP, PhoneNumberType.PERSONAL_NUMBER, PhoneNumberType.PAGER,
    PhoneNumberType.UAN, PhoneNumberType.VOICEMAIL,
]  # fmt: skip


@pytest.mark.parametrize("kind", NEVER, ids=PhoneNumberType.to_string)
def test_numbers_of_other_kinds_are_never_sent_to(db, configure, kind, outbox):
    """R-046, R-059: every region's example number of the kind, though every country is allowed."""
    configure(ALLOWED_COUNTRIES="*")
    tried = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, kind)
        if example and phonenumbers.number_type(example) == kind:
            tried += 1
            with pytest.raises((InvalidPhoneNumber, CountryNotAllowed)):
                challenges.start(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
    assert tried > 1
    assert not outbox


@pytest.mark.parametrize(
    "written",
    ["+979123456789", "+88216123456", "+80012345678", "+80812345678", "+870773111632", "+883510012345678"],
)
def test_numbers_of_no_country_are_never_sent_to(db, configure, written, outbox):
    """R-046, R-059."""
    configure(ALLOWED_COUNTRIES="*")

    with pytest.raises((CountryNotAllowed, InvalidPhoneNumber)):
        challenges.start(written)
    assert not outbox


@pytest.mark.parametrize("written", ["+15550100000", "+18005550199", "+19005550199"])
def test_numbers_not_in_use_and_toll_free_ones_are_refused(written):
    """R-046."""
    with pytest.raises((InvalidPhoneNumber, Refused)):
        phones.parse(written)


@pytest.mark.parametrize(
    ("written", "country"),
    [("+12025550123", "US"), ("+14165550123", "CA"), ("+971501234567", "AE"), ("+447400123456", "GB")],
)
def test_mobiles_and_numbers_that_may_be_mobiles_are_sent_to(written, country):
    """R-046."""
    assert phones.parse(written).country == country


def test_every_mobile_example_of_the_world_is_taken():
    """R-046."""
    for region in phonenumbers.SUPPORTED_REGIONS:
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
        if example and phonenumbers.number_type(example) in kinds:
            e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert phones.parse(e164).e164 == e164


@given(st.text(max_size=40))
def test_no_text_crashes_the_parser(text):
    """R-043: a number or a refusal, and what is taken reads the same again."""
    try:
        number = phones.parse(text)
    except (Invalid, Refused):
        return
    assert phones.parse(number.e164) == number


@given(
    st.integers(6_000_000_000, 9_999_999_999), st.lists(st.sampled_from(["", " ", "-", "(", ")"]), min_size=9)
)
def test_separators_never_change_the_number(national, separators):
    """R-042."""
    plain = f"+91{national}"
    dressed = "+91" + "".join(
        digit + separators[at % len(separators)] for at, digit in enumerate(str(national))
    )
    try:
        expected = phones.parse(plain)
    except InvalidPhoneNumber:
        return
    assert phones.parse(dressed) == expected


@given(st.text(string.digits, min_size=1, max_size=30), st.sampled_from(["٠", "०", "０", "𝟎", "߀"]))
def test_digits_of_any_script_are_the_same_digits(digits, zero):
    """R-044."""
    foreign = "".join(chr(ord(zero) + int(digit)) for digit in digits)

    def outcome(text):
        try:
            return phones.parse(text)
        except (Invalid, Refused) as refusal:
            return type(refusal)

    assert outcome(f"+{foreign}") == outcome(f"+{digits}")


@pytest.mark.parametrize(
    ("e164", "shown"),
    [
        (NUMBER, "+91••••••3210"),
        ("+12025550123", "+1••••••0123"),
        ("+971501234567", "+971•••••4567"),
        ("+447400123456", "+44••••••3456"),
        ("+68255123", "+682•••23"),  # Cook Islands: five digits
        ("+6907290", "+690••90"),  # Tokelau: four
    ],
)
def test_a_masked_number_shows_country_and_last_four_and_never_more_than_half(e164, shown):
    """R-034, R-106."""
    assert phones.mask(e164) == shown


def test_a_number_hides_itself_from_its_repr():
    """R-106."""
    assert "9876" not in f"{phones.parse(NUMBER)!r}{phones.parse(NUMBER)}"


@pytest.mark.parametrize(
    ("e164", "series"),
    [
        (NUMBER, "+919876"),
        ("+12025550123", "+12025"),
        ("+971501234567", "+9715012"),
        ("+447400123456", "+447400"),
    ],
)
def test_a_series_is_the_country_and_four_digits(e164, series):
    assert phones.series(e164) == series
