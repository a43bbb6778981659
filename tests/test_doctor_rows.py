"""``kaleyra_otp_doctor``: what the tables show."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import responses
from django.db import OperationalError, connection
from django.utils import timezone

from django_kaleyra_otp import challenges, tracking
from django_kaleyra_otp.kaleyra.callbacks import Callback
from django_kaleyra_otp.models import BlockedPrefix, SendLog
from tests.playing import NO_LIMITS, SCRIPTED, Scripted, later, number
from tests.test_doctor import ACCOUNT, profile, run

PUBLIC = "8.8.8.{}"


@pytest.fixture(autouse=True)
def production(db, configure):
    """An account of Kaleyra's that nobody asks here, and SMS that it took."""
    configure(**NO_LIMITS, **SCRIPTED, NUM_PROXIES=1)
    Scripted.script.clear()


def found(name, configure, *args, **settings):
    """Return the finding of a name, as the JSON for machines has it."""
    configure(BACKEND="django_kaleyra_otp.backends.kaleyra.KaleyraBackend", **settings)
    code, text = run("kaleyra_otp_doctor", "--json", *(args or ("--offline",)))
    findings = json.loads(text)
    assert code == any(finding["health"] == "error" for finding in findings)
    return next((finding for finding in findings if finding["name"] == name), None)


def sent(count, *, told=0, minutes=30):
    """Send SMS some minutes ago, of which the first few have had a callback at once."""
    for n in range(count):
        send = challenges.start(number(n)).newest_send
        if n < told:
            tracking.record_status(Callback(message_id=send.message_id, status="DELIVRD", number=""))
    later(minutes * 60)


def test_sends_that_nobody_hears_of_are_an_error(configure):
    """R-103, W16: the callbacks do not come."""
    sent(4)

    finding = found("callbacks", configure)

    assert finding["health"] == "error"
    assert finding["figures"] == {"sends": 4, "heard": 0, "sends_since_last": 4, "age": None}
    assert "none ever came" in finding["detail"]
    assert "webhook" in finding["mend"]


def test_callbacks_that_stopped_are_an_error_though_most_came(configure):
    sent(20, told=20, minutes=60)
    sent(5)

    finding = found("callbacks", configure)

    assert (finding["health"], finding["figures"]["sends_since_last"]) == ("error", 5)
    assert "1 hour" in finding["detail"]


@pytest.mark.parametrize(("told", "health"), [(9, "ok"), (4, "warning")])
def test_few_callbacks_are_worth_a_look(configure, told, health):
    sent(told, told=told)
    sent(10 - told, minutes=0)
    SendLog.objects.update(created_at=timezone.now() - dt.timedelta(minutes=31))

    assert found("callbacks", configure)["health"] == health


def test_callbacks_that_come_again_are_no_reason_to_look(configure):
    """The share of the day is low for hours after a silence is mended."""
    sent(20, minutes=60)
    sent(5, told=5)

    finding = found("callbacks", configure)

    assert (finding["health"], finding["mend"]) == ("ok", "")
    assert finding["figures"]["heard"] == 5
    assert "the newest too" in finding["detail"]


def test_a_send_of_this_minute_is_not_missed(configure):
    sent(5, minutes=5)

    assert found("callbacks", configure)["health"] == "ok"


def test_of_another_provider_no_callback_is_expected(configure):
    sent(4)

    _, text = run("kaleyra_otp_doctor", "--json", "--offline")

    assert "callbacks" not in {finding["name"] for finding in json.loads(text)}


@pytest.mark.parametrize(
    ("status", "rank", "health", "figure"),
    [("queued", 0, "error", "queued"), ("sending", 1, "warning", "sending")],
)
def test_a_row_that_reconcile_left_is_told(configure, status, rank, health, figure):
    """R-080."""
    sent(1, told=1, minutes=4)
    SendLog.objects.update(status=status, rank=rank)

    finding = found("stuck", configure)

    assert (finding["health"], finding["figures"][figure]) == (health, 1)
    assert "kaleyra_otp_reconcile" in finding["mend"]


def test_statuses_that_nobody_asks_for_show_that_reconcile_does_not_run(configure):
    """R-103."""
    sent(2, minutes=11)

    assert found("stuck", configure)["figures"]["unasked"] == 2


@pytest.mark.parametrize("minutes", [0, 2])
def test_what_reconcile_will_find_within_a_minute_is_not_stuck(configure, minutes):
    sent(1, told=1, minutes=minutes)
    SendLog.objects.update(status="queued", rank=0)

    assert found("stuck", configure)["health"] == "ok"


@pytest.mark.parametrize(("seconds", "health"), [(0, "ok"), (20, "warning"), (90, "error")])
def test_a_queue_is_told_by_its_oldest_sms(configure, seconds, health):
    sent(2, minutes=0)
    SendLog.objects.update(status="queued", rank=0)
    later(seconds)

    finding = found("queue", configure, DISPATCH="tests.test_recovery.put_aside_only")

    assert (finding["health"], finding["figures"]["queued"]) == (health, 2)
    assert seconds <= finding["figures"]["age"] < seconds + 10


def test_a_queue_that_takes_nothing_is_an_error_though_nothing_waits_in_it(configure):
    challenges.start(number(1))
    SendLog.objects.update(status="failed", error_code="dispatch")

    finding = found("queue", configure, DISPATCH="tests.test_recovery.put_aside_only")

    assert (finding["health"], finding["figures"]) == ("error", {"queued": 0, "age": 0, "refused": 1})


def test_callbacks_that_name_no_sms_of_ours_are_not_told_as_ones_that_come(configure):
    sent(4)
    tracking.record_status(Callback(message_id="somebody-else-s", status="DELIVRD", number=""))

    finding = found("callbacks", configure)

    assert finding["health"] == "error"
    assert "Of the last 4 SMS, none has had a callback, though the last one came" in finding["detail"]


def test_where_sms_leave_in_the_request_there_is_no_queue(configure):
    assert found("queue", configure) is None


def seen_from(addresses):
    """Have one challenge of another number for each address."""
    for n, address in enumerate(addresses):
        challenges.start(number(n), ip=address)


def test_a_proxy_s_address_in_place_of_the_callers_is_an_error(configure):
    """R-050: every caller shares one bucket."""
    seen_from(["10.1.2.3"] * 25)

    finding = found("addresses", configure)

    assert finding["health"] == "error"
    assert "NUM_PROXIES is 1" in finding["detail"]
    assert "10.1.2.3" in finding["detail"]
    assert finding["figures"] == {
        "challenges": 25,
        "numbers": 25,
        "addresses": 1,
        "private": 25,
        "most": 25,
    }


@pytest.mark.parametrize(
    ("addresses", "health"),
    [
        ([PUBLIC.format(n) for n in range(25)], "ok"),
        (["8.8.8.8"] * 15 + [PUBLIC.format(n) for n in range(10)], "warning"),
        ([f"10.0.0.{n}" for n in range(25)], "error"),
    ],
    ids=["many callers", "one public address", "several proxies"],
)
def test_addresses_are_judged_by_how_they_spread(configure, addresses, health):
    seen_from(addresses)

    assert found("addresses", configure)["health"] == health


@pytest.mark.parametrize("addresses", [["127.0.0.1"] * 5, [None] * 25], ids=["few", "none"])
def test_too_few_callers_say_nothing(configure, addresses):
    seen_from(addresses)

    assert found("addresses", configure) is None


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has this machine's clock")
def test_the_database_s_clock_is_held_against_ours(configure):
    """R-123."""
    finding = found("database_clock", configure)

    assert (finding["health"], abs(finding["figures"]["ahead"]) < 5) == ("ok", True)


@pytest.mark.parametrize(
    ("ahead", "health"), [(0, "ok"), (-5, "ok"), (30, "warning"), (-30, "warning"), (120, "error")]
)
def test_kaleyra_s_clock_tells_where_ours_is_off(configure, ahead, health):
    """R-123: by the Date of its answer."""
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead)
    date = {"Date": now.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as kaleyra:
        kaleyra.get(f"{ACCOUNT}/messages/identifier", json={"data": [], "error": {}}, headers=date)
        profile(kaleyra, 1)
        finding = found("kaleyra_clock", configure, "--json")

    assert (finding["health"], finding["about"]) == (health, "default")
    assert abs(finding["figures"]["ahead"] - ahead) <= 2


@pytest.mark.parametrize("off", ["switch", "prefix"])
def test_a_kill_switch_that_is_thrown_is_an_error(configure, off):
    """R-068."""
    if off == "prefix":
        BlockedPrefix.objects.create(prefix="+", reason="attack")

    assert found("sending", configure, SENDING=off != "switch")["health"] == "error"


def raises():
    """A switch that is broken."""
    raise RuntimeError


def test_a_callable_that_stops_all_sms_is_told_as_such(configure):
    finding = found("sending", configure, SENDING="tests.test_doctor_rows.raises")

    assert finding["health"] == "error"
    assert "The callable at SENDING" in finding["detail"]
    assert "hook_failed" in finding["mend"]


def test_tables_that_cannot_be_read_are_an_error_and_no_traceback(configure):
    def away(execute, sql, params, many, context):
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(away):
        finding = found("database", configure)

    assert (finding["health"], "migrate" in finding["mend"]) == ("error", True)


def test_old_numbering_data_is_told(monkeypatch):
    """R-006: by the system check."""
    monkeypatch.setattr("phonenumbers.__version__", "8.13.50")

    assert "W010" in run("kaleyra_otp_doctor", "--offline")[1]


def test_no_number_and_no_secret_is_told(configure, settings):
    """R-104, R-107."""
    sent(4)
    seen_from(["10.1.2.3"] * 25)
    configure(BACKEND="django_kaleyra_otp.backends.kaleyra.KaleyraBackend")

    told = run("kaleyra_otp_doctor", "--offline")[1] + run("kaleyra_otp_doctor", "--offline", "--json")[1]

    assert number(1)[4:] not in told
    for name in ("API_KEY", "WEBHOOK_SECRET"):
        assert settings.KALEYRA_OTP[name] not in told


def test_the_table_for_people_stands_in_columns_and_is_summed_up(configure):
    sent(4)
    configure(BACKEND="django_kaleyra_otp.backends.kaleyra.KaleyraBackend")

    _, text = run("kaleyra_otp_doctor", "--offline")

    lines = [line for line in text.splitlines() if line.startswith(("ok ", "WARNING ", "ERROR "))]
    column = next(line for line in lines if "SMS may leave" in line).index("SMS may leave")
    assert all(line[column - 2 : column] == "  " for line in lines)
    assert text.splitlines()[-1].endswith("warnings.")
