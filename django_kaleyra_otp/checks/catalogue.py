"""Every check by its id, and how one is told."""

from __future__ import annotations

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004

#: Every check: its id, and what it finds.
CHECKS = {
    "kaleyra_otp.E001": "``KALEYRA_OTP`` is not a dict.",
    "kaleyra_otp.E002": "A key that nobody reads.",
    "kaleyra_otp.E003": "A value of the wrong type, shape or range.",
    "kaleyra_otp.E004": "A key of the Kaleyra account is missing.",
    "kaleyra_otp.E005": "``ALLOWED_COUNTRIES`` is not set: nothing is sent.",
    "kaleyra_otp.E006": "``WEBHOOK_SECRET`` is not set: every callback is refused.",
    "kaleyra_otp.E007": "A dotted path does not lead to something that can be called.",
    "kaleyra_otp.E008": "A ``BODY`` is not the text of its ``REGISTERED``.",
    "kaleyra_otp.E009": "A purpose has no text, or none for the numbers of an allowed country.",
    "kaleyra_otp.E010": "A text is for a purpose that does not exist.",
    "kaleyra_otp.E011": "A text that Indian numbers may get has no ``TEMPLATE_ID``.",
    "kaleyra_otp.E012": "One secret has two uses.",
    "kaleyra_otp.E013": "The tables are routed to more than one database.",
    "kaleyra_otp.E014": "Deployment: ``BACKEND`` sends nothing.",
    "kaleyra_otp.E015": "Deployment: an account's address is this machine.",
    "kaleyra_otp.E016": "Deployment: ``NUM_PROXIES`` is not set.",
    "kaleyra_otp.E017": "Deployment: ``WEBHOOK_SECRET`` is the simulator's, which everybody knows.",
    "kaleyra_otp.E018": "A secret is that of an example, or the same few characters over and over.",
    "kaleyra_otp.E019": "The queue that ``DISPATCH`` names by a word is not there.",
    "kaleyra_otp.E020": "The database of the tables has ``AUTOCOMMIT`` off: nothing is committed.",
    "kaleyra_otp.W001": "The account's SID ends like one of another pod.",
    "kaleyra_otp.W002": "``CALLBACK_PROFILE_ID`` does not look like one.",
    "kaleyra_otp.W003": "A text may take more than one SMS.",
    "kaleyra_otp.W004": "A DLT text has more than two variables.",
    "kaleyra_otp.W005": "The sender for Indian numbers is not six letters.",
    "kaleyra_otp.W006": "Every country is allowed, and a text for Indian numbers has no ``TEMPLATE_ID``.",
    "kaleyra_otp.W007": "``USER_PHONE`` leads to no field of the user model.",
    "kaleyra_otp.W008": "SQLite without ``transaction_mode`` IMMEDIATE.",
    "kaleyra_otp.W009": "A text is never sent: an earlier one fits whatever it fits.",
    "kaleyra_otp.W010": "The numbering data of phonenumbers is more than twelve months old.",
    "kaleyra_otp.W011": "Deployment: no limit has the scope ``global``.",
    "kaleyra_otp.W012": "Deployment: there are ``TEST_NUMBERS``.",
    "kaleyra_otp.W013": "Deployment: a protection is switched off.",
    "kaleyra_otp.W014": "Deployment: users log in by number, and the SMS leaves in the request.",
    "kaleyra_otp.W015": "Deployment: the queue that ``DISPATCH`` names by a word is none.",
    "kaleyra_otp.W016": "``USE_TZ`` is off, and the clocks of ``TIME_ZONE`` are changed twice a year.",
    "kaleyra_otp.W017": "The tables are routed to another database than the users.",
    "kaleyra_otp.W018": "``check --database``: MariaDB or MySQL has the tables in another set than utf8mb4.",
}


def tell(number: str, what: str, hint: str) -> CheckMessage:
    """Return an error or a warning, by the first letter of its number."""
    kind = Error if number.startswith("E") else Warning
    return kind(what, hint=hint.replace("``", "'"), id=f"kaleyra_otp.{number}")  # a terminal is no page
