"""The proof that verify gives and redeem takes."""

from __future__ import annotations

import uuid

import pytest
from django.core import signing
from hypothesis import given
from hypothesis import strategies as st

from django_kaleyra_otp import tokens

ID = uuid.UUID("6f6a3d0e-58cf-4c0a-b0d6-4d4b3c1b9a55")


def test_a_token_names_its_challenge():
    assert tokens.read(tokens.issue(ID)) == ID


def test_a_token_fits_a_url_a_form_and_a_json_text():
    token = tokens.issue(ID)

    assert len(token) <= 200
    assert token.isascii()
    assert token.isprintable()
    assert not set(token) & set(" /?&#%+=\"'<>\\")


@pytest.mark.parametrize("place", [0, 15, 31, 32, 33, -1])
def test_a_token_with_one_character_changed_is_worth_nothing(place):
    """R-022."""
    token = tokens.issue(ID)
    other = "1" if token[place] != "1" else "2"
    at = place % len(token)

    assert tokens.read(token[:at] + other + token[at + 1 :]) is None


def test_the_signature_of_one_challenge_does_not_sign_another():
    """R-022."""
    signature = tokens.issue(ID).partition(":")[2]

    assert tokens.read(f"{uuid.uuid4().hex}:{signature}") is None


def test_a_token_signed_for_another_use_of_the_same_key_is_worth_nothing(settings):
    """R-022: Django's own signatures, and ones with our salt but another digest."""
    for signer in (
        signing.Signer(),
        signing.Signer(salt="kaleyra_otp.token", algorithm="sha1"),
        signing.Signer(salt="kaleyra_otp.code"),
        signing.Signer(key="x" * 50, salt="kaleyra_otp.token"),
    ):
        assert tokens.read(signer.sign(ID.hex)) is None


@pytest.mark.parametrize(
    "value",
    [None, "", b"", 1, True, [], {}, ID, ID.hex, str(ID), ":", "a" * 10_000, "é" * 20, "\x00", "\ud800"],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_token_names_nothing(value):
    """R-022."""
    assert tokens.read(value) is None


def test_a_signed_text_that_is_no_id_names_nothing():
    signer = signing.Signer(salt="kaleyra_otp.token", algorithm="sha256")
    assert tokens.read(signer.sign(ID.hex)) == ID  # the signer is the right one

    assert tokens.read(signer.sign("no id at all")) is None
    assert tokens.read(signer.sign("")) is None


@given(st.text(max_size=250))
def test_no_text_names_a_challenge_by_luck(text):
    assert tokens.read(text) is None


def test_a_token_outlives_the_rotation_of_the_key(settings):
    """R-005."""
    settings.SECRET_KEY = "first-key-" * 4
    token = tokens.issue(ID)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second-key-" * 4, ["first-key-" * 4]

    assert tokens.read(token) == ID


def test_a_token_ends_with_the_key_that_signed_it(settings):
    """R-005."""
    settings.SECRET_KEY = "first-key-" * 4
    token = tokens.issue(ID)
    settings.SECRET_KEY = "second-key-" * 4

    assert tokens.read(token) is None


def test_code_keys_sign_tokens_too(settings, configure):
    """R-005: with CODE_KEY a leaked SECRET_KEY forges no proof."""
    configure(CODE_KEY=["first-key-" * 4])
    forged = signing.Signer(salt="kaleyra_otp.token", algorithm="sha256").sign(ID.hex)
    token = tokens.issue(ID)
    settings.SECRET_KEY = "another-key-" * 4

    assert tokens.read(token) == ID
    assert tokens.read(forged) is None


def test_a_token_outlives_the_rotation_of_a_code_key(settings, configure):
    """R-005: and with CODE_KEY neither SECRET_KEY nor its fallbacks sign."""
    settings.SECRET_KEY_FALLBACKS = ["old-secret-key-" * 3]
    configure(CODE_KEY=["first-key-" * 4])
    token = tokens.issue(ID)
    configure(CODE_KEY=["second-key-" * 4, "first-key-" * 4])
    forged = signing.Signer(key="old-secret-key-" * 3, salt="kaleyra_otp.token", algorithm="sha256")

    assert tokens.read(token) == ID
    assert tokens.read(forged.sign(ID.hex)) is None
