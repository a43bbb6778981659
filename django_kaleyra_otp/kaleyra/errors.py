"""Kaleyra's error codes: what each means, whose fault it is, what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django_kaleyra_otp.kaleyra.text import gettext_noop as _


class ErrorClass(StrEnum):
    """Whose fault a failed send is, and so who can mend it.

    ``configuration``: our settings, or the account's. ``recipient``: the number. ``handset``: the
    phone or its network, for a while. ``preference``: the person wants no SMS. ``balance``: money.
    ``dlt``: India's registered templates. ``vendor``: Kaleyra. ``network``: the way to Kaleyra.
    ``caller``: a request that no setting makes right.
    """

    CONFIGURATION = "configuration"
    RECIPIENT = "recipient"
    HANDSET = "handset"
    PREFERENCE = "preference"
    BALANCE = "balance"
    DLT = "dlt"
    VENDOR = "vendor"
    NETWORK = "network"
    CALLER = "caller"


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One error code: ``meaning`` and ``mend`` are sentences; ``source`` says where it is documented."""

    code: str
    meaning: str
    error_class: ErrorClass
    mend: str
    source: str


SEND_PAGE = "developers.kaleyra.io/docs/sms-api-send-otp-sms"
WHATSAPP_PAGE = "developers.kaleyra.io/docs/whatsapp-error-codes (the same gateway)"
VERIFY_PAGE = "developers.kaleyra.io/docs/verify"
PROFILES_PAGE = "developers.kaleyra.io/docs/platform-apis-get-callback-profile-by-id"

ENTRIES = (
    ErrorEntry(
        "RBC001",
        _("The account SID or the API key is wrong, or they do not belong together."),
        ErrorClass.CONFIGURATION,
        _("Check SID and API key, and that the team member who made the key still exists."),
        WHATSAPP_PAGE,
    ),
    ErrorEntry(
        "RBC302",
        _("There is no callback profile with this id."),
        ErrorClass.CONFIGURATION,
        _("Copy the id from Kaleyra's page of callback profiles; it belongs to one account."),
        PROFILES_PAGE,
    ),
    ErrorEntry(
        "E404",
        _("An SMS of type OTP goes to one number only."),
        ErrorClass.CALLER,
        _("Send one request for each number."),
        SEND_PAGE,
    ),
    ErrorEntry(
        "E110",
        _("The account's balance is too low."),
        ErrorClass.BALANCE,
        _("Top up the account; nothing is sent until then."),
        WHATSAPP_PAGE,
    ),
    ErrorEntry(
        "WAV2101",
        _("The daily limit of the WhatsApp number is reached."),
        ErrorClass.VENDOR,
        _("Wait for the next day, or ask Kaleyra for a higher limit."),
        WHATSAPP_PAGE,
    ),
    ErrorEntry(
        "WA400",
        _("The WhatsApp request was malformed."),
        ErrorClass.CALLER,
        _("An SMS never meets this code: check the base URL and the callback profile's channel."),
        WHATSAPP_PAGE,
    ),
    ErrorEntry(
        "WA401",
        _("The WhatsApp request was not authorized."),
        ErrorClass.CONFIGURATION,
        _("Check SID and API key."),
        WHATSAPP_PAGE,
    ),
    ErrorEntry(
        "WA500",
        _("Kaleyra met an internal error."),
        ErrorClass.VENDOR,
        _("Wait; ask Kaleyra's support if it lasts."),
        WHATSAPP_PAGE,
    ),
    ErrorEntry(
        "E600",
        _("Kaleyra Verify got no recipient."),
        ErrorClass.CALLER,
        _("Name a recipient."),
        VERIFY_PAGE,
    ),
    ErrorEntry(
        "E802",
        _("Kaleyra Verify got a malformed e-mail address."),
        ErrorClass.CALLER,
        _("Correct the address."),
        VERIFY_PAGE,
    ),
    ErrorEntry(
        "E804",
        _("Kaleyra Verify got no mobile number."),
        ErrorClass.CALLER,
        _("Name a mobile number."),
        VERIFY_PAGE,
    ),
    ErrorEntry(
        "E805",
        _("Kaleyra Verify got a malformed mobile number."),
        ErrorClass.RECIPIENT,
        _("Correct the number: country code first, digits only."),
        VERIFY_PAGE,
    ),
    ErrorEntry(
        "E905",
        _("Kaleyra Verify does not know this flow."),
        ErrorClass.CONFIGURATION,
        _("Copy the flow's id from Kaleyra's console."),
        VERIFY_PAGE,
    ),
    ErrorEntry(
        "E910",
        _("This Kaleyra Verify request is already done."),
        ErrorClass.CALLER,
        _("Start a new one."),
        VERIFY_PAGE,
    ),
)

CATALOGUE = {entry.code: entry for entry in ENTRIES}

BY_PARAMETER = {
    "to": ErrorClass.RECIPIENT,
    "template_id": ErrorClass.DLT,
    "sender": ErrorClass.CONFIGURATION,
    "callback_profile_id": ErrorClass.CONFIGURATION,
    "body": ErrorClass.CONFIGURATION,
    "type": ErrorClass.CONFIGURATION,
}

BY_STATUS = {
    401: ErrorClass.CONFIGURATION,
    402: ErrorClass.BALANCE,
    403: ErrorClass.CONFIGURATION,
    429: ErrorClass.VENDOR,
}


def explain(code: str) -> ErrorEntry | None:
    """Return the catalogue's entry for an error code, or None: most of Kaleyra's SMS codes are not public."""
    return CATALOGUE.get(code.strip().upper())


def classify(code: str, http_status: int | None, parameter: str = "") -> ErrorClass:
    """Return whose fault a failure is.

    Takes Kaleyra's ``code`` or "", the HTTP status (None where no answer came), and the name of
    the ``parameter`` that the answer calls wrong, or "". A known code decides; then the status;
    then the parameter.
    """
    entry = explain(code)
    if entry is not None:
        return entry.error_class
    if http_status is None:
        return ErrorClass.NETWORK
    if http_status in BY_STATUS:
        return BY_STATUS[http_status]
    if http_status >= 500:
        return ErrorClass.VENDOR
    return BY_PARAMETER.get(parameter, ErrorClass.CONFIGURATION)
