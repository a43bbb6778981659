"""How many SMS a text takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_kaleyra_otp import messages


@pytest.mark.parametrize(
    ("length", "parts"), [(1, 1), (159, 1), (160, 1), (161, 2), (306, 2), (307, 3), (459, 3), (460, 4)]
)
def test_the_gsm_alphabet_has_160_characters_to_one_sms_and_153_to_each_of_several(length, parts):
    """R-073."""
    assert messages.segments("a" * length) == parts


@pytest.mark.parametrize(
    ("length", "parts"), [(1, 1), (69, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)]
)
def test_other_letters_have_70_to_one_sms_and_67_to_each_of_several(length, parts):
    """R-073."""
    assert messages.segments("क" * length) == parts


@pytest.mark.parametrize("character", "€[]{}^~|\\\f")
def test_the_characters_behind_the_escape_count_double(character):
    """R-073."""
    assert messages.segments("a" * 158 + character) == 1
    assert messages.segments("a" * 159 + character) == 2
    assert messages.segments(character * 80) == 1
    assert messages.segments(character * 81) == 2


def test_a_double_character_is_not_split_between_two_sms():
    """R-073. Source: 3GPP TS 23.040, 9.2.3.24.1."""
    assert messages.segments("a" * 152 + "€" + "a" * 152) == 3
    assert messages.segments("a" * 151 + "€" + "a" * 153) == 2
    assert messages.segments("क" * 66 + "😀" + "क" * 66) == 3
    assert messages.segments("क" * 65 + "😀" + "क" * 67) == 2


def test_an_emoji_counts_as_two():
    """R-073."""
    assert messages.segments("😀" * 35) == 1
    assert messages.segments("😀" * 35 + "a") == 2


def test_one_other_letter_turns_the_whole_text():
    """R-073."""
    assert messages.segments("a" * 71) == 1
    assert messages.segments("a" * 70 + "ç") == 2
    assert messages.segments("a" * 70 + "Ç") == 1


@pytest.mark.parametrize("character", "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ ¤¡ÄÖÑÜ§¿äöñüà")
def test_letters_of_the_gsm_alphabet_count_once(character):
    """R-073. Source: 3GPP TS 23.038, 6.2.1."""
    assert messages.segments(character * 160) == 1
    assert messages.segments(character * 161) == 2


@pytest.mark.parametrize("character", "`\t\x1b“”’–…ÁÀç₹")
def test_letters_that_only_look_alike_are_not_of_the_gsm_alphabet(character):
    """R-073."""
    assert messages.segments(character * 71) == 2


@given(st.text(min_size=1, max_size=400))
def test_segments_never_fall_below_what_the_units_need(text):
    """R-073."""
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    parts = messages.segments(text)

    assert parts * 160 >= len(text)
    assert parts <= max(1, -(-units // 66))
