"""Look at a challenge: what its holder is told of it and of its SMS."""

from __future__ import annotations

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.exceptions import Cooldown
from django_kaleyra_otp.models import DeliveryStatus, SendLog
from tests.conftest import NUMBER, code_in
from tests.playing import NO_LIMITS, SECRET, later


def hold(send_log_id):
    """A queue that keeps what it is given."""


def callback(client, send, status):
    told = {"id": send.message_id, "status": status, "recipient": send.phone_number}
    assert client.post("/otp/webhook/", told, "application/json", headers=SECRET).status_code == 204
    send.refresh_from_db()


def test_a_look_tells_what_the_start_told(api):
    started = api.start()

    seen = api.look(started.json()["id"])

    assert seen.status_code == 200
    assert seen.json() == started.json()


def test_a_look_changes_and_sends_nothing(api, challenge, outbox):
    """S2."""
    answers = {api.look(challenge.pk).content for _ in range(3)}

    assert len(answers) == len(outbox) == SendLog.objects.count() == 1


def test_a_look_tells_where_the_challenge_stands(api, challenge, wrong_code, code):
    api.verify(challenge.pk, wrong_code)
    assert api.look(challenge.pk).json()["attempts_left"] == 4
    api.verify(challenge.pk, code)

    seen = api.look(challenge.pk).json()

    assert (seen["status"], seen["attempts_left"]) == ("verified", 3)


def test_a_challenge_past_its_time_is_expired(api, challenge):
    later(301)

    assert api.look(challenge.pk).json()["status"] == "expired"


def test_a_look_is_at_the_newest_sms(api, configure, challenge):
    later(31)
    configure(BACKEND="tests.playing.Losing")
    api.resend(challenge.pk)

    assert api.look(challenge.pk).json()["delivery"]["status"] == "pending"


def test_resend_at_follows_the_number_over_all_its_challenges(api, configure, challenge):
    """Another challenge of the same number moves it, for the cool-down is the number's."""
    first = parse_datetime(api.look(challenge.pk).json()["resend_at"])
    later(31)
    told = parse_datetime(api.start(purpose="login").json()["resend_at"])

    assert parse_datetime(api.look(challenge.pk).json()["resend_at"]) == told > first


def test_resend_at_of_a_known_caller_is_not_moved_by_strangers(db, user, configure):
    """R-021: nor does it tell that a stranger tries the number."""
    mine = challenges.start(NUMBER, user=user, known=True)
    before = challenges.look(mine.pk).resend_at
    later(31)
    challenges.start(NUMBER)

    assert challenges.look(mine.pk).resend_at < before


def test_resend_at_of_a_known_caller_without_a_user_is_when_a_resend_would_do(db):
    first = challenges.start(NUMBER, known=True)
    later(31)
    challenges.start(NUMBER, known=True)

    with pytest.raises(Cooldown) as refusal:
        challenges.resend(first.pk)
    wait = (challenges.look(first.pk).resend_at - timezone.now()).total_seconds()
    assert wait == pytest.approx(refusal.value.retry_after, abs=2)


@pytest.mark.parametrize(
    ("status", "word"), [(status, "pending") for status in ("queued", "sending", "unknown")]
)
def test_an_sms_that_kaleyra_has_not_taken_for_sure_is_pending(api, challenge, status, word):
    rank = DeliveryStatus(status).rank
    SendLog.objects.update(status=status, rank=rank, submitted_at=None)

    assert api.look(challenge.pk).json()["delivery"]["status"] == word


def test_whether_an_sms_was_delivered_is_nobodys_business(api, client, challenge):
    """R-032: word and instant stay, whatever callbacks say: they would tell whether a handset is on."""
    send = SendLog.objects.get()
    before = api.look(challenge.pk).json()["delivery"]
    assert before["status"] == "sent"

    for status in ("SENT", "FAILED", "UNDELIVERED", "EXPIRED", "NOT-SENT", "DELIVRD"):
        callback(client, send, status)
        assert api.look(challenge.pk).json()["delivery"] == before
    assert send.status == "delivered"


def test_an_sms_whose_answer_was_lost_is_sent_once_a_callback_tells(api, client, db, configure):
    configure(BACKEND="tests.playing.Losing")
    challenge = challenges.start(NUMBER)
    SendLog.objects.update(message_id="lost:1")
    before = api.look(challenge.pk).json()["delivery"]

    callback(client, SendLog.objects.get(), "UNDELIVERED")
    after = api.look(challenge.pk).json()["delivery"]

    assert (before["status"], after["status"]) == ("pending", "sent")
    assert parse_datetime(after["updated_at"]) > parse_datetime(before["updated_at"])
    callback(client, SendLog.objects.get(), "DELIVRD")
    assert api.look(challenge.pk).json()["delivery"] == after


def test_a_queued_sms_is_pending_then_sent_and_its_instant_moves_with_the_word(api, configure, outbox):
    configure(DISPATCH="tests.test_look.hold")
    started = api.start().json()
    assert (started["delivery"]["status"], len(outbox)) == ("pending", 0)
    later(10)

    delivery.deliver(SendLog.objects.get().pk)
    after = api.look(started["id"]).json()["delivery"]

    assert (after["status"], len(outbox)) == ("sent", 1)
    assert parse_datetime(after["updated_at"]) == SendLog.objects.get().submitted_at
    assert api.verify(started["id"], code_in(outbox[0])).status_code == 200


def test_an_sms_that_a_worker_could_not_send_has_failed_and_the_instant_tells_when(api, configure):
    configure(DISPATCH="tests.test_look.hold", BACKEND="tests.playing.Refusing", **NO_LIMITS)
    started = api.start().json()
    later(10)
    before = api.look(started["id"]).json()["delivery"]

    delivery.deliver(SendLog.objects.get().pk)
    after = api.look(started["id"]).json()["delivery"]

    assert (before["status"], after["status"]) == ("pending", "failed")
    assert parse_datetime(after["updated_at"]) > parse_datetime(before["updated_at"])
