"""How a code follows from a row and a key."""

from __future__ import annotations

import hmac
import random
import secrets
import statistics
import time
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_kaleyra_otp import challenges, codes
from django_kaleyra_otp.exceptions import Invalid
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from django_kaleyra_otp.types import Secret
from tests.conftest import NUMBER, OTHER, code_in

ID = uuid.UUID("6f6a3d0e-58cf-4c0a-b0d6-4d4b3c1b9a55")
NONCE = bytes(range(16))
KEY = Secret("a key of thirty-two characters, at least")
K1, K2 = "first-key-" * 4, "second-key-" * 4


def derive(challenge_id=ID, nonce=NONCE, purpose="verify", bind_digest="", key=KEY, length=6):
    return codes.derive(
        challenge_id, nonce, purpose=purpose, bind_digest=bind_digest, key=key, length=length
    ).reveal()


def many(count, length=6):
    """Return the codes of many challenges, the same ones in each run."""
    return [derive(uuid.UUID(int=n), n.to_bytes(16, "big"), length=length) for n in range(count)]


def test_codes_are_spread_evenly_at_every_place():
    """R-001: chi-square with 9 degrees of freedom, p 0.001."""
    drawn = many(10_000)

    for place in range(6):
        counts = Counter(code[place] for code in drawn)
        assert sum((counts[digit] - 1000) ** 2 / 1000 for digit in "0123456789") < 27.9
    assert len(set(drawn)) > 9900


def test_leading_zeros_are_kept():
    """R-001, V24, V25."""
    drawn = many(10_000)

    assert {len(code) for code in drawn} == {6}
    assert all(code.isascii() and code.isdecimal() for code in drawn)
    assert 0.091 < sum(code.startswith("0") for code in drawn) / len(drawn) < 0.109


@pytest.mark.parametrize("length", range(6, 11))
def test_a_code_has_the_length_asked_for(length):
    assert {len(code) for code in many(50, length)} == {length}


def test_a_longer_code_is_the_same_number_seen_wider():
    assert derive(length=10).endswith(derive(length=6))


def test_the_same_inputs_give_the_same_code():
    assert derive() == derive(nonce=memoryview(NONCE))


@pytest.mark.parametrize(
    "change",
    [
        {"challenge_id": uuid.UUID(int=1)},
        {"nonce": bytes(16)},
        {"purpose": "login"},
        {"bind_digest": "0" * 64},
        {"key": Secret(K2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_input_changes_the_code(change):
    """R-025."""
    assert derive(**change, length=10) != derive(length=10)


def test_inputs_are_prefixed_by_their_length():
    """What moves from one input to its neighbour makes another code."""
    assert derive(purpose="ab", bind_digest="c", length=10) != derive(
        purpose="a", bind_digest="bc", length=10
    )
    assert derive(nonce=NONCE + b"v", purpose="erify", length=10) != derive(length=10)


def test_a_seeded_random_module_does_not_foretell_nonces():
    """R-001, V24."""
    random.seed(7)
    first = codes.new_nonce()
    random.seed(7)

    assert codes.new_nonce() != first
    assert len(first) == 16


def test_without_randomness_nothing_is_sent_or_stored(db, monkeypatch, outbox):
    """R-010."""

    def dry(*_):
        raise OSError("no entropy")

    monkeypatch.setattr(secrets, "token_bytes", dry)

    with pytest.raises(OSError, match="no entropy"):
        challenges.start(NUMBER)

    assert not outbox
    assert not OTPChallenge.objects.exists()
    assert not SendLog.objects.exists()
    assert not RateLimit.objects.exists()


def test_codes_are_compared_by_hmac_compare_digest(monkeypatch):
    """R-006, V27."""
    seen = []
    real = hmac.compare_digest
    monkeypatch.setattr(
        hmac, "compare_digest", lambda one, other: seen.append((one, other)) or real(one, other)
    )

    assert codes.same(Secret("012345"), Secret("012345"))
    assert not codes.same(Secret("012345"), Secret("012346"))
    assert [type(part) for pair in seen for part in pair] == [bytes] * 4


def test_a_verify_costs_little(challenge, wrong_code):
    """R-007: CPU of a guess, the least of several, database included."""

    def cost():
        before = time.process_time()
        challenges.verify(challenge.pk, wrong_code)
        return time.process_time() - before

    assert min(cost() for _ in range(5)) < 0.015


def test_a_derived_code_costs_microseconds():
    """R-007."""
    taken = []
    for _ in range(20):
        before = time.process_time()
        for _ in range(50):
            derive()
        taken.append((time.process_time() - before) / 50)

    assert statistics.median(taken) < 0.0005


def test_a_code_outlives_the_rotation_of_the_secret_key(db, settings, outbox):
    """R-005."""
    settings.SECRET_KEY = K1
    challenge = challenges.start(NUMBER)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = K2, [K1]

    result = challenges.verify(challenge.pk, code_in(outbox[-1]))

    assert result.ok
    assert challenges.redeem(result.token, purpose="verify").pk == challenge.pk


def test_the_newest_key_makes_new_codes(db, settings):
    """R-005."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = K2, [K1]

    challenge = challenges.start(NUMBER)

    assert challenge.key_fingerprint == codes.fingerprint(Secret(K2))


def test_a_key_that_was_taken_out_ends_its_codes(db, settings, outbox):
    """R-004, R-005: refused and counted, no crash."""
    settings.SECRET_KEY = K1
    challenge = challenges.start(NUMBER)
    settings.SECRET_KEY = K2

    result = challenges.verify(challenge.pk, code_in(outbox[-1]))

    assert (result.ok, result.error, result.attempts_left) == (False, "invalid_code", 4)


def test_code_keys_take_the_place_of_the_secret_key_and_rotate(db, settings, configure, outbox):
    """R-005."""
    configure(CODE_KEY=[K1])
    first = challenges.start(NUMBER)
    configure(CODE_KEY=[K2, K1])
    settings.SECRET_KEY = "another-secret-key-" * 3
    second = challenges.start(OTHER)

    assert first.key_fingerprint != second.key_fingerprint
    assert challenges.verify(first.pk, code_in(outbox[0])).ok
    assert challenges.verify(second.pk, code_in(outbox[1])).ok


def test_a_fingerprint_does_not_lead_back_to_its_key():
    name = codes.fingerprint(Secret(K1))

    assert len(name) == 16
    assert name != codes.fingerprint(Secret(K2))
    assert not any(part in name for part in (K1, K1[:10]))


def test_no_context_has_no_digest():
    assert codes.digest_bind(None, KEY) == ""


@pytest.mark.parametrize("value", [0, "", [], {}, False], ids=repr)
def test_an_empty_context_is_a_context(value):
    assert len(codes.digest_bind(value, KEY)) == 64


def test_key_order_does_not_matter_to_a_context():
    """R-027."""
    one, other = {"amount": 10, "payee": "asha"}, {"payee": "asha", "amount": 10}

    assert codes.digest_bind(one, KEY) == codes.digest_bind(other, KEY)


@pytest.mark.parametrize(
    "other", [{"amount": 10.0}, {"amount": "10"}, {"amount": "10.00"}, {"Amount": 10}, [10], None], ids=repr
)
def test_another_value_is_another_context(other):
    """R-027: 10, 10.0, "10" and "10.00" differ."""
    assert codes.digest_bind({"amount": 10}, KEY) != codes.digest_bind(other, KEY)


def test_a_context_is_digested_with_the_key():
    assert codes.digest_bind({"amount": 10}, KEY) != codes.digest_bind({"amount": 10}, Secret(K2))


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), float("nan"), b"bytes", {"a": timedelta(1)}, {1: 1, "a": 2}]
)
def test_a_context_that_is_not_json_is_refused(value):
    with pytest.raises(Invalid) as refusal:
        codes.digest_bind(value, KEY)

    assert set(refusal.value.errors) == {"bind"}


def test_a_context_nested_too_deeply_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(Invalid):
        codes.digest_bind(value, KEY)


@pytest.mark.parametrize("written", ["123456", "123 456", "123-456", " 1 2 3-4-5 6 ", "1-2-3-4-5-6"])
def test_spaces_and_hyphens_in_a_code_do_not_count(written):
    """R-039."""
    assert codes.clean(written, 6).reveal() == "123456"


@pytest.mark.parametrize(
    "given_",
    [
        "", " ", "-", "12345", "1234567", "123456\n", "\n123456", "123\t456", "12345a", "+123456", "1_23456",
        "١٢٣٤٥٦", "１２３４５６", "१२३४५६", "123\u00a0456", "123\u2011456", "1234\x00", "0x1234", "1e1000",
        "-12345", 123456, 12345, 123456.0, True, None, ["123456"], {"code": "123456"}, b"123456",
        " " * 60 + "123456",
    ],
    ids=repr,
)  # fmt: skip
def test_anything_else_is_no_code(given_):
    """R-038, R-039, V6, V11, V13."""
    assert codes.clean(given_, 6) is None


@given(st.text(max_size=70))
def test_whatever_passes_is_six_ascii_digits(text):
    """R-038, R-039."""
    guess = codes.clean(text, 6)

    assert guess is None or (len(guess.reveal()) == 6 and set(guess.reveal()) <= set("0123456789"))


def test_a_code_in_a_secret_is_hidden_from_its_repr():
    assert "123456" not in f"{codes.clean('123456', 6)!r}{codes.clean('123456', 6)}"


def test_a_code_of_one_challenge_is_worth_nothing_for_another(db, outbox):
    """R-025, V9, V10."""
    one, other = challenges.start(NUMBER), challenges.start(OTHER)
    first, second = (code_in(sms) for sms in outbox)

    if first != second:
        assert challenges.verify(one.pk, second).error == "invalid_code"
    assert challenges.verify(other.pk, second).ok
    assert challenges.verify(one.pk, first).ok
