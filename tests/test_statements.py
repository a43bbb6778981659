"""How many statements each call costs, BEGIN, COMMIT and savepoints not counted."""

from __future__ import annotations

import contextlib

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_kaleyra_otp import challenges
from django_kaleyra_otp.models import SendLog
from tests.conftest import NUMBER
from tests.playing import SECRET, later

FRAME = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@contextlib.contextmanager
def counted():
    """The statements of a block: all of them, and those that stood in a transaction of the code's own."""
    found = {"all": [], "inside": [], "groups": []}
    with CaptureQueriesContext(connection) as context:
        yield found
    depth = 0
    for query in context.captured_queries:
        sql = query["sql"]
        if sql.startswith(("BEGIN", "SAVEPOINT")):
            depth += 1
            found["groups"].append([])
        elif sql.startswith(("COMMIT", "ROLLBACK", "RELEASE")):
            depth -= 1
        elif sql.startswith(FRAME):
            continue
        else:
            found["all"].append(sql)
            if depth:
                found["inside"].append(sql)
                found["groups"][-1].append(sql)


def verbs(statements):
    return [sql.split()[0] for sql in statements]


def test_a_wrong_code_costs_two_statements(api, challenge, wrong_code):
    with counted() as cost:
        assert api.verify(challenge.pk, wrong_code).status_code == 400

    assert verbs(cost["all"]) == ["SELECT", "UPDATE"]


def test_a_right_code_costs_two_statements(api, challenge, code):
    with counted() as cost:
        assert api.verify(challenge.pk, code).status_code == 200

    assert verbs(cost["all"]) == ["SELECT", "UPDATE"]


def test_a_code_that_comes_too_late_costs_one_look_or_two(api, challenge, code):
    later(301)
    with counted() as cost:
        assert api.verify(challenge.pk, code).status_code == 410

    assert verbs(cost["all"]) in (["SELECT"], ["SELECT", "SELECT"])


@pytest.mark.parametrize(("key", "reads"), [(None, 1), ("0123456789abcdef", 2)])
def test_a_start_costs_two_reads_three_writes_and_two_after_the_send(api, configure, key, reads):
    configure(BACKEND="django_kaleyra_otp.backends.dummy.DummyBackend")
    with counted() as cost:
        assert api.start(key=key).status_code == 201

    before, inside = cost["all"][:reads], cost["inside"]
    after = cost["all"][reads + len(inside) :]
    assert verbs(before) == ["SELECT"] * reads
    on_mysql = connection.vendor == "mysql" and not connection.mysql_is_mariadb
    assert len(inside) == (4 if on_mysql else 3)
    assert verbs(inside)[:1] + verbs(inside)[-2:] == ["INSERT"] * 3
    assert verbs(after) == ["UPDATE", "SELECT"]


def test_the_transaction_of_a_start_opens_with_its_charge(api):
    """A read at its beginning locks SQLite up; unsorted rows deadlock."""
    with counted() as cost:
        api.start()

    (group,) = [each for each in cost["groups"] if each]
    assert group[0].startswith("INSERT INTO")
    assert "rate_limit" in group[0] or "ratelimit" in group[0]


def test_a_look_costs_one_statement(api, challenge):
    with counted() as cost:
        assert api.look(challenge.pk).status_code == 200

    assert verbs(cost["all"]) == ["SELECT"]


@pytest.mark.parametrize("status", ["SENT", "DELIVRD", "whatever"])
def test_a_callback_costs_at_most_three_statements(client, challenge, status):
    told = {"id": SendLog.objects.get().message_id, "status": status, "recipient": NUMBER}
    for _ in range(2):  # a repeat costs no more
        with counted() as cost:
            assert Client().post("/otp/webhook/", told, "application/json", headers=SECRET).status_code == 204

        assert len(cost["all"]) <= 3


def test_a_redeem_costs_two_statements(challenge, code):
    token = challenges.verify(challenge.pk, code).token
    with counted() as cost:
        challenges.redeem(token, purpose="verify")

    assert verbs(cost["all"]) == ["SELECT", "UPDATE"]


def test_a_cancel_costs_two_statements(api, challenge):
    with counted() as cost:
        assert api.cancel(challenge.pk).status_code == 204

    assert verbs(cost["all"]) == ["SELECT", "UPDATE"]


def test_a_refused_number_costs_no_statement(api):
    """R-057: the country is asked before the database is."""
    with counted() as cost:
        assert api.start("+33612345678").status_code == 403
        assert api.start("98765").status_code == 400

    assert cost["all"] == []
