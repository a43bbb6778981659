"""Kaleyra's delivery statuses and trace codes, in the spellings of its several surfaces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from django_kaleyra_otp.kaleyra.errors import ErrorClass

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
    if not word.isascii() or len(word) > LONGEST_WORD:
        return ""
    return DROPPED.sub("", word.upper())


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
    Trace("NOT-ALLOWED", "The account may not send to this country.", CONFIGURATION, TRACE_PAGE),
    Trace("NO-CREDITS", "The account's balance is too low.", BALANCE, TRACE_PAGE),
    Trace("SERIES-BLOCK", "Kaleyra blocks the series this number belongs to.", RECIPIENT, TRACE_PAGE),
    Trace("KLR-INV-NUMBER", "The number is not valid.", RECIPIENT, TRACE_PAGE),
    Trace("INV-MOB-PATTRN", "The number has no valid shape.", RECIPIENT, TRACE_PAGE),
    Trace("SPAM", "Kaleyra took the text for spam.", CONFIGURATION, TRACE_PAGE),
    Trace("BLACKLIST", "The number is on a list of numbers that get no SMS.", PREFERENCE, TRACE_PAGE),
    Trace("CON-DND", "The contact is marked as do-not-disturb.", PREFERENCE, TRACE_PAGE),
    Trace("DND-NUMB", "The number is registered as do-not-disturb.", PREFERENCE, TRACE_PAGE),
    Trace("OPT-OUT", "The person opted out of this sender's SMS.", PREFERENCE, TRACE_PAGE),
    Trace("NOT-OPTIN", "The person did not opt in to this sender's SMS.", PREFERENCE, TRACE_PAGE),
    Trace("OUTPUT-REJ", "The person left the group of recipients.", PREFERENCE, TRACE_PAGE),
    Trace("TEMPLATE-NOT-FOUND", "The sender has no such registered template.", DLT, TRACE_PAGE),
    Trace("INV-TEMPLATE-MATCH", "The text differs from the registered template.", DLT, TRACE_PAGE),
    Trace("SENDER-ID-NOT-FOUND", "The account has no such sender.", CONFIGURATION, TRACE_PAGE),
    Trace("REJECTED-MULTIPART", "The text is longer than one SMS.", CONFIGURATION, TRACE_PAGE),
    Trace("BLOCKED-COUNTRY", "The account may not send to this country.", CONFIGURATION, DIGEST),
    Trace("KYC-NOT-APPROVED", "Kaleyra has not approved the account's papers yet.", CONFIGURATION, DIGEST),
    Trace(
        "MOB-NOTALLOWED",
        "The default sender reaches the account's own team only.",
        CONFIGURATION,
        FAILURE_PAGE,
    ),
    Trace("NUM-LIMIT", "The account's cap on messages is reached.", CONFIGURATION, FAILURE_PAGE),
    Trace("INF-CREDIT", "The account's balance is too low.", BALANCE, FAILURE_PAGE),
    Trace("MAX-LIMIT", "The text is longer than Kaleyra allows.", CONFIGURATION, FAILURE_PAGE),
    Trace("SUBMIT-FAIL", "Kaleyra could not hand the SMS to the operator.", VENDOR, FAILURE_PAGE),
    # it was sent and did not arrive
    Trace("INV-NUMBER", "The number is not valid.", RECIPIENT, TRACE_PAGE),
    Trace("INVALID-SUB", "The operator knows no such number.", RECIPIENT, TRACE_PAGE),
    Trace("ABSENT-SUB", "The phone could not be reached.", HANDSET, TRACE_PAGE),
    Trace("HANDSET-ERR", "The phone could not take the SMS.", HANDSET, TRACE_PAGE),
    Trace("HANDSET-BUSY", "The phone was busy.", HANDSET, TRACE_PAGE),
    Trace("MEM-EXEC", "The phone's memory for SMS is full.", HANDSET, TRACE_PAGE),
    Trace("MOB-OFF", "The phone was switched off.", HANDSET, TRACE_PAGE),
    Trace("NET-ERR", "The person's network could not pass the SMS on.", HANDSET, TRACE_PAGE),
    Trace("FAILED", "The phone was roaming, or its operator failed.", HANDSET, TRACE_PAGE),
    Trace("EXPIRED", "The operator tried for as long as it tries.", HANDSET, TRACE_PAGE),
    Trace("BARRED", "The person bars SMS from strangers.", PREFERENCE, TRACE_PAGE),
    Trace("REJECTED", "The operator bars the number from SMS.", PREFERENCE, TRACE_PAGE),
    Trace("SERIES-BLK", "The operator blocks the series this number belongs to.", RECIPIENT, TRACE_PAGE),
    Trace("SERVER-ERR", "A server of Kaleyra or the operator failed.", VENDOR, TRACE_PAGE),
    Trace("SNDRID-NOT-ALLOTED", "The account has no sender for this SMS.", CONFIGURATION, TRACE_PAGE),
    # words of the older interface that may still leak through
    Trace("INVALID-NUM", "The number is not valid.", RECIPIENT, OLD),
    Trace("OPTOUT-REJ", "The person opted out of this sender's SMS.", PREFERENCE, OLD),
    Trace("MAX-LENGTH", "The text is longer than Kaleyra allows.", CONFIGURATION, OLD),
    Trace("TIME-OUT-PROM", "It went out on the promotional route, outside its hours.", CONFIGURATION, OLD),
    Trace("UNDELIV", "The network could not pass the SMS on.", HANDSET, OLD),
    Trace("NO-DLR-OPTR", "The operator sent no report: it may have arrived.", VENDOR, OLD),
)

TRACES = {canonical(entry.code): entry for entry in ENTRIES}
