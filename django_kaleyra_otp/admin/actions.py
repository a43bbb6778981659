"""What support can do about a number; each is written to Django's admin log, refused or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_kaleyra_otp import challenges, guard, recovery, retention
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.models import DeliveryStatus, SendLog, database


@dataclass(frozen=True, slots=True)
class Said:
    """How an action went."""

    text: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """Something that support can do.

    What it is called and what it asks; the permission that it wants beside ``find_number``; what rows
    it takes. ``do`` returns what to tell the person, and what stands in the admin log.
    """

    name: str
    label: Promise
    question: Promise
    permission: str
    takes: tuple[str, ...]
    do: Callable[[Any], tuple[Said, str]]
    deletes: bool = False

    def run(self, request: HttpRequest, row: Any) -> Said:
        """Do it, write it down, and return how it went."""
        pk = row.pk
        try:
            said, entry = self.do(row)
        except KaleyraOTPError as error:
            said, entry = Said(str(error.detail), failed=True), f"{self.name}: refused, {error.code}."
        row.pk = pk  # a row that is gone is named all the same
        flag = DELETION if self.deletes and not said.failed else CHANGE
        who = cast(Any, request.user.pk)
        LogEntry.objects.log_actions(who, [row], flag, change_message=entry, single_object=True)
        return said


# The entries are not translated: they are stored, and read by others than who acted.


def _resend(challenge: Any) -> tuple[Said, str]:
    challenges.resend(challenge.pk)
    return Said(_("The code is sent again.")), "Sent the code again."


def _open(challenge: Any) -> tuple[Said, str]:
    opened = guard.forgive(challenge.phone_number, timezone.now())
    entry = f"Forgave the wrong codes of {opened} challenges."
    return Said(_("No wrong code stands against the number.")), entry


def _lift(block: Any) -> tuple[Said, str]:
    block.delete()
    return Said(_("The block is lifted.")), "Lifted the block."


def _ask(send: Any) -> tuple[Said, str]:
    told = bool(send.message_id) and recovery.ask(send)
    entry = "Asked Kaleyra for the status."
    if not told:
        return Said(_("Kaleyra told nothing."), failed=True), entry
    rows = SendLog.objects.using(database.alias()).filter(pk=send.pk)
    status = rows.values_list("status", flat=True).first()
    if status is None:  # forgotten or purged meanwhile
        return Said(_("There is nothing left to do.")), entry
    return Said(_("Kaleyra says: %s.") % DeliveryStatus(status).label), entry


def _forget(row: Any) -> tuple[Said, str]:
    gone = retention.forget(row.phone_number)
    entry = f"Forgot a number: {gone.challenges} challenges, {gone.sends} sends, {gone.updates} updates."
    return Said(_("The number is forgotten.")), entry


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "resend",
            gettext_lazy("Send the code again"),
            gettext_lazy("The same code is sent again, within the same limits as if the person had asked."),
            "kaleyra_otp.resend_code",
            ("challenge",),
            _resend,
        ),
        Action(
            "open",
            gettext_lazy("Open the number"),
            gettext_lazy("The wrong codes that stand against it are forgiven, for every purpose and caller."),
            "kaleyra_otp.open_number",
            ("challenge",),
            _open,
        ),
        Action(
            "lift",
            gettext_lazy("Lift the block"),
            gettext_lazy("SMS go to every number of this prefix again."),
            "kaleyra_otp.delete_blockedprefix",
            ("block",),
            _lift,
            deletes=True,
        ),
        Action(
            "ask",
            gettext_lazy("Ask Kaleyra now"),
            gettext_lazy("Kaleyra is asked what became of this SMS."),
            "kaleyra_otp.pull_status",
            ("send",),
            _ask,
        ),
        Action(
            "forget",
            gettext_lazy("Forget the number"),
            gettext_lazy(
                "Every challenge, SMS and status update of the number is deleted, wrong codes with them, and "
                "its limits begin anew. This cannot be taken back."
            ),
            "kaleyra_otp.forget_number",
            ("challenge", "send"),
            _forget,
            deletes=True,
        ),
    )
}
