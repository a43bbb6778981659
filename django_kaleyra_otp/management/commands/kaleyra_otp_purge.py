"""``manage.py kaleyra_otp_purge``: once a day, from cron."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_kaleyra_otp import retention
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DatabaseBusy
from django_kaleyra_otp.management.options import whole
from django_kaleyra_otp.retention import Purged


class Command(BaseCommand):
    """Deletes what is past its time, in short transactions; safe to run at any hour, and again."""

    help = (
        "Deletes challenges, sends and status updates older than RETENTION days, updates that no send "
        "claimed in 24 hours, empty rate limits, and alarms and blocks by the guard that were over by then. "
        "Challenges whose wrong guesses still count stay, and blocks by hand."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the four options."""
        parser.add_argument(
            "--days", type=whole(1, 3650), help="Keep this many days instead of RETENTION: 1 to 3650."
        )
        parser.add_argument(
            "--batch-size",
            type=whole(1, 20_000),
            default=retention.BATCH_SIZE,
            help="Rows that one transaction deletes: 1 to 20000, default %(default)s.",
        )
        parser.add_argument(
            "--rest",
            type=whole(0, 10),
            default=retention.REST,
            help="How long to leave the database to others after each batch, in times of what it took: "
            "0 to 10, default %(default)s.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say how many rows would go, and delete none."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Purge, and print one line."""
        days = options["days"] or conf.RETENTION
        try:
            if options["dry_run"]:
                done = self._counts("Would delete", retention.count(days=days), days)
            else:
                purged = retention.purge(
                    days=days,
                    batch_size=options["batch_size"],
                    rest=options["rest"],
                    progress=self._progress,
                )
                done = self._counts("Deleted", purged, days)
        except DatabaseBusy as busy:
            raise CommandError("The database is busy. What was deleted stays so; run it again.") from busy
        finally:
            self._clear()
        if options["verbosity"] > 0:
            self.stdout.write(done)

    def _counts(self, verb: str, purged: Purged, days: int) -> str:
        return (
            f"{verb}, older than {days} days: {purged.updates} status updates, {purged.sends} sends, "
            f"{purged.challenges} challenges, {purged.alarms} alarms, {purged.blocks} lapsed blocks; "
            f"and {purged.limits} empty rate limits."
        )

    def _progress(self, purged: Purged) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{purged.total:,}", self.style.NOTICE, ending="")
            self.stderr.flush()

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\033[K", ending="")
