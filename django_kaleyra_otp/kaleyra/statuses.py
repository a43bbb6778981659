"""Kaleyra's delivery statuses and trace codes, in the spellings of its several surfaces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from django_kaleyra_otp.kaleyra.errors import ErrorClass
from django_kaleyra_otp.kaleyra.text import gettext_noop as _

LONGEST_WORD = 64
DROPPED = re.compile("[^A-Z0-9]+")


class Status(StrEnum):
    """What became of one SMS. The first two may still change; the others are final."""

    SUBMITTED = "submitted"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Trace:
    """Why an SMS has its status: Kaleyra's ``code``, a sentence, whose fault it is, where that stands."""

    code: str
    meaning: str
    fault: ErrorClass
    source: str


def canonical(word: str) -> str:
    """Return a status or trace in upper case, letters and digits of ASCII alone; "" for what is no such word.

    ``SENT - NO DLR`` and ``Sent-No-Dlr`` are one word: Kaleyra spells by surface.
    """
    if len(word) > LONGEST_WORD:
        return ""
    return DROPPED.sub("", word.encode("ascii", "ignore").decode().upper())


# From the pages sms-callback, sms-api-status, sms-status-and-status-trace-codes of developers.kaleyra.io;
# the words of the older v4 interface, seen in third-party code, stand last in each line.
SPELLINGS = {
    Status.SUBMITTED: ("SUBMITTED", "ENROUTE", "AWAITED-DLR"),
    Status.SENT: ("SENT", "SENT - NO DLR", "NO-DLR-OPTR"),
    Status.DELIVERED: ("DELIVRD", "DELIVERED"),
    Status.UNDELIVERED: ("UNDELIVERED", "UNDELIV"),
    Status.FAILED: ("FAILED",),
    Status.EXPIRED: ("EXPIRED",),
    Status.REJECTED: ("NOT-SENT", "REJECTED"),
}

STATUSES = {canonical(word): status for status, words in SPELLINGS.items() for word in words}


def read(word: str) -> Status | None:
    """Return the status that Kaleyra's ``word`` names, or None: then the word is kept and nothing moves."""
    return STATUSES.get(canonical(word))


def trace(word: str) -> Trace | None:
    """Return the catalogue's entry for a trace code in any spelling, or None where it is not known."""
    return TRACES.get(canonical(word))


TRACE_PAGE = "developers.kaleyra.io/docs/sms-status-and-status-trace-codes"
FAILURE_PAGE = "developers.kaleyra.io/docs/sms-delivery-failure"
DIGEST = "github.com/api-evangelist/kaleyra (a third party's digest)"
OLD = "the v4 interface, from third-party code"

CONFIGURATION, RECIPIENT, HANDSET = ErrorClass.CONFIGURATION, ErrorClass.RECIPIENT, ErrorClass.HANDSET
PREFERENCE, BALANCE, DLT, VENDOR = (
    ErrorClass.PREFERENCE,
    ErrorClass.BALANCE,
    ErrorClass.DLT,
    ErrorClass.VENDOR,
)

ENTRIES = (
    # Kaleyra did not send it
    Trace("NOT-ALLOWED", _("The account may not send to this country."), CONFIGURATION, TRACE_PAGE),
    Trace("NO-CREDITS", _("The account's balance is too low."), BALANCE, TRACE_PAGE),
    Trace("SERIES-BLOCK", _("Kaleyra blocks the series this number belongs to."), RECIPIENT, TRACE_PAGE),
    Trace("KLR-INV-NUMBER", _("The number is not valid."), RECIPIENT, TRACE_PAGE),
    Trace("INV-MOB-PATTRN", _("The number has no valid shape."), RECIPIENT, TRACE_PAGE),
    Trace("SPAM", _("Kaleyra took the text for spam."), CONFIGURATION, TRACE_PAGE),
    Trace("BLACKLIST", _("The number is on a list of numbers that get no SMS."), PREFERENCE, TRACE_PAGE),
    Trace("CON-DND", _("The contact is marked as do-not-disturb."), PREFERENCE, TRACE_PAGE),
    Trace("DND-NUMB", _("The number is registered as do-not-disturb."), PREFERENCE, TRACE_PAGE),
    Trace("OPT-OUT", _("The person opted out of this sender's SMS."), PREFERENCE, TRACE_PAGE),
    Trace("NOT-OPTIN", _("The person did not opt in to this sender's SMS."), PREFERENCE, TRACE_PAGE),
    Trace("OUTPUT-REJ", _("The person left the group of recipients."), PREFERENCE, TRACE_PAGE),
    Trace("TEMPLATE-NOT-FOUND", _("The sender has no such registered template."), DLT, TRACE_PAGE),
    Trace("INV-TEMPLATE-MATCH", _("The text differs from the registered template."), DLT, TRACE_PAGE),
    Trace("SENDER-ID-NOT-FOUND", _("The account has no such sender."), CONFIGURATION, TRACE_PAGE),
    Trace("REJECTED-MULTIPART", _("The text is longer than one SMS."), CONFIGURATION, TRACE_PAGE),
    Trace("BLOCKED-COUNTRY", _("The account may not send to this country."), CONFIGURATION, DIGEST),
    Trace("KYC-NOT-APPROVED", _("Kaleyra has not approved the account's papers yet."), CONFIGURATION, DIGEST),
    Trace(
        "MOB-NOTALLOWED",
        _("The default sender reaches the account's own team only."),
        CONFIGURATION,
        FAILURE_PAGE,
    ),
    Trace("NUM-LIMIT", _("The account's cap on messages is reached."), CONFIGURATION, FAILURE_PAGE),
    Trace("INF-CREDIT", _("The account's balance is too low."), BALANCE, FAILURE_PAGE),
    Trace("MAX-LIMIT", _("The text is longer than Kaleyra allows."), CONFIGURATION, FAILURE_PAGE),
    Trace("SUBMIT-FAIL", _("Kaleyra could not hand the SMS to the operator."), VENDOR, FAILURE_PAGE),
    # it was sent and did not arrive
    Trace("INV-NUMBER", _("The number is not valid."), RECIPIENT, TRACE_PAGE),
    Trace("INVALID-SUB", _("The operator knows no such number."), RECIPIENT, TRACE_PAGE),
    Trace("ABSENT-SUB", _("The phone could not be reached."), HANDSET, TRACE_PAGE),
    Trace("HANDSET-ERR", _("The phone could not take the SMS."), HANDSET, TRACE_PAGE),
    Trace("HANDSET-BUSY", _("The phone was busy."), HANDSET, TRACE_PAGE),
    Trace("MEM-EXEC", _("The phone's memory for SMS is full."), HANDSET, TRACE_PAGE),
    Trace("MOB-OFF", _("The phone was switched off."), HANDSET, TRACE_PAGE),
    Trace("NET-ERR", _("The person's network could not pass the SMS on."), HANDSET, TRACE_PAGE),
    Trace("FAILED", _("The phone was roaming, or its operator failed."), HANDSET, TRACE_PAGE),
    Trace("EXPIRED", _("The operator tried for as long as it tries."), HANDSET, TRACE_PAGE),
    Trace("BARRED", _("The person bars SMS from strangers."), PREFERENCE, TRACE_PAGE),
    Trace("REJECTED", _("The operator bars the number from SMS."), PREFERENCE, TRACE_PAGE),
    Trace("SERIES-BLK", _("The operator blocks the series this number belongs to."), RECIPIENT, TRACE_PAGE),
    Trace("SERVER-ERR", _("A server of Kaleyra or the operator failed."), VENDOR, TRACE_PAGE),
    Trace("SNDRID-NOT-ALLOTED", _("The account has no sender for this SMS."), CONFIGURATION, TRACE_PAGE),
    # it was sent, and nothing more is to be heard
    Trace("SENT - NO DLR", _("The operator sent no report: it may have arrived."), VENDOR, DIGEST),
    # words of the older interface that may still leak through
    Trace("INVALID-NUM", _("The number is not valid."), RECIPIENT, OLD),
    Trace("OPTOUT-REJ", _("The person opted out of this sender's SMS."), PREFERENCE, OLD),
    Trace("MAX-LENGTH", _("The text is longer than Kaleyra allows."), CONFIGURATION, OLD),
    Trace("TIME-OUT-PROM", _("It went out on the promotional route, outside its hours."), CONFIGURATION, OLD),
    Trace("UNDELIV", _("The network could not pass the SMS on."), HANDSET, OLD),
    Trace("NO-DLR-OPTR", _("The operator sent no report: it may have arrived."), VENDOR, OLD),
)

TRACES = {canonical(entry.code): entry for entry in ENTRIES}
