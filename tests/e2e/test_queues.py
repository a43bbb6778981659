"""SMS that leave by a queue: real brokers, real workers, four processes of the site, the simulator."""

from __future__ import annotations

import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import F

from django_kaleyra_otp import recovery
from django_kaleyra_otp.models import SendLog
from tests.e2e.conftest import ONE_PROCESS
from tests.e2e.demo import PATIENCE
from tests.e2e.queues import Relay, address, running, wait_until_none_is
from tests.playing import number

pytestmark = pytest.mark.heavy

NUMBER, OTHER = number(99998), number(99999)


@pytest.fixture(params=["rabbitmq", "redis", "table"])
def queue(request, transactional_db, kaleyra, tmp_path):
    """The queue that the SMS of the site leave by; it has no workers yet."""
    with running(request.param, kaleyra, tmp_path) as queue:
        yield queue


@pytest.fixture
def site(serve, queue):
    return serve(**queue.environment)


def test_what_is_delivered_twice_to_two_workers_is_sent_once(site, queue, kaleyra, at_once):
    """R-079, R-086: and neither the queue nor its results hold a code or a number."""
    numbers = [number(each) for each in range(20)]
    starts = at_once(20, lambda each: site.start(numbers[each]))
    assert {answer.status_code for answer in starts} == {201}
    assert kaleyra.messages == []
    sends = list(SendLog.objects.all())
    held = queue.dump()
    for send in sends:
        queue.put(send.pk)
        queue.put(send.pk)

    for _ in range(2):
        queue.work()

    wait_until_none_is("queued", "sending")
    queue.put(sends[0].pk)
    assert site.start(OTHER).status_code == 201
    code = kaleyra.wait_for_message(OTHER, timeout=PATIENCE).code
    assert Counter(message.number for message in kaleyra.messages) == Counter([*numbers, OTHER])
    challenge = SendLog.objects.get(phone_number=OTHER).challenge_id
    assert site.verify(str(challenge), code).json()["status"] == "verified"
    assert held.count("django_kaleyra_otp") == 20
    held += queue.dump() + "".join(worker.log.read_text() for worker in queue.workers)
    for message in kaleyra.messages:
        assert message.code not in held
        assert message.number[-9:] not in held


def test_a_worker_that_is_killed_before_its_answer_leaves_the_row_and_no_second_sms(site, queue, kaleyra):
    """R-079, R-080, R-127: given again to another worker, it is not sent again."""
    kaleyra.set_fate(NUMBER, "hang")
    worker = queue.work()
    assert site.start(NUMBER).status_code == 201
    send = SendLog.objects.get()
    kaleyra.wait_for_message(NUMBER, timeout=PATIENCE)

    worker.end(signal.SIGKILL)
    queue.put(send.pk)
    queue.work()

    assert site.start(OTHER).status_code == 201
    kaleyra.wait_for_message(OTHER, timeout=PATIENCE)
    send.refresh_from_db()
    assert (send.status, len(kaleyra.messages_to(NUMBER))) == ("sending", 1)
    kaleyra.wait_until_idle()
    SendLog.objects.update(claimed_at=F("claimed_at") - timedelta(seconds=61))
    found = recovery.reconcile(pull=False)
    send.refresh_from_db()
    assert (found.lost, found.healed) == (1, 1)  # its callback had waited for it
    assert (send.status, len(kaleyra.messages_to(NUMBER))) == ("delivered", 1)


@pytest.mark.parametrize("queue", ["rabbitmq", "redis"], indirect=True)
def test_a_broker_that_goes_away_is_503_at_once_and_all_is_well_when_it_is_back(
    queue, serve, kaleyra, at_once
):
    """R-056: a connection from before the outage costs nobody his SMS."""
    relay = Relay(address(queue.url))
    site = serve(**queue.through(relay))
    try:
        assert {answer.status_code for answer in at_once(16, lambda each: site.start(number(each)))} == {201}
        relay.cut()
        began = time.monotonic()
        answers = at_once(8, lambda each: site.start(number(100 + each)))
        took = time.monotonic() - began
        relay.open()
        back = [site.start(number(200 + each)) for each in range(16)]
    finally:
        relay.cut()

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (503, "delivery_unavailable")
    }
    assert took < 5  # by Celery's own settings: more than 6
    assert {answer.status_code for answer in back} == {201}
    queue.work()
    wait_until_none_is("queued", "sending")
    reached = {number(each) for each in [*range(16), *range(200, 216)]}
    assert Counter(message.number for message in kaleyra.messages) == Counter(reached)
    assert SendLog.objects.filter(status="failed", error_code="dispatch").count() == 8


@pytest.mark.parametrize("queue", ["rabbitmq"], indirect=True)
def test_a_broker_that_does_not_confirm_a_task_is_503_in_seconds(queue, serve, kaleyra):
    """R-056: what was written into a connection that leads nowhere is not taken for queued."""
    relay = Relay(address(queue.url))
    site = serve(*ONE_PROCESS, **queue.through(relay))
    try:
        assert site.start(number(1)).status_code == 201
        relay.carries.clear()
        began = time.monotonic()
        answer = site.start(number(2))
        took = time.monotonic() - began
        relay.carries.set()
        assert site.start(number(3)).status_code == 201
    finally:
        relay.cut()

    assert (answer.status_code, answer.json()["code"]) == (503, "delivery_unavailable")
    assert took < 30
    queue.work()
    wait_until_none_is("queued", "sending")
    assert {message.number for message in kaleyra.messages} == {number(1), number(3)}
