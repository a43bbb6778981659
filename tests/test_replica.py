"""A project whose reads go to a replica: nothing of ours that decides asks it."""

from __future__ import annotations

import pytest
from django.test import Client

from django_kaleyra_otp import challenges, delivery, recovery, retention
from django_kaleyra_otp.exceptions import Cooldown, InvalidToken, MaxFailuresReached, RateLimited
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests import aged
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import NO_LIMITS, SECRET, later, only


class Replica:
    """Sends every read of our tables to a server that is not there: one that lags would be found by luck."""

    def db_for_read(self, model, **hints):
        return "replica" if model._meta.app_label == "kaleyra_otp" else None


@pytest.fixture(autouse=True)
def replica(db, settings):
    settings.DATABASE_ROUTERS = ["tests.test_replica.Replica"]


def mine(model):
    """Rows as the test itself reads them."""
    return model.objects.using("default")


def test_a_code_is_good_once(outbox):
    """R-012, R-122."""
    challenge = challenges.start(NUMBER)
    code = code_in(outbox[-1])

    assert challenges.verify(challenge.pk, wrong(code)).error == "invalid_code"
    result = challenges.verify(challenge.pk, code)
    assert result.ok
    assert challenges.verify(challenge.pk, code).error == "already_verified"
    assert challenges.redeem(result.token, purpose="verify").pk == challenge.pk
    with pytest.raises(InvalidToken):
        challenges.redeem(result.token, purpose="verify")


def test_wrong_guesses_close_a_number(configure, outbox):
    """R-014, R-122."""
    configure(**NO_LIMITS, MAX_FAILURES=5)
    challenge = challenges.start(NUMBER)
    for _ in range(5):
        challenges.verify(challenge.pk, wrong(code_in(outbox[-1])))

    with pytest.raises(MaxFailuresReached):
        challenges.start(NUMBER)


def test_the_cool_down_and_the_limits_hold(configure, outbox):
    """R-048, R-122."""
    configure(**only("global", "2/d", RESEND_COOLDOWN=30))
    challenge = challenges.start(NUMBER)
    with pytest.raises(Cooldown):
        challenges.resend(challenge.pk)
    delivery.send_code(OTHER, "482913")
    with pytest.raises(RateLimited):
        challenges.start("+919876543211")

    assert len(outbox) == 2


def test_over_http_it_is_all_the_same(api, outbox):
    """R-122."""
    answer = api.start(key="0123456789abcdef")
    challenge = answer.json()["id"]

    assert api.start(key="0123456789abcdef").json()["id"] == challenge
    assert api.look(challenge).status_code == 200
    assert api.resend(challenge).json()["code"] == "cooldown"
    assert api.verify(challenge, wrong(code_in(outbox[-1]))).status_code == 400
    assert api.cancel(challenge).status_code == 204
    assert api.verify(challenge, code_in(outbox[-1])).json()["code"] == "canceled"


def test_callbacks_queues_and_housekeeping_ask_no_replica(configure, outbox):
    """R-122."""
    configure(DISPATCH="tests.test_isolation.nobody")
    send = challenges.start(NUMBER).newest_send
    delivery.deliver(send.pk)
    sent = mine(SendLog).get(pk=send.pk)
    told = {"id": sent.message_id, "status": "DELIVRD", "recipient": NUMBER}
    for update in (told, told, {**told, "id": "nobody's"}):
        answer = Client().post("/otp/webhook/", update, "application/json", headers=SECRET)
        assert answer.status_code == 204
    assert mine(SendLog).get(pk=send.pk).status == "delivered"

    later(61)
    assert recovery.reconcile().lost == 0
    aged.started(aged.OLD)
    assert retention.purge().challenges == 1
    assert mine(OTPChallenge).count() == 1
