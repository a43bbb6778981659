"""The delivery report: the figures of known sends, who may see them, how they are shown."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from django_kaleyra_otp import figures
from django_kaleyra_otp.admin import charts
from django_kaleyra_otp.days import day_of
from django_kaleyra_otp.figures import Tally
from django_kaleyra_otp.models import DailyFigures, DeliveryStatus
from tests.reported import REPORT, TABLES, arrived, history, missed, noon, rows_of, viewer
from tests.staff import HOSTILE, NUMBER, sent, text_of, told, visit

pytestmark = pytest.mark.django_db


def test_the_figures_are_those_of_the_sends():
    """Sent, accepted, delivered, verified; of ten waits p50 is among the nine of 4.5 s, p95 the tenth's."""
    history()
    figures.settle(timezone.now())

    assert rows_of("country") == {
        "IN": {
            "country": "IN",
            "sent": "12",
            "accepted": "12",
            "accepted_percent": "100.0",
            "delivered": "10",
            "delivered_percent": "83.3",
            "can_be_verified": "12",
            "verified": "6",
            "verified_percent": "50.0",
            "p50_seconds": "4.6",
            "p95_seconds": "105.0",
        },
        "AE": {
            "country": "AE",
            "sent": "1",
            "accepted": "0",
            "accepted_percent": "0.0",
            "delivered": "0",
            "delivered_percent": "0.0",
            "can_be_verified": "1",
            "verified": "0",
            "verified_percent": "0.0",
            "p50_seconds": "",
            "p95_seconds": "",
        },
    }
    assert {name: row["sent"] for name, row in rows_of("operator").items()} == {
        "Airtel": "9",
        "not named": "3",
        "Vi": "1",
    }
    assert {name: row["delivered"] for name, row in rows_of("route").items()} == {
        "default": "9",
        "second": "1",
    }
    assert {name: row["verified"] for name, row in rows_of("sender").items()} == {
        "KLRTST": "6",
        "KLRTWO": "0",
    }
    day = day_of(noon(3)).isoformat()
    assert {name: row["sent"] for name, row in rows_of("time").items() if row["sent"] != "0"} == {day: "13"}


def test_the_page_shows_them_with_their_shares():
    history()

    text = text_of(viewer().get(REPORT))

    assert "Sent 0 " in text
    figures.settle(timezone.now())
    text = text_of(viewer().get(REPORT))
    assert "Sent 13 Accepted 12 92.3 % Delivered 10 76.9 % Verified 6 46.2 %" in text
    assert "To the handset, p50 4.6 s To the handset, p95 105.0 s" in text
    assert "IN 12 12 100.0 % 10 83.3 % 6 50.0 % 4.6 s 105.0 s" in text


def test_an_error_is_told_with_its_meaning_and_whose_fault_it_is():
    history()
    arrived(noon(3), 5, error_code="lost")  # its answer was lost, and it came all the same
    sent(DeliveryStatus.FAILED, at=noon(3), error_code="closed", error_class="caller")
    sent(DeliveryStatus.EXPIRED, at=noon(3))
    figures.settle(timezone.now())

    rows = rows_of("error")

    assert {name: row["sent"] for name, row in rows.items()} == {
        "ABSENT-SUB": "1",
        "UNDELIV": "1",
        "E110": "1",
        "closed": "1",
        "expired": "1",
    }
    assert rows["E110"]["fault"] == "ours: the balance of the Kaleyra account"
    assert rows["ABSENT-SUB"]["meaning"] == "The phone could not be reached."
    assert rows["closed"]["fault"] == "ours: the queue is slow"
    assert rows["E110"]["percent"] == "6.2"


def test_an_sms_that_kaleyra_never_answered_is_not_laid_at_the_phone_s_door():
    sent(DeliveryStatus.FAILED, at=noon(3), error_class="network", error_message="No connection was made.")
    sent(DeliveryStatus.UNKNOWN, at=noon(3), error_class="network", error_message="No answer came.")
    sent(DeliveryStatus.FAILED, at=noon(3), error_class="configuration", http_status=307)
    sent(DeliveryStatus.FAILED, at=noon(3))
    figures.settle(timezone.now())

    rows = rows_of("error")

    assert {name: (row["sent"], row["fault"]) for name, row in rows.items()} == {
        "network": ("2", "the network's between us and Kaleyra"),
        "configuration": ("1", "ours: the settings, or the Kaleyra account"),
        "failed": ("1", ""),
    }


def test_a_window_holds_its_days_and_no_others():
    for days_ago in (0, 6, 7, 29, 30):
        arrived(noon(days_ago) - timedelta(hours=12), 5)
    figures.settle(timezone.now(), most=99)

    def count(query: str) -> int:
        return sum(int(row["sent"]) for row in rows_of("time", query).values())

    def day(days_ago: int) -> date:
        return day_of(noon(days_ago))

    assert (count("window=7d"), count("window=30d"), count("window=nonsense"), count("")) == (2, 4, 4, 4)
    assert count(f"first={day(30)}&last={day(7)}") == 3
    assert count(f"first={day(7)}&last={day(7)}") == 1
    assert count(f"first={day(7)}") == 3
    assert count(f"first={day(8)}&last={day(8)}") == 0
    assert list(rows_of("time", "window=7d")) == [day(n).isoformat() for n in reversed(range(7))]


def test_the_last_24_hours_are_told_by_the_hour():
    now = timezone.now()
    arrived(now - timedelta(minutes=1), 5)
    arrived(now - timedelta(hours=22), 5)
    arrived(now - timedelta(hours=25), 5)

    rows = rows_of("time", "window=24h")

    assert len(rows) == 24
    assert sum(int(row["sent"]) for row in rows.values()) == 2
    assert "By hour" in text_of(viewer().get(f"{REPORT}?window=24h"))


def test_a_country_alone():
    history()
    figures.settle(timezone.now())

    assert list(rows_of("country", "country=ae")) == ["AE"]
    assert rows_of("error", "country=AE").keys() == {"E110"}
    assert sum(int(row["sent"]) for row in rows_of("time", "country=AE").values()) == 1
    assert rows_of("country", "country=FR") == {}
    page = viewer().get(f"{REPORT}?country=AE").content.decode()
    assert '<option value="IN">' in page
    assert '<option value="AE" selected>' in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("first=2026-02-31", "Enter a valid date."),
        ("first=x%00", "Enter a valid date."),
        ("first=9999-01-01", "The first day is later than the last, or than today."),
        ("first=2001-01-01", "Figures are kept for 400 days."),
        ("country=<script>", "Enter a valid value."),
    ],
)
def test_days_that_make_no_sense_are_refused_and_the_usual_ones_shown(query, said):
    response = viewer().get(f"{REPORT}?{query}")

    assert response.status_code == 200
    assert said in text_of(response)
    assert len(response.context["report"].slots) == 30


def test_days_that_nobody_counted_yet_are_announced():
    arrived(noon(4), 5)

    text = text_of(viewer().get(REPORT))

    assert "The figures of 3 days" in text  # yesterday is counted as it is asked for
    figures.settle(timezone.now())
    assert "not counted yet" not in text_of(viewer().get(REPORT))


def test_no_number_is_on_the_report_whoever_looks():
    """R-106: not masked, not cut short, but not there."""
    history()
    figures.settle(timezone.now())
    client = visit("superuser")

    pages = [client.get(REPORT), *(client.get(f"{REPORT}?csv={table}") for table in TABLES)]

    assert [response.status_code for response in pages] == [200] * 7
    for response in pages:
        assert NUMBER[1:8] not in response.content.decode()
    assert NUMBER[1:8] not in str(list(DailyFigures.objects.values()))


def test_who_may_view_deliveries_may_see_the_report_and_nobody_else():
    """R-109."""
    client = visit("nobody")
    user = get_user_model().objects.get(username="nobody")

    def statuses() -> set[int]:
        return {client.get(f"{REPORT}{query}").status_code for query in ("", "?csv=country")}

    assert statuses() == {403}
    user.user_permissions.set(Permission.objects.filter(codename="view_otpchallenge"))
    assert statuses() == {403}
    user.user_permissions.set(Permission.objects.filter(codename="view_sendlog"))
    assert statuses() == {200}
    assert REPORT in client.get("/admin/kaleyra_otp/sendlog/").content.decode()
    user.is_staff = False
    user.save()
    assert statuses() == {302}


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        '=HYPERLINK("https://evil.example","x")',
        "＝1",
    ],
)
def test_a_spreadsheet_takes_no_name_for_a_formula(name):
    """R-112: what a callback calls an operator is the text of a cell."""
    told("SENT", missed(noon(1)), operator=name)

    (operator,) = rows_of("operator")

    assert operator.startswith("'")


def test_names_are_escaped_on_the_page():
    """R-112."""
    told("SENT", missed(noon(1), kaleyra_trace=HOSTILE, sender='"><b>'), operator=HOSTILE)

    html = viewer().get(REPORT).content.decode()

    assert HOSTILE not in html
    assert '"><b>' not in html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in html


def test_a_csv_says_what_it_holds_in_its_name():
    day = day_of(noon(2))
    response = viewer().get(f"{REPORT}?first={day}&last={day}&country=in&csv=operator")

    assert (
        response["Content-Disposition"]
        == f'attachment; filename="deliveries-by-operator-{day}-to-{day}-IN.csv"'
    )
    assert re.fullmatch(
        r'attachment; filename="[\w.-]+"',
        viewer().get(f"{REPORT}?window=24h&csv=time")["Content-Disposition"],
    )


@pytest.mark.parametrize(("query", "count"), [("", 5), ("window=24h", 3), ("country=IN", 5), ("csv=time", 5)])
def test_a_report_is_one_look_at_the_days_kept_one_at_today_and_one_at_the_first(
    query, count, django_assert_num_queries
):
    """R-111: with session and user, however many days."""
    history()
    arrived(noon(1), 5)
    figures.settle(timezone.now())
    client = visit("superuser")

    with django_assert_num_queries(count):
        assert client.get(f"{REPORT}?{query}").status_code == 200


def test_an_empty_database_has_an_empty_report():
    client = viewer()

    for query in ("", "window=7d", "window=24h", "country=IN"):
        response = client.get(f"{REPORT}?{query}")
        assert response.status_code == 200
        assert "Sent 0 " in text_of(response)
        assert "<figure" not in response.content.decode()
    assert rows_of("error") == {}
    assert figures.settle(timezone.now()) == 0


def test_each_chart_is_an_image_with_a_title_and_a_sentence_and_needs_no_script_nor_style():
    history()
    figures.settle(timezone.now())

    html = viewer().get(REPORT).content.decode()

    drawn = re.findall(r"<figure.*?</figure>", html, flags=re.S)
    assert len(drawn) == 4
    for figure in drawn:
        names = re.search(r'role="img"[^>]* aria-labelledby="(\S+) (\S+)"', figure).groups()
        assert all(re.search(rf'<(title|desc) id="{name}">[^<]+<', figure) for name in names)
        assert not re.search(r"style=|<script|<style|\bon\w+=", figure)
    ids = re.findall(r'\bid="(kaleyra-[^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "12 sent, 10 delivered, 6 verified" in drawn[3]


def test_the_coordinates_of_a_chart_have_a_point_in_every_language(settings):
    settings.LANGUAGE_CODE = "de"
    settings.USE_THOUSAND_SEPARATOR = True
    history()
    figures.settle(timezone.now())

    html = viewer().get(REPORT).content.decode()

    places = re.findall(
        r' (?:x|y|x1|x2|y1|y2|cx|cy|width|height)="([^"]+)"',
        "".join(re.findall(r"<figure.*?</figure>", html, re.S)),
    )
    assert places
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", place) for place in places)
    assert "92,3 %" in text_of(viewer().get(REPORT))


def test_a_year_of_columns_is_added_up_to_what_the_eye_can_tell_apart():
    class Row:
        def __init__(self, name: str) -> None:
            self.name, self.tally = name, Tally()
            self.tally.counts[0] = 2

    drawn = charts.of_time([Row(f"2026-{n:03}") for n in range(365)])

    assert drawn[0].count("<g>") == 61
    assert "Each column is 6 days." in drawn[0]
    assert "12 sent" in drawn[0]
