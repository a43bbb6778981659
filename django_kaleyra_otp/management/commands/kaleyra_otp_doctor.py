"""``manage.py kaleyra_otp_doctor``."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_kaleyra_otp import doctor
from django_kaleyra_otp.doctor import Health

SIGNS = {Health.OK: "ok     ", Health.WARNING: "WARNING", Health.ERROR: "ERROR  "}


class Command(BaseCommand):
    """Looks for what keeps codes from arriving; exit code 1 where something does."""

    help = (
        "Look for what keeps codes from arriving: settings, credentials, the callback profile. Sends nothing."
    )
    requires_system_checks = []  # they are among the findings

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--json`` and ``--offline``."""
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument("--offline", action="store_true", help="look at the settings alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings."""
        findings = list(doctor.examine(offline=options["offline"]))
        if options["json"]:
            self.stdout.write(json.dumps([finding.as_dict() for finding in findings], indent=2))
        else:
            for finding in findings:
                self._print(finding)
        if any(finding.health == Health.ERROR for finding in findings):
            raise SystemExit(1)

    def _print(self, finding: doctor.Finding) -> None:
        style = {
            Health.OK: self.style.SUCCESS,
            Health.WARNING: self.style.WARNING,
            Health.ERROR: self.style.ERROR,
        }[finding.health]
        self.stdout.write(f"{style(SIGNS[finding.health])}  {finding.name}: {finding.detail}")
        if finding.mend:
            self.stdout.write(f"         {finding.mend}")
