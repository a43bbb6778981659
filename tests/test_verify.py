"""Spend one attempt on a code: over HTTP and in Python."""

from __future__ import annotations

import itertools
import uuid
import warnings
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import DatabaseBusy, Invalid, KaleyraOTPError
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import NO_LIMITS, later


def row(challenge):
    return OTPChallenge.objects.filter(pk=challenge.pk).values().get()


def test_the_right_code_verifies_and_gives_a_token(api, challenge, code):
    answer = api.verify(challenge.pk, code)

    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "token"}
    assert answer.json()["status"] == "verified"
    challenge.refresh_from_db()
    assert (challenge.status, challenge.attempts) == ("verified", 1)
    assert abs(challenge.verified_at - timezone.now()) < timedelta(seconds=10)
    assert challenges.redeem(answer.json()["token"], purpose="verify") == challenge


def test_a_wrong_code_costs_an_attempt_and_says_how_many_are_left(api, challenge, wrong_code):
    """R-011, R-013."""
    for left in (4, 3, 2, 1, 0):
        answer = api.verify(challenge.pk, wrong_code)

        assert answer.status_code == 400
        assert (answer.json()["code"], answer.json()["attempts_left"]) == ("invalid_code", left)
    challenge.refresh_from_db()
    assert (challenge.attempts, challenge.status) == (5, "max_attempts_reached")


def test_after_the_last_attempt_right_and_wrong_codes_get_one_answer(api, challenge, code, wrong_code):
    """R-016, V2."""
    for _ in range(5):
        api.verify(challenge.pk, wrong_code)
    before = row(challenge)

    right, false = api.verify(challenge.pk, code), api.verify(challenge.pk, wrong_code)

    assert right.status_code == 429
    assert right.json()["code"] == "max_attempts_reached"
    assert (right.content, right.headers) == (false.content, false.headers)
    assert "attempts_left" not in right.json()
    assert row(challenge) == before


def test_the_right_code_is_good_on_the_last_attempt(challenge, code, wrong_code):
    for _ in range(4):
        challenges.verify(challenge.pk, wrong_code)

    assert challenges.verify(challenge.pk, code).ok


def test_a_code_is_good_once(api, challenge, code, wrong_code):
    """R-012, V1, V4."""
    assert api.verify(challenge.pk, code).status_code == 200
    before = row(challenge)

    for guess in [code] * 5 + [wrong_code]:
        answer = api.verify(challenge.pk, guess)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_verified")
    assert row(challenge) == before


@pytest.mark.parametrize("guess", ["right", "wrong"])
def test_a_code_is_refused_once_its_time_is_past(api, challenge, code, wrong_code, guess):
    """R-002, V21."""
    later(301)
    before = row(challenge)

    answer = api.verify(challenge.pk, code if guess == "right" else wrong_code)

    assert (answer.status_code, answer.json()["code"]) == (410, "expired")
    assert row(challenge) == before


def test_a_code_is_good_until_its_time_is_past(challenge, code):
    """R-002."""
    later(295)

    assert challenges.verify(challenge.pk, code).ok


def test_a_code_that_expires_between_the_look_and_the_decision_is_refused(challenge, code):
    """R-003: expiry is judged by the statement that decides."""

    def slow(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not slow.over:
            slow.over = True
            later(301)
        return execute(sql, params, many, context)

    slow.over = False
    with connection.execute_wrapper(slow):
        result = challenges.verify(challenge.pk, code)

    assert (result.ok, result.error, result.token) == (False, "expired", None)


@pytest.mark.parametrize("move", ["verified", "canceled", "max_attempts_reached"])
def test_who_comes_second_is_told_what_the_first_did(challenge, code, move):
    """R-012, R-118: the row is read again where the UPDATE touched none."""

    def overtaken(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not overtaken.over:
            overtaken.over = True
            OTPChallenge.objects.filter(pk=challenge.pk).update(status=move)
        return execute(sql, params, many, context)

    overtaken.over = False
    with connection.execute_wrapper(overtaken):
        result = challenges.verify(challenge.pk, code)

    error = "already_verified" if move == "verified" else move
    assert (result.ok, result.error, result.token) == (False, error, None)


def test_failed_attempts_move_no_time(challenge, wrong_code):
    """V33."""
    before = row(challenge)
    challenges.verify(challenge.pk, wrong_code)

    after = row(challenge)
    assert before.pop("last_attempt_at") is None
    assert after.pop("last_attempt_at") >= before["created_at"]
    assert after == {**before, "attempts": 1}


def test_a_wrong_code_sends_nothing(api, challenge, wrong_code, outbox):
    """S3."""
    for _ in range(6):
        api.verify(challenge.pk, wrong_code)

    assert len(outbox) == SendLog.objects.count() == 1


@pytest.mark.parametrize("separated", ["{0}{1}", "{0} {1}", "{0}-{1}", " {0} - {1} "])
def test_spaces_and_hyphens_do_not_count(api, challenge, code, separated):
    """R-039."""
    assert api.verify(challenge.pk, separated.format(code[:3], code[3:])).status_code == 200


MALFORMED = [
    None, "", " ", "-", True, False, 0, 123456, 12345, 1.5, [], {}, ["123456"], {"code": "123456"}, "12345",
    "1234567", "abcdef", "12345a", "123456\n", "١٢٣٤٥٦", "１２３４５６", "१२३४५६", "\x00", "123456\x00",
    "+123456",
    "1" * 4000, " 123_456 ", "1e5", "null",
]  # fmt: skip


def test_what_is_no_code_costs_no_attempt(api, challenge, code):
    """R-038, R-039, R-040, V6, V11, V12, V13."""
    for guess in MALFORMED:
        answer = api.verify(challenge.pk, guess)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), ascii(guess)
        assert set(answer.json()["errors"]) == {"code"}
        assert "attempts_left" not in answer.json()

    challenge.refresh_from_db()
    assert challenge.attempts == 0
    assert api.verify(challenge.pk, code).status_code == 200


def test_the_right_code_in_another_writing_or_type_is_no_code(api, challenge, code):
    """R-038, R-039, V6, V13: no int, no other digits, nothing that int() would take."""
    fullwidth = "".join(chr(0xFF10 + int(digit)) for digit in code)
    for guess in (
        int(code),
        float(code),
        [code],
        {"code": code},
        fullwidth,
        f"{code[:3]}_{code[3:]}",
        f"{code}\n",
    ):
        assert api.verify(challenge.pk, guess).json()["code"] == "invalid"


@pytest.mark.parametrize("body", [{}, {"code": None}, {"CODE": "123456"}, {"token": "123456"}])
def test_a_body_without_a_code_is_invalid(api, challenge, body):
    answer = api.client.post(f"/otp/challenges/{challenge.pk}/verify/", body, "json")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["errors"]) == {"code"}


def test_a_context_in_the_body_is_refused_and_costs_no_attempt(api, challenge, code):
    """R-027: the context is the server's alone."""
    body = {"code": code, "bind": {"amount": 1}}
    answer = api.client.post(f"/otp/challenges/{challenge.pk}/verify/", body, "json")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert row(challenge)["attempts"] == 0


def test_a_bound_challenge_is_not_verified_over_http(api, db, outbox):
    """R-027: HTTP has no context, so every code is wrong there, and counts."""
    challenge = challenges.start(NUMBER, bind={"amount": 10})

    answer = api.verify(challenge.pk, code_in(outbox[0]))

    assert (answer.json()["code"], answer.json()["attempts_left"]) == ("invalid_code", 4)


def test_another_context_makes_every_code_wrong_and_costs_an_attempt(db, outbox):
    """R-027."""
    challenge = challenges.start(NUMBER, bind={"amount": 10, "payee": "a"})
    code = code_in(outbox[0])
    for bind in (None, {}, {"amount": 10}, {"amount": "10", "payee": "a"}, {"amount": 10.0, "payee": "a"}):
        result = challenges.verify(challenge.pk, code, bind=bind)
        assert result.error == "invalid_code"

    assert row(challenge)["attempts"] == 5


def test_a_context_where_none_was_given_makes_every_code_wrong(challenge, code):
    """R-027."""
    assert challenges.verify(challenge.pk, code, bind={}).error == "invalid_code"


def test_a_context_that_is_not_json_raises(challenge, code):
    with pytest.raises(Invalid):
        challenges.verify(challenge.pk, code, bind={1, 2})


def test_a_code_verifies_for_its_own_challenge_alone(db, configure, outbox, user, django_user_model):
    """R-025, V9, V14, V31: numbers, purposes and users crossed; the diagonal alone verifies."""
    configure(**NO_LIMITS, MAX_ATTEMPTS=10, MAX_FAILURES=None, CODE_LENGTH=10)
    other = django_user_model.objects.create_user("binod")
    started = []
    for number, purpose, owner in itertools.product(
        (NUMBER, OTHER), ("verify", "login"), (user, other, None)
    ):
        started.append((challenges.start(number, purpose=purpose, user=owner), code_in(outbox[-1])))

    for here, (challenge, _) in enumerate(started):
        foreign = [code for there, (_, code) in enumerate(started) if there != here]
        assert not any(challenges.verify(challenge.pk, code).ok for code in foreign[:9])
    assert all(challenges.verify(challenge.pk, code).ok for challenge, code in started)


def test_another_purpose_does_not_find_the_challenge(challenge, code):
    """R-025, R-033."""
    result = challenges.verify(challenge.pk, code, purpose="login")

    assert (result.ok, result.error, result.challenge) == (False, "not_found", None)
    assert row(challenge)["attempts"] == 0
    assert challenges.verify(challenge.pk, code, purpose="verify").ok


def test_a_number_sent_along_changes_nothing(api, challenge, code):
    """R-026."""
    body = {"code": code, "phone_number": OTHER, "purpose": "login", "user": 1, "status": "verified"}
    answer = api.client.post(f"/otp/challenges/{challenge.pk}/verify/", body, "json")

    redeemed = challenges.redeem(answer.json()["token"], purpose="verify")
    assert (redeemed.phone_number, redeemed.user) == (NUMBER, None)


@pytest.mark.parametrize("value", [uuid.UUID(int=0), "", "x", None, 5, b"\x00", "0" * 1000])
def test_in_python_an_unknown_id_is_a_result(db, value):
    result = challenges.verify(value, "123456")

    assert (result.ok, result.error, result.token) == (False, "not_found", None)


def test_a_result_tells_what_became_of_the_guess(challenge, code, wrong_code):
    missed = challenges.verify(challenge.pk, wrong_code)
    assert (missed.ok, missed.error, missed.attempts_left, missed.token) == (False, "invalid_code", 4, None)
    assert (missed.challenge.pk, missed.challenge.attempts) == (challenge.pk, 1)

    hit = challenges.verify(str(challenge.pk), code)
    assert (hit.ok, hit.error) == (True, None)
    assert (hit.challenge.status, hit.challenge.attempts) == ("verified", 2)
    assert hit.token not in repr(hit)
    assert code not in repr(hit)


def test_inside_a_transaction_a_guess_works_and_warns(challenge, wrong_code, code):
    """R-013: the warning says what is at stake."""
    with transaction.atomic(), pytest.warns(RuntimeWarning, match="transaction") as warned:
        result = challenges.verify(challenge.pk, wrong_code)
    assert result.attempts_left == 4
    assert warned[0].filename == __file__
    with transaction.atomic(), pytest.warns(RuntimeWarning):
        assert challenges.verify(challenge.pk, code).ok


def test_who_says_that_his_transaction_commits_is_not_warned(challenge, wrong_code):
    with warnings.catch_warnings(), transaction.atomic():
        warnings.simplefilter("error")
        assert challenges.verify(challenge.pk, wrong_code, commits=True).attempts_left == 4


def test_the_transaction_of_a_test_case_is_not_somebodys(challenge, code):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert challenges.verify(challenge.pk, code).ok


def test_without_the_database_nothing_is_verified(transactional_db, api, challenge, code):
    """R-018, R-056: the decision is the statement; where it fails there is no success."""

    def broken(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise OperationalError("gone away")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(broken):
        answer = api.verify(challenge.pk, code)
        with pytest.raises(DatabaseBusy):
            challenges.verify(challenge.pk, code)

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")
    assert row(challenge)["status"] == "pending"
    assert api.verify(challenge.pk, code).status_code == 200


ACTIONS = {
    "verify": lambda challenge, code: challenges.verify(challenge.pk, code).error or "verified",
    "resend": lambda challenge, code: challenges.resend(challenge.pk).effective_status,
    "cancel": lambda challenge, code: challenges.cancel(challenge.pk).effective_status,
}
MACHINE = {
    "pending": {"verify": "verified", "resend": "pending", "cancel": "canceled"},
    "verified": dict.fromkeys(ACTIONS, "already_verified"),
    "canceled": dict.fromkeys(ACTIONS, "canceled"),
    "expired": dict.fromkeys(ACTIONS, "expired"),
    "max_attempts_reached": dict.fromkeys(ACTIONS, "max_attempts_reached"),
}


@pytest.mark.parametrize(("state", "action"), list(itertools.product(MACHINE, ACTIONS)))
def test_each_state_answers_each_action_as_the_machine_says(
    configure, challenge, code, wrong_code, state, action, outbox
):
    """R-031."""
    configure(**NO_LIMITS)
    if state == "verified":
        challenges.verify(challenge.pk, code)
    elif state == "canceled":
        challenges.cancel(challenge.pk)
    elif state == "expired":
        later(301)
    elif state == "max_attempts_reached":
        for _ in range(5):
            challenges.verify(challenge.pk, wrong(code))
    before, sent = row(challenge), len(outbox)

    try:
        outcome = ACTIONS[action](challenge, code)
    except KaleyraOTPError as error:
        outcome = error.code

    assert outcome == MACHINE[state][action]
    if state != "pending":
        assert row(challenge) == before
        assert len(outbox) == sent
