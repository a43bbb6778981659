"""What one database would decide otherwise than another."""

import pytest
from django.core import checks
from django.db import InternalError, OperationalError, connection
from django.utils import timezone

from django_kaleyra_otp import limits, tracking
from django_kaleyra_otp.exceptions import DatabaseBusy
from django_kaleyra_otp.kaleyra.callbacks import Callback
from django_kaleyra_otp.models import RateLimit, SendLog, StatusUpdate, database
from django_kaleyra_otp.models.delivery import join_waiting
from django_kaleyra_otp.shapes import accounts


@pytest.mark.parametrize("told", ["ABCdef", "äbcDEF"])
def test_a_callback_moves_the_send_of_its_very_id(challenge, told):
    SendLog.objects.update(message_id="abcDEF", status="submitted", rank=3)

    tracking.record_status(Callback(message_id=told, status="DELIVRD"))

    assert SendLog.objects.get().status == "submitted"
    assert StatusUpdate.objects.get().send_log is None
    assert list(join_waiting(SendLog.objects.get())) == []


def test_no_id_is_found_by_a_lone_accent(challenge):
    SendLog.objects.update(message_id="", status="submitted", rank=3)

    tracking.record_status(Callback(message_id="\u0301", status="DELIVRD"))

    assert SendLog.objects.get().status == "submitted"


@pytest.mark.parametrize("names", [["test"], ["Test"], ["DEFAULT"], ["india", "India"]])
def test_names_of_routes_differ_by_more_than_case(names):
    assert accounts.routes([{"PREFIXES": ["+91"], "NAME": name} for name in names])


def test_a_server_that_is_read_alone_is_away(transactional_db):
    """PostgreSQL, where a failover left the connection with a standby."""

    @database.retried
    def step():
        raise InternalError("cannot execute UPDATE in a read-only transaction")

    with pytest.raises(DatabaseBusy):
        step()


def test_what_mariadb_refuses_a_snapshot_is_tried_again(transactional_db):
    tries = []

    @database.retried
    def step():
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError(1020, "Record has changed since last read")
        return "done"

    assert step() == "done"


def test_money_comes_back_whole(db):
    """More microseconds than 32 bits hold: what PostgreSQL's server_side_binding has Django send."""
    at = limits.microseconds(timezone.now())
    RateLimit.objects.create(key="k", tat=at)

    limits.give_back([limits.Bucket("global", "k", 3_600_000_000, 86_400_000_000)])

    assert RateLimit.objects.get().tat == at - 3_600_000_000


def test_autocommit_off_is_an_error(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)

    assert "kaleyra_otp.E020" in [message.id for message in checks.run_checks(tags=["kaleyra_otp"])]


def character_set_is_told():
    return "kaleyra_otp.W018" in [
        message.id for message in checks.run_checks(tags=["database"], databases=["default"])
    ]


def test_the_character_set_of_our_own_tests_is_fine(db):
    assert not character_set_is_told()


@pytest.mark.skipif(connection.vendor != "mysql", reason="the others have one character set for all")
def test_a_character_set_that_lacks_what_texts_hold_is_told(transactional_db):
    modify = "ALTER TABLE kaleyra_otp_sendlog MODIFY body longtext CHARACTER SET {} NOT NULL"
    try:
        with connection.cursor() as cursor:
            cursor.execute(modify.format("latin1"))
        assert character_set_is_told()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(modify.format("utf8mb4"))
