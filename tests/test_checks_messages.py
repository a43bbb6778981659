"""The system checks of the texts."""

import pytest

from tests.test_checks import DLT, _new_numbering, found, ids, messages

__all__ = ["_new_numbering"]


@pytest.mark.parametrize(
    "registered",
    [
        "{#var#} is your Kirana code. It lasts {#var#} minutes.",
        "{#numeric#} is your Kirana code. It lasts {#numeric#} minutes.",
        "{#var#} is your {#var#} code. It lasts {#var#} minutes.",
    ],
)
def test_a_registered_text_may_have_tags_of_any_type_and_the_service_written_out(registered):
    """R-072. Source of the tags: TRAI's direction of 18 November 2025."""
    text = {
        **DLT,
        "BODY": "{code} is your {service} code. It lasts {minutes} minutes.",
        "REGISTERED": registered,
    }

    assert "E008" not in ids(MESSAGES=messages({**text, "purpose": "login"}), SERVICE_NAME="Kirana")


def test_a_text_that_is_not_the_registered_one_is_told_where_they_part():
    """R-072."""
    registered = "{#var#} is your Kirana Code."
    (message,) = found(MESSAGES=[{**DLT, "REGISTERED": registered}, {"BODY": "{code}"}])

    assert "character 24 on" in message.hint
    assert message.msg == "KALEYRA_OTP['MESSAGES'][0]: BODY is not the text of REGISTERED."


def test_two_variables_are_no_matter_and_three_are():
    """R-072."""
    assert ids(MESSAGES=messages({**DLT, "BODY": "{code} {minutes}", "purpose": "login"})) == []
    (message,) = found(MESSAGES=messages({**DLT, "BODY": "{code} {minutes} {n}", "purpose": "login"}))
    assert "3 variables" in message.msg


def test_a_text_is_measured_with_the_longest_code_it_may_carry():
    """R-073."""
    texts = [{**DLT, "BODY": "{code}" + "x" * 154}, {"BODY": "{code}"}]

    assert ids(MESSAGES=texts) == []
    assert ids(MESSAGES=texts, PURPOSES={"login": {"CODE_LENGTH": 7}}) == ["W003"]


def test_a_purpose_without_a_text_is_named_with_its_countries():
    shown = found(MESSAGES=[{**DLT, "purpose": "login"}, {"BODY": "{code}", "prefixes": ["+971"]}])

    assert [message.id for message in shown] == ["kaleyra_otp.E009"] * 3
    assert shown[0].msg == "The purpose 'verify' has no text for the numbers of: IN."


def test_texts_by_purpose_and_language_and_prefix_may_cover_india_together():
    purposes = ("verify", "login", "second_factor", "step_up")
    each = [{**DLT, "purpose": purpose} for purpose in purposes]

    assert ids(MESSAGES=[{**DLT, "language": "hi"}, *each, {"BODY": "{code}"}]) == []


def test_a_text_only_for_some_indian_numbers_still_needs_its_template():
    assert ids(MESSAGES=[{"BODY": "{code}", "prefixes": ["+9198"]}, *messages()]) == ["E011"]


def test_no_text_needs_a_template_where_india_is_not_allowed():
    assert ids(ALLOWED_COUNTRIES=["AE"], MESSAGES=[{"BODY": "{code}"}]) == []


def test_where_every_country_is_allowed_a_text_for_india_alone_is_not_enough():
    assert ids(ALLOWED_COUNTRIES="*", MESSAGES=[DLT]) == ["E009"] * 4


def test_a_line_for_browsers_with_a_host_is_fine():
    """R-071."""
    text = {"BODY": "{code} is your code.\n\n@example.com #{code}", "purpose": "login", "prefixes": ["+971"]}

    assert ids(MESSAGES=messages(text)) == []
