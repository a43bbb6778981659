"""Alarms in the admin: each decision with its figures, its block, and how to undo it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from django_kaleyra_otp.models import Alarm, BlockedPrefix
from tests.staff import page, text_of, visit
from tests.test_alarms import history, reconcile

SERIES = "+919876"


@pytest.fixture
def tripped(db, configure):
    """``tripped(mode)``: 25 codes of a series arrived and none was used; the guard has looked."""

    def trip(mode):
        configure(GUARD={"MODE": mode})
        history(25)
        reconcile()
        return Alarm.objects.get(kind="pumping"), BlockedPrefix.objects.get()

    return trip


def alarm(kind="outage", subject="IN", figures=None, *, over=False, hours=1):
    at = timezone.now() - timedelta(hours=hours)
    return Alarm.objects.create(
        kind=kind,
        subject=subject,
        figures=figures or {},
        raised_at=at,
        seen_at=at,
        cleared_at=timezone.now() if over else None,
        open_key=None if over else f"{kind}:{subject}",
    )


def test_a_decision_of_the_guard_is_shown_with_every_figure(tripped):
    """R-060."""
    raised, block = tripped("enforce")

    response = visit("viewer").get(page("alarm", raised.pk))

    text = text_of(response)
    assert "25 codes arrived, 0 were used: surely less than 13.3 %." in text
    assert "The threshold is 30.0 %. So the series was closed." in text
    for words in (
        "n: SMS counted 25",
        "MIN_SENDS: with fewer, nothing is said 20",
        "k: of those, verified 0",
        "k/n: conversion 0.0 %",
        "U: the highest conversion that these figures leave likely 13.3 %",
        "the threshold for U 30.0 %",
        "WINDOW: how far back SMS are counted 24 h 0 min",
        "MODE of the guard at that time enforce",
    ):
        assert words in text, words
    assert f'href="{page("blockedprefix", block.pk)}"' in response.content.decode()
    assert 'KALEYRA_OTP["GUARD"]["ALLOW"] = ["+919876"]' in text


def test_under_monitor_the_page_says_what_would_have_been(tripped):
    """R-060."""
    raised, block = tripped("monitor")
    client = visit("viewer")

    assert "under MODE monitor every SMS goes out" in text_of(client.get(page("alarm", raised.pk)))
    for shown in (page("alarm", raised.pk), page("blockedprefix"), page("blockedprefix", block.pk)):
        assert "not enforced" in text_of(client.get(shown)), shown


def test_a_block_is_shown_as_what_the_settings_make_of_it_now(tripped, configure):
    _raised, block = tripped("monitor")
    by_hand = BlockedPrefix.objects.create(prefix="+33")
    client = visit("viewer")

    def states(**guard):
        configure(GUARD=guard)
        return [
            next(word for word in ("not enforced", "closed", "over") if f"</span>{word}" in html)
            for pk in (block.pk, by_hand.pk)
            for html in [client.get(page("blockedprefix", pk)).content.decode()]
        ]

    assert states(MODE="enforce") == ["closed", "closed"]
    assert states(MODE="enforce", ALLOW=[SERIES]) == ["not enforced", "closed"]
    assert states(MODE="monitor") == ["not enforced", "closed"]
    BlockedPrefix.objects.update(until=timezone.now())
    assert states(MODE="enforce") == ["over", "over"]


def test_a_block_by_the_guard_names_its_alarm_and_no_other(tripped):
    """R-061."""
    raised, block = tripped("enforce")
    alarm("pumping", SERIES, over=True, hours=5)
    by_hand = BlockedPrefix.objects.create(prefix=SERIES)
    client = visit("viewer")

    assert (
        f'href="{page("alarm", raised.pk)}"' in client.get(page("blockedprefix", block.pk)).content.decode()
    )
    assert "25 codes arrived" in text_of(client.get(page("blockedprefix", block.pk)))
    assert page("alarm") + "1" not in client.get(page("blockedprefix", by_hand.pk)).content.decode()


def test_an_alarm_whose_block_is_gone_says_so(tripped):
    raised, block = tripped("enforce")
    block.delete()

    assert "It was lifted, or its time is long past." in text_of(
        visit("viewer").get(page("alarm", raised.pk))
    )


def test_alarms_that_stand_come_first(db):
    """R-066."""
    old, over, new = alarm(hours=30), alarm(over=True), alarm("silence", "default", hours=20)
    newest_over = alarm("spending", "global", over=True, hours=0)
    client = visit("viewer")

    def listed(**query):
        return [row.pk for row in client.get(page("alarm"), query).context["cl"].result_list]

    assert listed()[:2] == [new.pk, old.pk]
    assert set(listed()[2:]) == {over.pk, newest_over.pk}
    assert listed(state="stands") == [new.pk, old.pk]
    assert set(listed(state="over")) == {over.pk, newest_over.pk}
    assert listed(kind="silence") == [new.pk]
    assert old.pk not in listed(since="24h")
    text = text_of(client.get(page("alarm")))
    assert text.count("✕ stands") == text.count("– over") == 2


@pytest.mark.parametrize(
    ("kind", "subject", "figures", "says", "query"),
    [
        (
            "conversion",
            "FR",
            {"sends": 40, "verified": 3, "upper_bound": 0.1986, "min_conversion": 0.35, "mode": "enforce"},
            [
                "40 codes arrived, 3 were used: surely less than 19.9 %.",
                "The threshold of a country is 35.0 %. Nothing closes a country.",
            ],
            "country=FR&amp;since=24h",
        ),
        (
            "outage",
            "IN",
            {"sends": 30, "missed": 28, "series": {SERIES: {"sends": 20, "missed": 19}}},
            ["28 of 30 SMS of an hour did not arrive.", "the series that are ill +919876: 19/20"],
            "country=IN&amp;since=24h",
        ),
        (
            "outage",
            "route second",
            {
                "sends": 60,
                "missed": 60,
                "lower_bound": 0.9398,
                "week_sends": 400,
                "week_missed": 20,
                "threshold": 0.25,
                "countries": ["FR", "IN"],
            },
            [
                "60 of 60 SMS of an hour did not arrive. Surely more than 94.0 %; the threshold is 25.0 %.",
                "the countries that are ill FR, IN",
                "SMS of the week before 400",
                "of the week before, did not arrive 20",
            ],
            "route=second&amp;since=24h",
        ),
        (
            "silence",
            "default",
            {"sends": 4},
            ["4 SMS of an hour had no callback at all.", "run kaleyra_otp_doctor"],
            "route=default&amp;since=24h",
        ),
        (
            "spending",
            "global 20/86400s 50 %",
            {"used": 10, "limit": 20, "seconds": 86400},
            [
                "10 of 20 SMS segments are used.",
                "SMS segments allowed 20",
                "the period of the limit 24 h 0 min",
            ],
            None,
        ),
        ("spending", "of another version", {"new_figure": [1, 2]}, ["new_figure 1, 2"], None),
        (
            "outage",
            "GB",
            {"series": {"+919876": 3}},
            ["+919876: 3"],
            "country=GB&amp;since=24h",
        ),
    ],
)
def test_each_kind_of_alarm_is_told_in_words(db, kind, subject, figures, says, query):
    """R-066."""
    row = alarm(kind, subject, figures)
    client = visit("viewer")

    response = client.get(page("alarm", row.pk))

    text, html = text_of(response).lower(), response.content.decode()
    for words in says:
        assert words.lower() in text, words
    assert "allow" not in text.replace("allowed", "")
    if query:
        assert f'href="{page("sendlog")}?{query}"' in html
        assert client.get(f"{page('sendlog')}?{query.replace('&amp;', '&')}").status_code == 200
    else:
        assert f"{page('sendlog')}?" not in html
    assert client.get(page("alarm")).status_code == 200
