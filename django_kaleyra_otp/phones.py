"""Phone numbers: one spelling each, which country, which block, and how one is shown."""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import PhoneNumberType

from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import CountryNotAllowed, InvalidPhoneNumber

#: The kinds that get SMS. Never sent to: premium, shared-cost, toll-free, satellite, fixed lines.
SENDABLE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
#: Characters that hold every series: ``+``, a country code of up to three digits and the four that follow.
LONGEST_SERIES = 8
#: What phonenumbers calls the country of a number that has none (satellites, +800, +979).
NOWHERE = "001"
#: A number as people write it; no line breaks it.
EXAMPLE = "+91\N{NO-BREAK SPACE}98765\N{NO-BREAK SPACE}43210"

_WRITTEN = re.compile(r"\(?\+?[ (]*[0-9][0-9 ()-]*")


@dataclass(frozen=True, slots=True)
class Number:
    """One number: ``e164`` as ``+919876543210``, ``country`` as an ISO 3166 code."""

    e164: str = field(repr=False)
    country: str

    @property
    def block(self) -> str:
        """The number without its last four digits: the range that one buyer gets."""
        return self.e164[:-4]


def parse(text: str | PhoneNumber) -> Number:
    """Return the number that a person wrote.

    Takes a str of at most 32 characters: ``+``, digits of any script, spaces, ``-`` and brackets.
    Without ``+`` it is read in ``PHONENUMBER_DEFAULT_REGION``, where the project has one.

    Raises InvalidPhoneNumber for all else (extensions, letters, ``tel:``, invisible characters), and
    for numbers that are not in use or of a kind that is never sent to; CountryNotAllowed for those
    of no country.
    """
    if isinstance(text, PhoneNumber):
        text = text.as_e164 if text.is_valid() and not text.extension else ""
    if not isinstance(text, str) or len(text) > 32:
        raise InvalidPhoneNumber
    folded = "".join(str(unicodedata.digit(c)) if unicodedata.category(c) == "Nd" else c for c in text).strip(
        " "
    )
    if not _WRITTEN.fullmatch(folded):
        raise InvalidPhoneNumber
    try:
        parsed = phonenumbers.parse(folded, getattr(settings, "PHONENUMBER_DEFAULT_REGION", None))
    except phonenumbers.NumberParseException:
        parsed = None
    kind = phonenumbers.number_type(parsed) if parsed else PhoneNumberType.UNKNOWN
    if parsed is None or kind == PhoneNumberType.UNKNOWN:  # that is, not phonenumbers.is_valid_number
        raise InvalidPhoneNumber
    country = phonenumbers.region_code_for_number(parsed)
    if country is None or country == NOWHERE:
        raise CountryNotAllowed
    if kind not in SENDABLE:
        raise InvalidPhoneNumber
    return Number(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164), country)


def stored(text: str) -> Number:
    """Return a number as rows have it: also one that is no longer in use, if it has its ``+``.

    Raises InvalidPhoneNumber for what is no number at all.
    """
    written = re.sub(r"[\s()-]", "", text)
    try:
        return parse(text)
    except (InvalidPhoneNumber, CountryNotAllowed):
        if re.fullmatch(r"\+[0-9]{5,15}", written):
            return Number(written, "")
        raise InvalidPhoneNumber from None


def of_user(user: Any) -> str | None:
    """Return the number (E.164) that a user has at ``USER_PHONE``, or None where none can be read."""
    value = user
    for name in conf.USER_PHONE.split("__"):
        try:
            value = getattr(value, name, None)
        except ObjectDoesNotExist:
            return None
    if isinstance(value, PhoneNumber):
        return value.as_e164 if value.is_valid() else None
    return value or None if isinstance(value, str) else None


def owner_of(user: Any) -> tuple[Any, str]:
    """Return what holds a user's number, himself or what ``USER_PHONE`` leads to, and the field's name."""
    *path, name = conf.USER_PHONE.split("__")
    return functools.reduce(getattr, path, user), name


def mask(e164: str) -> str:
    """Return how a number is shown to who may not see it: ``+91••••••3210``; of a short one, less is."""
    digits = e164.lstrip("+")
    code = next(
        (
            digits[:length]
            for length in (1, 2, 3)
            if digits[:length].isdecimal()
            and int(digits[:length]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
        ),
        "",
    )
    own = digits[len(code) :]
    shown = min(4, len(own) // 2)
    return f"+{code}{'•' * (len(own) - shown)}{own[len(own) - shown :]}"


def series(e164: str) -> str:
    """Return the country code and the first four national digits: what the guard counts by."""
    shown = mask(e164)
    return e164[: shown.index("•") + 4] if "•" in shown else e164
