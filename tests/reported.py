"""Sends of some days ago whose figures are known, and the report of them."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from django_kaleyra_otp import figures
from django_kaleyra_otp.days import day_of
from django_kaleyra_otp.models import ChallengeStatus, DeliveryStatus, SendLog
from tests.staff import sent, started, told, visit

REPORT = "/admin/kaleyra_otp/sendlog/report/"
TABLES = ("time", "country", "operator", "route", "sender", "error")


def noon(days_ago: int) -> datetime:
    return figures.start_of(day_of(timezone.now()) - timedelta(days=days_ago)) + timedelta(hours=12)


def arrived(at: datetime, after: float, verified: bool = True, **also) -> SendLog:
    """A send that was on the handset after so many seconds, of a challenge of its own."""
    status = ChallengeStatus.VERIFIED if verified else ChallengeStatus.PENDING
    challenge = started(status, at, verified_at=at + timedelta(seconds=after + 9) if verified else None)
    also = {"submitted_at": at, "delivered_at": at + timedelta(seconds=after), **also}
    return sent(DeliveryStatus.DELIVERED, challenge, at, **also)


def missed(at: datetime, **also) -> SendLog:
    return sent(DeliveryStatus.UNDELIVERED, started(at=at), at, **{"submitted_at": at, **also})


def rows_of(table: str, query: str = "", client: Client | None = None) -> dict[str, dict[str, str]]:
    """The rows of a table, as a spreadsheet reads them, by the first cell of each."""
    response = (client or viewer()).get(f"{REPORT}?{query}&csv={table}")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    lines = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    return {next(iter(line.values())): line for line in lines}


def viewer() -> Client:
    """Staff who may view the rows, and no number in full."""
    found = get_user_model().objects.filter(username="viewer").first()
    if found is None:
        return visit("viewer")
    client = Client()
    client.force_login(found, backend="django.contrib.auth.backends.ModelBackend")
    return client


def history() -> None:
    """Three days ago: ten arrived and two did not in India, one was refused in the UAE."""
    at = noon(3)
    for n in range(9):
        told("DELIVRD", arrived(at, 4.5, verified=n < 6), operator="Airtel")
    last = arrived(at, 100, verified=False, route="second", sender="KLRTWO")
    told("SENT", last, operator="Jio")
    told("DELIVRD", last, operator="Vi")
    missed(at, kaleyra_trace="ABSENT-SUB")
    missed(at, kaleyra_status="UNDELIV", route="second")
    refused = {"error_code": "E110", "error_class": "balance", "country": "AE", "submitted_at": None}
    sent(DeliveryStatus.FAILED, started(at=at), at, **refused)
