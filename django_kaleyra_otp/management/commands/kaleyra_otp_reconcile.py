"""``manage.py kaleyra_otp_reconcile``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_kaleyra_otp import recovery


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
        found = recovery.reconcile(pull=not options["no_pull"])
        self.stdout.write(
            ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in asdict(found).items())
        )
