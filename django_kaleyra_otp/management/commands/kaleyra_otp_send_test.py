"""``manage.py kaleyra_otp_send_test``: one real SMS."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_kaleyra_otp import challenges, phones, signals
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.kaleyra import errors, statuses
from django_kaleyra_otp.management.options import whole
from django_kaleyra_otp.models import DeliveryStatus, OTPChallenge, SendLog, Source, StatusUpdate, database

#: Seconds between two looks at the row.
PAUSE = 0.2


def _reason(refusal: KaleyraOTPError) -> str:
    """Return what refused, in the log's words, and the scope of a limit that is full."""
    reason, scope = refusal.reason, refusal.scope
    return f"{reason}, by {scope}" if scope and scope != reason else reason


class Command(BaseCommand):
    """Sends one SMS the way that every code goes, and says what became of it."""

    help = (
        "Send one real SMS, which is billed, the way that every code goes: limits, routes, text, queue. The "
        "code in it is good for nothing. Exit code 1 where it surely did not arrive, or, with --wait, where "
        "no callback came."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number, what chooses the text, and ``--wait``."""
        parser.add_argument("number", help="a phone of yours, with its country code, such as +919876543210")
        parser.add_argument("--purpose", default="verify", help="whose text and limits; default %(default)s")
        parser.add_argument("--language", help="in which language; default LANGUAGE_CODE")
        parser.add_argument(
            "--wait",
            type=whole(0, 600),
            default=0,
            metavar="SECONDS",
            help="wait so long for the handset to have it, and show each callback: 0 (default) to 600",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send, wait, and tell."""
        until = time.monotonic() + options["wait"]
        send = self._send(options["number"], options["purpose"], options["language"])
        self.stdout.write(
            f"To {phones.mask(send.phone_number)}, by route {send.route}, from {send.sender or '-'}."
        )
        while send.status in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING) and time.monotonic() < until:
            time.sleep(PAUSE)
            send = self._read(send)
        self._tell_answer(send)
        if send.phone_number in conf.TEST_NUMBERS:
            raise CommandError("The number is in TEST_NUMBERS: nothing was sent to it.")
        if send.status == DeliveryStatus.FAILED and not send.was_accepted:
            raise CommandError("No SMS was sent.")
        if options["wait"]:
            self._follow(send, until)

    def _send(self, number: str, purpose: str, language: str | None) -> SendLog:
        """Start a challenge that nobody is told of, and return its SMS, also one that was not accepted."""
        started: list[OTPChallenge] = []

        def keep(challenge: OTPChallenge, **_: Any) -> None:
            started.append(challenge)

        signals.challenge_started.connect(keep)
        try:
            challenges.start(number, purpose=purpose, language=language)
        except KaleyraOTPError as refusal:
            if not started:
                told = f"Refused before anything was sent ({_reason(refusal)}): {refusal.detail}"
                raise CommandError(told) from None
        finally:
            signals.challenge_started.disconnect(keep)
        return SendLog.objects.using(database.alias()).get(challenge=started[0])

    def _read(self, send: SendLog) -> SendLog:
        return SendLog.objects.using(database.alias()).get(pk=send.pk)

    def _tell_answer(self, send: SendLog) -> None:
        """Print what the provider answered, and what mends it."""
        told = " ".join(
            filter(None, [f"HTTP {send.http_status}" if send.http_status else "", send.error_code])
        )
        took = f", after {send.latency} ms" if send.latency is not None else ""
        self.stdout.write(f"{send.status}{f' ({told})' if told else ''}{took}.")
        if send.message_id:
            self.stdout.write(f"Message id: {send.message_id}")
        if send.error_message:
            self.stdout.write(f"Told: {send.error_message}")
        if entry := errors.explain(send.error_code):
            self.stdout.write(f"{entry.meaning} {entry.mend}")
        if send.status == DeliveryStatus.QUEUED:
            self.stdout.write("No worker has taken it yet.")

    def _follow(self, send: SendLog, until: float) -> None:
        """Print each update as it comes, until a final status or the end of the wait."""
        seen: set[int] = set()
        updates = StatusUpdate.objects.using(database.alias()).filter(
            send_log=send.pk, source=Source.CALLBACK
        )
        while True:
            send = self._read(send)
            for update in updates.exclude(pk__in=seen).order_by("pk"):
                seen.add(update.pk)
                self.stdout.write(f"Callback: {update.status} {update.trace}".rstrip())
            if DeliveryStatus(send.status).is_final or time.monotonic() >= until:
                break
            time.sleep(PAUSE)
        self.stdout.write(f"{send.status}.")
        if trace := statuses.trace(send.kaleyra_trace):
            self.stdout.write(trace.meaning)
        if DeliveryStatus(send.status).is_final and send.status != DeliveryStatus.DELIVERED:
            raise CommandError("It did not arrive.")
        if send.status in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING):
            raise CommandError("It has not left: look at the queue and its workers.")
        if send.status == DeliveryStatus.UNKNOWN:
            raise CommandError("Kaleyra's answer was lost: it may have arrived. Look at the phone.")
        if not seen:
            raise CommandError("No callback came: manage.py kaleyra_otp_doctor looks for the reason.")
