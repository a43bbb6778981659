"""``manage.py kaleyra_otp_doctor``."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_kaleyra_otp import doctor
from django_kaleyra_otp.doctor import Health


class Command(BaseCommand):
    """Looks for what keeps codes from arriving; exit code 1 where something does."""

    help = (
        "Look for what keeps codes from arriving: settings, credentials, callbacks, the callback profile, "
        "rows that are stuck, addresses, clocks. Sends nothing and changes nothing. Exit code 1 where "
        "something is in the way."
    )
    requires_system_checks = []  # they are among the findings

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--json`` and ``--offline``."""
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument("--offline", action="store_true", help="leave Kaleyra alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings."""
        findings = list(doctor.examine(offline=options["offline"]))
        if options["json"]:
            self.stdout.write(json.dumps([finding.as_dict() for finding in findings], indent=2))
        else:
            self._print(findings)
        if any(finding.health == Health.ERROR for finding in findings):
            raise SystemExit(1)

    def _print(self, findings: list[doctor.Finding]) -> None:
        styles = {
            Health.OK: self.style.SUCCESS,
            Health.WARNING: self.style.WARNING,
            Health.ERROR: self.style.ERROR,
        }
        width = max(len(finding.title) for finding in findings)
        for finding in findings:
            word = finding.health if finding.health == Health.OK else finding.health.upper()
            self.stdout.write(
                f"{styles[finding.health](f'{word:7}')}  {finding.title:{width}}  {finding.detail}"
            )
            if finding.mend:
                self.stdout.write(f"{'':7}  {'':{width}}  {finding.mend}")
        counts = Counter(finding.health for finding in findings)
        self.stdout.write(f"\n{counts[Health.ERROR]} errors, {counts[Health.WARNING]} warnings.")
