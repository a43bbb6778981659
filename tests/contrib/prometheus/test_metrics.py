"""What is counted, from the API to the handset over the simulator."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY, generate_latest

from django_kaleyra_otp import breaker, challenges, delivery, recovery, retention, routing
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.contrib.prometheus import metrics
from django_kaleyra_otp.events import EVENTS
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.models import Alarm, SendLog
from tests import playing
from tests.conftest import NUMBER, OTHER, wrong
from tests.playing import NO_LIMITS, SCRIPTED, Scripted

pytestmark = pytest.mark.django_db(transaction=True)

ROUTE = {"route": "default", "country": "IN"}


def samples(*types):
    """Return every sample of our metrics, or of those of these types."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if metric.name.startswith("kaleyra_otp_") and (not types or metric.type in types)
    }


@pytest.fixture
def counted():
    """``counted(name, **labels)``: by how much a metric grew since the test began."""
    before = samples()

    def grown(name, **labels):
        key = (f"kaleyra_otp_{name}", *sorted(labels.items()))
        return samples().get(key, 0) - before.get(key, 0)

    return grown


def new_process(*lines):
    """Return the page of a process in which nothing happened yet, after these lines of its settings."""
    serve = ("import django", "django.setup()", "from prometheus_client import generate_latest")
    told = "; ".join((*lines, *serve, "print(generate_latest().decode())"))
    return subprocess.run(
        [sys.executable, "-c", told], check=True, capture_output=True, text=True, timeout=60
    ).stdout


SETTINGS = (
    "import os",
    "os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.contrib.prometheus.settings'",
    "from django.conf import settings",
)


def test_what_alerts_count_stands_at_0_before_the_first_event():
    """Prometheus sees no increase by the event that a series begins with."""
    page = new_process(*SETTINGS)

    for name, event in EVENTS.items():
        if "reason" not in event.fields:
            assert f'kaleyra_otp_events_total{{event="{name}",reason=""}} 0.0' in page
    for reason in set(re.findall("``([a-z_]+)``", EVENTS["callback_refused"].meaning)):
        assert f'kaleyra_otp_events_total{{event="callback_refused",reason="{reason}"}} 0.0' in page
    assert 'kaleyra_otp_events_total{event="sending_off",reason="sending_off"} 0.0' in page
    for purpose in conf.purpose_names():
        assert f'kaleyra_otp_challenges_started_total{{purpose="{purpose}"}} 0.0' in page
        closed = f'purpose="{purpose}",status="max_attempts_reached"'
        assert f"kaleyra_otp_challenges_failed_total{{{closed}}} 0.0" in page


def test_purposes_that_cannot_be_read_keep_no_process_from_starting():
    """The checks tell of them."""
    page = new_process(*SETTINGS, "settings.KALEYRA_OTP = {'PURPOSES': 3}")

    assert 'kaleyra_otp_events_total{event="sms_failed",reason=""} 0.0' in page


def test_a_code_from_its_start_to_the_handset_and_back(api, kaleyra, counted):
    challenge = api.start(NUMBER).json()
    code = kaleyra.wait_for_message(NUMBER).code
    kaleyra.wait_until_idle()
    api.verify(challenge["id"], wrong(code))
    api.verify(challenge["id"], code)

    assert counted("challenges_started_total", purpose="verify") == 1
    assert counted("challenges_failed_total", purpose="verify", status="pending") == 1
    assert counted("challenges_verified_total", purpose="verify") == 1
    for status in ("submitted", "sent", "delivered"):
        assert counted("sms_total", status=status, **ROUTE) == 1
    for status in ("sent", "delivered"):
        assert counted("callbacks_total", status=status) == 1
    assert counted("delivery_seconds_count", **ROUTE) == 1
    send = SendLog.objects.get()
    assert counted("delivery_seconds_sum", **ROUTE) == pytest.approx(
        (send.delivered_at - send.created_at).total_seconds()
    )


def test_the_wrong_code_that_closes_a_challenge_is_told_from_the_others(api, kaleyra, counted):
    challenge = api.start(NUMBER).json()
    code = kaleyra.wait_for_message(NUMBER).code
    for _ in range(7):
        api.verify(challenge["id"], wrong(code))

    assert counted("challenges_failed_total", purpose="verify", status="pending") == 4
    assert counted("challenges_failed_total", purpose="verify", status="max_attempts_reached") == 1


def test_what_comes_twice_is_counted_once(api, kaleyra, counted):
    kaleyra.set_fate(NUMBER, "duplicate")
    api.start(NUMBER)
    kaleyra.wait_until_idle()

    assert counted("callbacks_total", status="delivered") == 1


def test_callbacks_that_come_before_the_answer_are_counted_as_they_are(api, kaleyra, counted):
    kaleyra.set_fate(NUMBER, "before-answer")
    api.start(NUMBER)
    kaleyra.wait_until_idle()

    for status in ("submitted", "sent", "delivered"):
        assert counted("sms_total", status=status, **ROUTE) == 1
    assert counted("delivery_seconds_count", **ROUTE) == 1


def test_an_sms_that_does_not_arrive_has_no_seconds(api, kaleyra, counted):
    kaleyra.set_fate(NUMBER, "undelivered")
    api.start(NUMBER)
    kaleyra.wait_until_idle()

    assert counted("sms_total", status="undelivered", **ROUTE) == 1
    assert counted("delivery_seconds_count", **ROUTE) == 0


def test_a_code_of_another_library_counts_as_an_sms_and_no_challenge(kaleyra, counted):
    delivery.send_code(NUMBER, "482913")
    kaleyra.wait_until_idle()

    assert counted("sms_total", status="delivered", **ROUTE) == 1
    assert counted("challenges_started_total", purpose="verify") == 0


def test_connecting_again_counts_nothing_twice(kaleyra, counted):
    metrics.connect()
    challenges.start(NUMBER)

    assert counted("challenges_started_total", purpose="verify") == 1


def test_no_label_and_no_line_tells_a_number_or_a_code(api, kaleyra):
    """R-004, S16."""
    codes = []
    for number in (NUMBER, OTHER):
        challenge = api.start(number).json()
        codes.append(kaleyra.wait_for_message(number).code)
        api.verify(challenge["id"], codes[-1])
    kaleyra.wait_until_idle()

    page = generate_latest().decode()
    labels = {
        name
        for metric in REGISTRY.collect()
        if metric.name.startswith("kaleyra_otp_")
        for sample in metric.samples
        for name in sample.labels
    }
    bounded = ("purpose", "status", "route", "country", "le", "event", "reason", "outcome", "error", "kind")
    assert {"purpose", "route", "event"} < labels <= set(bounded)
    assert not any(number[3:] in page for number in (NUMBER, OTHER))
    assert not any(code in page for code in codes)


def test_a_callback_that_moves_an_sms_costs_one_statement_more(client, kaleyra, outbox):
    """The row is read again for who listens."""
    kaleyra.set_fate(NUMBER, "lost")
    send = delivery.send_code(NUMBER, "482913")

    with CaptureQueriesContext(connection) as captured:
        client.post(
            "/otp/webhook/",
            {"id": send.message_id, "status": "DELIVRD"},
            "application/json",
            headers={"X-Kaleyra-Otp-Secret": "simulator-callback-secret-0000000000"},
        )

    statements = [query["sql"] for query in captured if not query["sql"].startswith(("BEGIN", "COMMIT"))]
    assert len(statements) == 4, statements


def test_what_is_refused_is_counted_by_its_reason(api, kaleyra, client, counted):
    """R-066, R-108: whatever the levels of the log are."""
    for number in (NUMBER, NUMBER, "+33612345678"):
        api.start(number)
    client.post("/otp/webhook/", {"id": "a"}, "application/json")

    assert counted("events_total", event="challenge_started", reason="") == 1
    assert counted("events_total", event="limit_reached", reason="cooldown") == 1
    assert counted("events_total", event="challenge_refused", reason="country_not_allowed") == 1
    assert counted("events_total", event="callback_refused", reason="no_secret") == 1


@pytest.mark.parametrize(
    ("error", "label"),
    [
        (DeliveryFailed(error_code=" e110 "), "E110"),
        (DeliveryFailed(error_code="W0RD-OF-A-STRANGER", error_class="vendor"), "vendor"),
        (DeliveryFailed(error_code="W0RD-OF-A-STRANGER", error_class="STRANGER"), "other"),
        (DeliveryUnavailable(error_class="network", retry_after=0), "network"),
    ],
)
def test_an_sms_that_is_not_accepted_is_counted_by_words_of_a_bounded_list(configure, counted, error, label):
    configure(**SCRIPTED, RETRIES=0)
    Scripted.script[:] = [error]
    with pytest.raises(DeliveryFailed):
        challenges.start(NUMBER)

    assert counted("sms_not_accepted_total", outcome="failure", error=label, **ROUTE) == 1


def test_a_lost_answer_is_counted_apart(configure, counted):
    configure(**SCRIPTED)
    Scripted.script[:] = [DeliveryUnknown(error_class="network")]
    challenges.start(NUMBER)

    assert counted("sms_not_accepted_total", outcome="unknown", error="network", **ROUTE) == 1


def test_an_account_that_rests_is_a_gauge(configure, counted):
    """R-081."""
    configure(**NO_LIMITS, **SCRIPTED, RETRIES=0)
    Scripted.script[:] = [DeliveryUnavailable(error_class="network")] * 10
    for n in range(10):
        with pytest.raises(DeliveryUnavailable):
            challenges.start(playing.number(n))
    assert counted("account_resting", route="default") == 1

    route = routing.routes_for(NUMBER)[0]
    breaker._of(route).closed_until = 0
    challenges.start(NUMBER)
    assert counted("account_resting", route="default") == 0


def test_alarms_are_read_where_they_are_scraped_and_not_where_they_are_raised(configure, counted):
    """R-066: a command raises them, in a process of its own."""
    configure(**playing.only("global", "2/d"))
    challenges.start(NUMBER)
    recovery.reconcile(pull=False)
    assert counted("alarms_standing", kind="spending") == 1
    assert counted("alarms_last_day", kind="spending") == 1

    configure(LIMITS=[])
    Alarm.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    recovery.reconcile(pull=False)
    assert counted("alarms_standing", kind="spending") == 0
    assert counted("alarms_last_day", kind="spending") == 1

    Alarm.objects.update(raised_at=timezone.now() - timedelta(days=2))
    assert counted("alarms_last_day", kind="spending") == 0


def test_no_counter_falls_when_old_rows_are_deleted(configure):
    """A counter that falls is taken for one that began anew."""
    configure(**playing.only("global", "2/d"))
    challenges.start(NUMBER)
    recovery.reconcile(pull=False)
    long_ago = timezone.now() - timedelta(days=200)
    Alarm.objects.update(raised_at=long_ago, cleared_at=long_ago, open_key=None)
    before = samples("counter")

    assert retention.purge(rest=0).alarms == 1
    assert samples("counter") == before


def test_how_long_the_oldest_sms_waits_is_a_gauge(configure, counted):
    configure(DISPATCH="django_kaleyra_otp.testing.hold")
    challenges.start(NUMBER)
    SendLog.objects.update(created_at=timezone.now() - timedelta(seconds=90))

    assert counted("oldest_unsent_seconds", status="queued") == pytest.approx(90, abs=30)
    assert counted("oldest_unsent_seconds", status="sending") == 0


def test_a_scrape_costs_two_statements_and_outlives_the_database(django_assert_num_queries):
    with django_assert_num_queries(2):
        generate_latest()

    def away(execute, *told):
        raise OperationalError("gone away")

    with connection.execute_wrapper(away):
        page = generate_latest().decode()

    assert "kaleyra_otp_challenges_started_total" in page
    assert "kaleyra_otp_alarms_standing{" not in page
