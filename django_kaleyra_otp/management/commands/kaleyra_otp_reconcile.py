"""``manage.py kaleyra_otp_reconcile``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_kaleyra_otp import recovery
from django_kaleyra_otp.exceptions import DatabaseBusy


class Command(BaseCommand):
    """Puts right what a crash or a lost answer left behind; to be run every minute."""

    help = (
        "Put right what a crash or a lost answer left behind. Run it every minute; several may run at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--no-pull``."""
        parser.add_argument(
            "--no-pull", action="store_true", help="do not ask Kaleyra for statuses that never came"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run once and print what moved."""
        try:
            found = recovery.reconcile(pull=not options["no_pull"])
        except DatabaseBusy as busy:
            raise CommandError(
                "The database is busy or away. What was put right stays so; the next run does the rest."
            ) from busy
        self.stdout.write(
            ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in asdict(found).items())
        )
