"""What the log tells: one record for each outcome, by its name, with its fields, and no number nor code."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
import responses
from django.db import transaction

from django_kaleyra_otp import challenges, delivery, events, signals
from django_kaleyra_otp.exceptions import (
    DeliveryFailed,
    DeliveryUnknown,
    InvalidToken,
)
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests.conftest import NUMBER, OTHER, code_in
from tests.event_scenes import SCENES
from tests.playing import KALEYRA, NO_LIMITS, SMS_URL, Scripted
from tests.stage import Stage
from tests.visitor import Visitor

MASKED = "+91••••••3210"


@pytest.fixture
def told(caplog):
    """Every record of an event, oldest first."""
    caplog.set_level(logging.DEBUG)

    class Told(list):
        def clear(self):
            caplog.clear()

        def __iter__(self):
            return (record for record in caplog.records if record.name == "django_kaleyra_otp.events")

        @property
        def names(self):
            return [record.event for record in self]

    return Told()


def fields_of(record):
    """Return what a record has beside what every record has."""
    common = vars(logging.makeLogRecord({}))
    return {name: value for name, value in vars(record).items() if name not in common and name != "message"}


@pytest.fixture
def stage(api, configure, told, outbox, django_user_model):
    return Stage(api, configure, told, outbox, django_user_model)


@pytest.mark.parametrize(("expected", "play"), SCENES.values())
def test_each_outcome_is_one_record_with_its_fields_and_no_number(stage, told, expected, play):
    """R-107, R-108, R-106, R-004."""
    play(stage)

    assert sorted(told.names) == sorted(expected)
    for record in told:
        event = events.EVENTS[record.event]
        numbered = ("number_hash",) if "number" in event.fields else ()
        fields = fields_of(record)
        assert set(fields) == {"event", "outcome", *event.fields, *numbered}
        assert (record.levelno, record.outcome) == (event.level, event.outcome)
        shown = f"{record.getMessage()} {fields!r} {json.dumps(fields)}"
        assert not re.search(r"\b(\+?91)?98(765|123)\d{5}\b", shown)
        for sms in stage.outbox:
            assert code_in(sms) not in shown
        assert record.getMessage().startswith(f"{record.event} ")


def test_every_event_is_in_some_scene():
    """R-108."""
    played = {name for scene in SCENES.values() for name in scene.values[0]}

    assert set(events.EVENTS) - played == {"number_changed"}  # which stands with its pages


EVIL = "a\r\nERROR forged_event x=1\x1b[2J\u2028\x85\u202eb"


@pytest.fixture
def lines():
    """``lines()``: what a log file of one line a record holds, and how many records there were."""
    logger, stream, records = logging.getLogger("django_kaleyra_otp"), io.StringIO(), []
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.addFilter(lambda record: records.append(record) or True)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield lambda: (stream.getvalue().splitlines(), len(records))
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_no_input_makes_a_line_of_the_log(stage, lines):
    """R-107: each of ours, and each that Kaleyra or whoever calls the webhook writes."""
    stage.configure(**NO_LIMITS)
    api = stage.api
    api.start(EVIL)
    api.start(NUMBER, purpose=EVIL, language=EVIL)
    api.client.post("/otp/challenges/", {"phone_number": NUMBER}, "json", HTTP_IDEMPOTENCY_KEY=EVIL)
    api.client.post("/otp/challenges/", {"phone_number": NUMBER}, "json", HTTP_X_FORWARDED_FOR=EVIL)
    for call in (api.verify, lambda pk, _: api.resend(pk)):
        call("evil%0d%0aERROR", EVIL)
        call(OTPChallenge.objects.latest("created_at").pk, EVIL)
    stage.refused(lambda: challenges.start(NUMBER, purpose=EVIL))
    stage.refused(lambda: challenges.start(EVIL, purpose=EVIL))
    challenges.verify(EVIL, EVIL)
    with pytest.raises(InvalidToken):
        challenges.redeem(EVIL, purpose=EVIL)
    Visitor().give_number(EVIL).give_code(EVIL)
    names = ("id", "status", "status_trace", "recipient", "description", "operator", "circle", "timestamp")
    for name in names:
        known = {"id": SendLog.objects.latest("pk").message_id, "status": "SENT"}
        assert stage.call_back({**known, name: EVIL}).status_code == 204
    stage.call_back(EVIL.encode())
    stage.call_back({"id": "a"}, {"X-Kaleyra-Otp-Secret": "a\x1b[2J"})
    for step in (
        DeliveryFailed(error_code=EVIL, error_class=EVIL, error_message=EVIL, http_status=401),
        DeliveryUnknown(error_code=EVIL, error_class=EVIL, error_message=EVIL, message_id=EVIL),
        EVIL,
        RuntimeError(EVIL),
    ):
        stage.script(step)
        api.start(NUMBER)
    Scripted.script.clear()
    stage.configure(**KALEYRA, RETRIES=0)
    with responses.RequestsMock() as kaleyra:
        kaleyra.post(SMS_URL, status=400, json={"code": EVIL, "message": EVIL, "error": {EVIL: EVIL}})
        api.start(NUMBER)

    written, records = lines()
    assert len(written) == records > 25
    assert all(line.split()[0] in ("DEBUG", "INFO", "WARNING", "ERROR") for line in written)
    assert all(line.isprintable() for line in written)
    assert not any(line.startswith("ERROR forged_event") for line in written)


def test_a_value_with_spaces_is_one_value_of_the_line(told):
    """R-107: nobody adds a field to a record."""
    events.ACCOUNT_REFUSED.log(route='a "b" error_code=E1', error_code="E2")

    [record] = told
    assert record.getMessage() == r'account_refused route="a \"b\" error_code=E1" error_code=E2'


def test_a_long_value_is_cut(told):
    events.STATUS_UNKNOWN.log(status="x" * 10_000)

    [record] = told
    assert len(record.status) == events.LONGEST


def test_one_number_has_one_hash_that_is_keyed(db, told, settings):
    """R-108: so that what happened to a number can be followed."""
    challenges.start(NUMBER)
    delivery.send_code(OTHER, "482913")
    settings.SECRET_KEY = "another-key-" * 4
    delivery.send_code("+971501234567", "482913")

    started, first, second, third = told
    assert (started.number, started.number_hash) == (MASKED, first.number_hash)
    assert len({first.number_hash, second.number_hash, third.number_hash}) == 3
    assert third.number_hash == events.hash_of("+971501234567")
    assert re.fullmatch("[0-9a-f]{16}", started.number_hash)


class Untouchable:
    """A number that nobody may read."""

    def __getattr__(self, name):
        raise AssertionError("it was read")


def test_what_is_not_logged_is_not_worked_out(caplog):
    """A level that is off costs next to nothing."""
    with caplog.at_level(logging.WARNING, "django_kaleyra_otp"):
        events.CHALLENGE_VERIFIED.log(challenge="", purpose="", number=Untouchable(), attempts=1)

    assert caplog.records == []


def test_the_log_costs_no_statement(api, challenge, code, told, heard, django_assert_num_queries):
    with django_assert_num_queries(2):
        api.verify(challenge.pk, code)

    assert [name for name, _, _ in heard] == told.names[-1:] == ["challenge_verified"]


@pytest.fixture
def heard():
    """Every event that went out as a signal: its name, its outcome and its fields."""
    heard = []

    def listen(event, outcome, fields, **kwargs):
        heard.append((event, outcome, fields))

    signals.event.connect(listen)
    yield heard
    signals.event.disconnect(listen)


def test_who_listens_hears_every_event_whatever_is_logged(db, heard, caplog):
    """R-108: with the fields of the log, and no more."""
    with caplog.at_level(logging.CRITICAL, "django_kaleyra_otp"):
        challenge = challenges.start(NUMBER)

    assert caplog.records == []
    [(name, outcome, fields), _] = heard
    assert (name, outcome) == ("challenge_started", "success")
    assert fields == {
        "challenge": str(challenge.pk),
        "purpose": "verify",
        "number": MASKED,
        "number_hash": events.hash_of(NUMBER),
        "user": None,
        "known": False,
    }


def test_a_listener_that_raises_stops_nobody(db, outbox):
    """R-101."""

    def raising(**kwargs):
        raise RuntimeError("a receiver fails")

    signals.event.connect(raising)
    try:
        challenge = challenges.start(NUMBER)
        assert challenges.verify(challenge.pk, code_in(outbox[0])).ok
    finally:
        signals.event.disconnect(raising)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_of_a_transaction_that_is_rolled_back_nothing_is_told(transactional_db, outbox, told):
    first = challenges.start(NUMBER)
    told.clear()
    with transaction.atomic():
        challenges.verify(first.pk, code_in(outbox[0]))
        challenges.cancel(challenges.start(OTHER).pk)
        transaction.set_rollback(True)

    assert told.names == []


def test_of_many_right_codes_at_once_one_is_told_as_a_success(transactional_db, outbox, together, told):
    """R-012, R-108."""
    challenge = challenges.start(NUMBER)
    code = code_in(outbox[0])
    told.clear()
    together(8, lambda _: challenges.verify(challenge.pk, code).ok)

    assert sorted(told.names) == ["challenge_verified", *["verify_refused"] * 7]
