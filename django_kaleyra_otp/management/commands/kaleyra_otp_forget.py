"""``manage.py kaleyra_otp_forget``: erasure of one number."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_kaleyra_otp import phones, retention
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DatabaseBusy, InvalidPhoneNumber
from django_kaleyra_otp.models import BlockedPrefix, database


class Command(BaseCommand):
    """Deletes every row of one number; safe to run again."""

    help = (
        "Delete every row of one number, of whatever age: challenges, sends, status updates, its rate "
        "limits. Wrong guesses that still count go too: MAX_FAILURES begins anew. The user of the number "
        "is yours to delete; what Kaleyra keeps, Kaleyra's."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number."""
        parser.add_argument("number", help="with its country code, such as +919876543210")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and print one line, and what stays."""
        try:
            number = phones.stored(options["number"]).e164
        except InvalidPhoneNumber as error:
            raise CommandError(f"This is no phone number: {error.detail}") from None
        try:
            gone = retention.forget(number)
        except DatabaseBusy as busy:
            raise CommandError("The database is busy. What was deleted stays so; run it again.") from busy
        self.stdout.write(
            f"Deleted of {phones.mask(number)}: {gone.challenges} challenges, {gone.sends} sends, "
            f"{gone.updates} status updates, {gone.limits} rate limits."
        )
        if number in conf.TEST_NUMBERS:
            self.stderr.write("It stands in KALEYRA_OTP['TEST_NUMBERS']: take it out of the settings.")
        if BlockedPrefix.objects.using(database.alias()).filter(prefix=number).exists():
            self.stderr.write("A blocked prefix is this number: open it in the admin, if it need not be.")
