"""The lists of the admin: bounded whatever the tables hold, filtered, searched."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_kaleyra_otp.models import (
    ChallengeStatus,
    DeliveryStatus,
    SendLog,
    Source,
)
from tests.staff import (
    ALL,
    NUMBER,
    READ_ONLY,
    page,
    rows_on,
    sent,
    started,
    story,
    text_of,
    told,
    visit,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("query", ["", "?_facets=1"])
@pytest.mark.parametrize("model", ALL)
def test_a_list_takes_four_statements_at_most_and_never_counts_the_table(model, query):
    """R-111."""
    story()
    client = visit("superuser")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.get(page(model) + query)

    assert response.status_code == 200
    assert len(queries) <= 4
    statements = " ".join(query["sql"] for query in queries)
    assert "DISTINCT" not in statements.upper()
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"].upper()]
    assert len(counts) == 1
    assert "LIMIT 1001" in counts[0]


def many(total: int) -> None:
    now = timezone.now()
    SendLog.objects.bulk_create(
        [
            SendLog(
                phone_number=NUMBER,
                country="IN",
                block=NUMBER[:-4],
                body="{code}",
                status=DeliveryStatus.SUBMITTED,
                rank=3,
                created_at=now - timedelta(seconds=number),
            )
            for number in range(total)
        ],
        batch_size=500,
    )


def test_a_list_of_thousands_shows_the_first_thousand_and_says_so():
    """R-111."""
    many(5000)
    client = visit("superuser")
    client.get(page("sendlog"))

    with CaptureQueriesContext(connection) as queries:
        first = client.get(page("sendlog"))

    assert len(queries) == 4
    assert rows_on(first) == 50
    assert "Only the first 1000 rows are listed" in text_of(first)
    last = client.get(f"{page('sendlog')}?p=20")
    assert rows_on(last) == 50
    assert "Only the first 1000 rows are listed" in text_of(last)
    assert client.get(f"{page('sendlog')}?p=21").status_code == 302
    assert rows_on(client.get(f"{page('sendlog')}?all=1")) == 50


@pytest.mark.skipif(connection.vendor == "mysql", reason="it sorts a table as small as this one")
def test_a_list_walks_the_index_of_the_time_and_not_the_table():
    """R-111."""
    many(3000)
    client = visit("superuser")

    with CaptureQueriesContext(connection) as queries:
        client.get(page("sendlog"))

    rows = next(query["sql"] for query in queries if "LIMIT 50" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE kaleyra_otp_sendlog")
        cursor.execute(("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ") + rows)
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "kaleyra_otp_send_created" in plan


def test_a_short_list_is_not_said_to_be_cut():
    """R-111."""
    story()
    assert "Only the first" not in text_of(visit("superuser").get(page("sendlog")))


INDEXED = {"created_at", "received_at", "tat", "key", "cleared_at", "raised_at"}


def test_a_column_without_an_index_cannot_be_sorted_by():
    """R-111: neither by a click nor by a hand-made address."""
    story()
    client = visit("superuser")

    for model in READ_ONLY:
        for column in range(1, 9):
            with CaptureQueriesContext(connection) as queries:
                client.get(f"{page(model)}?o={column}")
            ordered = [sql for sql in (q["sql"] for q in queries) if " ORDER BY " in sql]
            assert len(ordered) == 2  # the rows, and as many of them as are counted
            for sql in ordered:
                last = sql.rpartition(" ORDER BY ")[2]
                columns = set(re.findall(r"(\w+)\W+(?:ASC|DESC|IS)", last))
                assert columns, last
                assert columns <= {*INDEXED, "id", "1"}, (model, column)  # 1 is the id, counted


def test_a_search_finds_a_message_and_a_challenge_by_their_whole_id():
    """R-111."""
    client = visit("viewer")
    name = str(uuid.uuid4())
    challenge = started()
    send = sent(of=challenge, message_id=f"{name}:1")
    update = told("SENT", send)
    sent(message_id="another:1")
    told("SENT")

    def finds(model: str, term: str) -> list:
        return [row.pk for row in client.get(page(model), {"q": term}).context["cl"].result_list]

    for term in (f"{name}:1", name, f" {name}:0 "):
        assert finds("sendlog", term) == [send.pk]
        assert finds("statusupdate", term) == [update.pk]
    assert finds("sendlog", str(challenge.pk)) == [send.pk]
    assert finds("otpchallenge", str(challenge.pk)) == [challenge.pk]
    assert finds("otpchallenge", challenge.pk.hex) == [challenge.pk]


@pytest.mark.parametrize("model", ["otpchallenge", "sendlog", "statusupdate"])
@pytest.mark.parametrize(
    "term", [NUMBER, NUMBER[1:], "3210", "zz", "1" * 500, "00000000-0000", "'; --", "\x00", "٣", "b" * 64]
)
def test_a_search_for_anything_else_finds_nothing(model, term):
    """R-106, R-110."""
    story()
    response = visit("seer").get(page(model), {"q": term})

    assert response.status_code == 200
    if "\x00" not in term:  # refused with a message, the list stays
        assert rows_on(response) == 0


def statuses_listed(client: Client, model: str, **query: str) -> list[str]:
    return sorted(row.status for row in client.get(page(model), query).context["cl"].result_list)


def test_expired_challenges_are_told_apart_from_pending_ones():
    client = visit("viewer")
    now = timezone.now()
    pending, expired = started(), started(at=now - timedelta(hours=1))
    started(ChallengeStatus.VERIFIED, verified_at=now)

    def listed(status: str) -> list:
        return [
            row.pk for row in client.get(page("otpchallenge"), {"status": status}).context["cl"].result_list
        ]

    assert listed("pending") == [pending.pk]
    assert listed("expired") == [expired.pk]
    assert len(listed("verified")) == 1
    assert listed("canceled") == []
    assert "expired" in text_of(client.get(page("otpchallenge", expired.pk)))


def test_deliveries_are_filtered_by_what_support_asks_for():
    client = visit("viewer")
    now = timezone.now()
    sent(DeliveryStatus.DELIVERED)
    sent(DeliveryStatus.FAILED, error_code="E110", country="AE", route="gulf", at=now - timedelta(days=2))
    sent(DeliveryStatus.SENT, at=now - timedelta(hours=2), submitted_at=now - timedelta(hours=2))
    sent(DeliveryStatus.SUBMITTED, submitted_at=now)
    sent(DeliveryStatus.SUBMITTED, route="test", submitted_at=now - timedelta(hours=2))

    assert statuses_listed(client, "sendlog", status="delivered") == ["delivered"]
    assert statuses_listed(client, "sendlog", status="no_receipt") == ["sent"]
    assert statuses_listed(client, "sendlog", country="AE", since="7d") == ["failed"]
    assert statuses_listed(client, "sendlog", route="gulf", since="7d") == ["failed"]
    assert statuses_listed(client, "sendlog", error_code="E110", since="7d") == ["failed"]
    assert statuses_listed(client, "sendlog", error_code="E110", country="IN", since="7d") == []
    assert len(statuses_listed(client, "sendlog", since="1h")) == 3
    assert len(statuses_listed(client, "sendlog", since="24h")) == 4
    assert len(statuses_listed(client, "sendlog", since="7d")) == 5


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("sendlog", {"country": "IN"}),
        ("sendlog", {"route": "default"}),
        ("sendlog", {"error_code": "E110"}),
        ("otpchallenge", {"status": "canceled"}),
        ("otpchallenge", {"purpose": "login"}),
        ("statusupdate", {"delivery_status": "sent"}),
        ("statusupdate", {"source": "pull"}),
    ],
)
def test_what_no_index_finds_is_looked_for_in_one_day_unless_another_span_is_chosen(model, query):
    """R-111."""
    at = timezone.now() - timedelta(days=2)
    send = sent(of=started("canceled", at), at=at, error_code="E110")
    told("SENT", send, delivery_status="sent", source="pull", received_at=at)
    client = visit("viewer")

    usual = client.get(page(model), query)
    assert rows_on(usual) == 0
    [chosen] = re.findall(r'<li class="selected">\s*<a[^>]*>([^<]+)</a>', spans(usual))
    assert chosen == "Last 24 hours"
    assert "Last 30 days" in spans(usual)
    assert ">All<" not in spans(usual)
    assert rows_on(client.get(page(model), {**query, "since": "7d"})) == 1
    assert rows_on(client.get(page(model), {**query, "since": "for ever"})) == 0
    plain = client.get(page(model))
    assert rows_on(plain) == 1
    assert ">All<" in spans(plain)


def spans(response) -> str:
    """The part of a list's page where a span of time is chosen."""
    html = response.content.decode()
    return next(part for part in html.split("<details") if "Last 24 hours" in part)


def test_a_country_is_typed_where_every_country_is_allowed(configure):
    client = visit("viewer")
    sent(country="FR")
    assert '<input type="text" name="country"' not in client.get(page("sendlog")).content.decode()

    configure(ALLOWED_COUNTRIES="*")

    html = client.get(page("sendlog"), {"country": "fr", "since": "24h"}).content.decode()
    assert '<input type="text" name="country" value="fr"' in html
    assert '<input type="hidden" name="since" value="24h">' in html
    assert statuses_listed(client, "sendlog", country="fr") == ["delivered"]


def test_updates_that_wait_for_their_delivery_are_told_apart():
    """R-092."""
    client = visit("viewer")
    orphan = told("DELIVRD", delivery_status="delivered", source=Source.PULL)
    told("SENT", sent(), delivery_status="sent")

    def listed(**query: str) -> list:
        return [row.pk for row in client.get(page("statusupdate"), query).context["cl"].result_list]

    assert listed(waiting="1") == [orphan.pk]
    assert listed(delivery_status="delivered") == [orphan.pk]
    assert listed(source="pull") == [orphan.pk]
    assert len(listed(since="1h")) == 2
    assert "waiting" in text_of(client.get(page("statusupdate")))
