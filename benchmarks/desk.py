"""The pages that support lives in, on a large database: ``python -m benchmarks.desk``.

Fill one first with ``python -m benchmarks.large``. Opens each list, each of its filters, each search, Find a
number, the alarms and the delivery report as a superuser, five times each, and prints the median of the
wall times and the count of statements, session and user among them. Then it asks for the plan of each
SELECT, and fails where one reads a whole table of more than a thousand rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import django

ROUNDS = 5
#: A page that takes longer is too slow (ms); R-111.
TOO_SLOW = 1000
ADMIN = "/admin/kaleyra_otp/"
NAME = "benchmark-desk"


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what it is called, its address, and what is posted to it, if anything is."""

    name: str
    url: str
    posted: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Time each page, then look at its plans."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.desk", description=__doc__)
    parser.add_argument("--database-url", default="postgres://postgres@127.0.0.1:5432/kaleyra_otp_large")
    parser.add_argument("--plans", action="store_true", help="print every plan, not only the bad ones")
    options = parser.parse_args()
    os.environ["DATABASE_URL"] = options.database_url
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.desk_settings"
    django.setup()
    return 0 if measure(all_plans=options.plans) else 1


def measure(*, all_plans: bool) -> bool:
    """Print a line a page; returns whether every page is quick and reads no large table as a whole."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    from benchmarks.explain import SMALL, captured

    users = get_user_model().objects
    users.filter(username=NAME).delete()
    staff = users.create_superuser(NAME)
    client = Client(headers={"host": "localhost"})
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    good = True
    try:
        rows = sizes()
        large = [table for table, count in rows.items() if count > SMALL]
        print(", ".join(f"{table} {count:,}" for table, count in rows.items()))
        print(f"\n{'page':<44}{'ms':>8}{'statements':>12}")
        for page in pages():
            times = []
            for _ in range(ROUNDS):
                with captured() as statements:
                    times.append(opened(client, page))
            took = statistics.median(times)
            bad = [sql for sql, params in statements if reads_all(sql, params, large, shown=all_plans)]
            good = good and took < TOO_SLOW and not bad
            print(f"{page.name:<44}{took:>8.0f}{counted(client, page):>12}{'  ✗' if bad else ''}", flush=True)
            for sql in bad:
                print(f"    reads a whole table: {sql[:300]}")
    finally:
        staff.delete()
    print("\nEvery page is quick, and reads no large table as a whole." if good else "\n✗: see above.")
    return good


def pages() -> Iterator[Page]:
    """Yield every page."""
    from django.contrib import admin
    from django.urls import NoReverseMatch, reverse

    from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate

    send = SendLog.objects.exclude(message_id="").filter(challenge__isnull=False).order_by("-pk").first()
    assert send is not None, "Fill the database first: python -m benchmarks.large"
    lists = [model for model in admin.site._registry if model._meta.app_label == "kaleyra_otp"]
    for model in lists:
        name = model._meta.model_name
        url = f"{ADMIN}{name}/"
        yield Page(name, url)
        yield Page(f"{name}, page 20", f"{url}?p=20")
        for shown in admin.site.get_model_admin(model).list_filter:
            for value in values(shown):
                asked = f"{shown.parameter_name}={value}"
                yield Page(f"{name}, {asked}", f"{url}?{asked}")
    yield Page("sendlog, error_code=E404 since=30d", f"{ADMIN}sendlog/?error_code=E404&since=30d")
    for model, term in (
        (SendLog, send.message_id),
        (SendLog, send.challenge_id),
        (SendLog, "no-such-id"),
        (OTPChallenge, send.challenge_id),
        (StatusUpdate, send.message_id),
    ):
        name = model._meta.model_name
        yield Page(f"{name}, searched: {str(term)[:12]}…", f"{ADMIN}{name}/?q={term}")
    yield Page("one delivery", f"{ADMIN}sendlog/{send.pk}/change/")
    yield Page("one challenge", f"{ADMIN}otpchallenge/{send.challenge_id}/change/")
    find = reverse("admin:kaleyra_otp_find_number")
    yield Page("Find a number", find)
    yield Page("Find a number, found", find, {"phone_number": send.phone_number})
    yield Page("Find a number, nothing", find, {"phone_number": "+919876543210"})
    yield Page("Find a number, of a challenge", find, {"challenge": str(send.challenge_id)})
    for name in ("kaleyra_otp_report",):
        try:
            report = reverse(f"admin:{name}")
        except NoReverseMatch:
            continue
        for window in ("24h", "7d", "30d"):
            yield Page(f"{name}, {window}", f"{report}?window={window}")


def values(shown: Any) -> list[str]:
    """Return what to choose of a filter: each value that it lists; of a typed one, some rare, some common."""
    typed = {"country": ["IN", "BR", "ZZ"], "route": ["second", "none"], "error_code": ["E404", "E999"]}
    if shown.parameter_name in typed:
        return typed[shown.parameter_name]
    if hasattr(shown, "SPANS"):
        return list(shown.SPANS)
    return [str(value) for value, _name in shown.known(shown)]


def opened(client: Any, page: Page) -> float:
    """Open a page; returns how long that took, in ms."""
    began = time.perf_counter()
    response = client.post(page.url, page.posted) if page.posted else client.get(page.url)
    took = (time.perf_counter() - began) * 1000
    ended = (200, 302) if "p=20" in page.url else (200,)  # a short list has no page 20
    assert response.status_code in ended, f"{page.name}: {response.status_code}"
    return took


def counted(client: Any, page: Page) -> int:
    """Return how many statements a page takes."""
    from benchmarks.measure import statements

    with statements() as seen:
        opened(client, page)
    return len(seen)


def reads_all(sql: str, params: Any, large: list[str], *, shown: bool) -> bool:
    """Return whether the plan of a SELECT reads a large table as a whole; ``shown``: print it."""
    from django.db import connection

    if not sql.startswith("SELECT"):
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        plan = [row[0] for row in cursor.fetchall()]
    if shown:
        print("\n".join(f"    {line}" for line in plan))
    return any("Seq Scan on " in line and any(table in line for table in large) for line in plan)


def sizes() -> dict[str, int]:
    """Return about how many rows each table of ours has."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class "
            "WHERE relkind = 'r' AND relname LIKE 'kaleyra_otp_%' ORDER BY relname"
        )
        return dict(cursor.fetchall())


if __name__ == "__main__":
    sys.exit(main())
