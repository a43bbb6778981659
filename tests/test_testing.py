"""``django_kaleyra_otp.testing``, beside what howto/test_testing.py sees of it from outside."""

import uuid

import pytest

from django_kaleyra_otp import challenges, delivery, phones, signals
from django_kaleyra_otp.exceptions import DeliveryUnavailable, InvalidToken
from django_kaleyra_otp.models import SendLog, StatusUpdate
from django_kaleyra_otp.testing import deliver, expire, last_code
from tests.conftest import NUMBER, OTHER
from tests.playing import NO_LIMITS, Away

pytestmark = pytest.mark.django_db


def test_the_code_is_told_whatever_else_the_text_says(configure, outbox):
    text = "Order 123456789: {code} pays {amount}, it is {code}.\n\n@example.com #{code}"
    configure(MESSAGES=[{"BODY": text}])
    challenge = challenges.start(NUMBER, bind={"amount": "654321"})

    assert challenges.verify(challenge.pk, outbox[0].code, bind={"amount": "654321"}).ok


def test_the_code_of_another_library_is_told_too():
    delivery.send_code(NUMBER, "482913")

    assert last_code(NUMBER) == "482913"


def test_of_several_codes_the_newest_of_a_number_is_told(configure):
    configure(**NO_LIMITS)
    challenges.start(NUMBER)
    newest, other = challenges.start(NUMBER), challenges.start(OTHER)

    assert challenges.verify(newest.pk, last_code("+91 98765 43210")).ok
    assert challenges.verify(other.pk, last_code(OTHER)).ok


def test_a_number_that_got_no_sms_is_said_without_its_digits(challenge):
    with pytest.raises(LookupError) as error:
        last_code(OTHER)

    assert phones.mask(OTHER) in str(error.value)
    assert OTHER[1:] not in str(error.value)


def test_a_callback_moves_the_row_and_is_kept_with_its_trace(challenge, outbox):
    heard = []
    signals.delivery_updated.connect(
        listen := lambda send, previous, **_: heard.append((previous, send.status))
    )

    send = deliver(outbox[0], "undelivered", trace="ABSENT-SUB")

    signals.delivery_updated.disconnect(listen)
    assert (send.status, send.kaleyra_trace) == ("undelivered", "ABSENT-SUB")
    assert heard == [("submitted", "undelivered")]
    assert StatusUpdate.objects.get().send_log_id == send.pk


def test_a_row_moves_forward_alone(challenge):
    send = SendLog.objects.get()

    assert deliver(send).status == "delivered"
    assert deliver(send, "sent").status == "delivered"
    assert send.status == "delivered"


def test_a_word_that_is_no_status_is_an_error(challenge, outbox):
    with pytest.raises(ValueError, match="lost"):
        deliver(outbox[0], "lost")


def test_an_sms_that_did_not_leave_is_delivered_by_nobody(configure):
    configure(BACKEND=f"{Away.__module__}.{Away.__qualname__}")
    with pytest.raises(DeliveryUnavailable):
        challenges.start(NUMBER)

    with pytest.raises(ValueError, match="failed"):
        deliver(SendLog.objects.get())


@pytest.mark.parametrize("named", [lambda challenge: challenge, lambda challenge: str(challenge.pk)])
def test_time_runs_out_for_a_code_and_for_its_proof(named, challenge, configure):
    configure(**NO_LIMITS)
    expire(named(challenge))
    assert challenges.verify(challenge.pk, last_code(NUMBER)).error == "expired"

    verified = challenges.start(NUMBER)
    token = challenges.verify(verified.pk, last_code(NUMBER)).token
    expire(named(verified))

    with pytest.raises(InvalidToken):
        challenges.redeem(token, purpose="verify")


def test_a_challenge_that_is_handed_over_is_told_its_new_time(challenge):
    expire(challenge)

    assert challenge.effective_status == "expired"


def test_no_other_challenge_runs_out_of_time(challenge, code):
    with pytest.raises(LookupError):
        expire(uuid.uuid4())
    expire(challenges.start(OTHER))

    assert challenges.verify(challenge.pk, code).ok
