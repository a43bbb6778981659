"""The words of an SMS, its language, its segments."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from django_kaleyra_otp import shapes
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DeliveryUnavailable, Invalid
from django_kaleyra_otp.models.delivery import PLACEHOLDER
from django_kaleyra_otp.shapes import Message
from django_kaleyra_otp.shapes.texts import PLACEHOLDER as NAME
from django_kaleyra_otp.types import Secret

logger = logging.getLogger(__name__)

#: Characters of a value of ``bind`` in a text, at most. Source: the DLT rule for one ``{#var#}``.
MAX_VALUE = 30

#: What phones read as the line that ties a code to a site, wherever it stands. Source: Chromium's
#: sms_parser.cc, which looks after any white space; WICG's own steps look at the last line alone.
_ORIGIN_LINE = re.compile(r"(?:^|\s)@\S+ #\S")

#: Source: 3GPP TS 23.038, 6.2.1 (without the escape) and 6.2.1.1, which take two septets each.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_GSM = _BASIC | _EXTENDED


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text with all but the code in it: ``{code}`` stands where that goes.

    ``template_id`` is the DLT template of India, or ""; ``segments`` how many parts it is billed as.
    """

    body: str
    template_id: str
    segments: int


def default_language() -> str:
    """Return the language of a text that nobody asked another for: ``LANGUAGE_CODE``."""
    return settings.LANGUAGE_CODE


def render(
    *, purpose: str, language: str, phone_number: str, code_length: int, ttl: int, bind: Any = None
) -> Rendered:
    """Return the text for one number, the first of ``MESSAGES`` that fits.

    Takes a language as browsers write it (``hi`` fits ``hi`` and ``hi-in``), E.164, digits and
    seconds. Where no text fits the language, the first that fits all else is taken.

    Raises Invalid where the text has a name that ``bind`` lacks, or holds no fit value for (str, int
    or float: one printable line of 1 to 30 characters without braces), and DeliveryUnavailable where
    no text fits at all.
    """
    spoken = language.lower().replace("_", "-")
    fitting = [
        message
        for message in conf.MESSAGES
        if message.purpose in (None, purpose)
        and (not message.prefixes or phone_number.startswith(message.prefixes))
    ]
    if not fitting:
        logger.error("No text of KALEYRA_OTP['MESSAGES'] fits the purpose %s and this number.", purpose)
        raise DeliveryUnavailable(error_code="no_message", error_class="configuration")
    message = next((message for message in fitting if speaks(message, spoken)), fitting[0])
    return compose(message, code_length=code_length, ttl=ttl, bind=bind)


def candidates(purpose: str, prefix: str) -> list[tuple[int, Message]]:
    """Return the texts, by their number, that some number of a prefix may get for a purpose."""
    found = []
    for number, message in enumerate(conf.MESSAGES):
        if message.purpose in (None, purpose) and shapes.meets(message.prefixes or (prefix,), prefix):
            inside = tuple(each for each in message.prefixes if each.startswith(prefix)) or (prefix,)
            narrowed = replace(message, purpose=purpose, prefixes=inside)
            if not any(covers(earlier, narrowed) for earlier in conf.MESSAGES[:number]):
                found.append((number, message))
    return found


def covers(one: Message, other: Message) -> bool:
    """Return whether one text fits whatever the other fits."""
    inside = bool(other.prefixes) and all(prefix.startswith(one.prefixes) for prefix in other.prefixes)
    return (
        one.purpose in (None, other.purpose)
        and (one.language is None or (other.language is not None and speaks(one, other.language)))
        and (not one.prefixes or inside)
    )


def speaks(message: Message, language: str) -> bool:
    """Return whether a text is for a language, in small letters with hyphens."""
    wanted = message.language
    return wanted is None or language == wanted or language.startswith(f"{wanted}-")


def compose(message: Message, *, code_length: int, ttl: int, bind: Any = None) -> Rendered:
    """Return one text with all but the code in it; arguments and errors as ``render``."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name == "code":
            return PLACEHOLDER
        if name == "minutes":
            return str(max(ttl // 60, 1))  # rounded down: of a minute or more, no text promises too much
        if name == "service":
            return conf.SERVICE_NAME or "verification"
        return _bound(name, bind)

    body = NAME.sub(value, message.body)
    if len(_ORIGIN_LINE.findall(body)) != len(_ORIGIN_LINE.findall(message.body)):
        raise Invalid(
            errors={"bind": [_("No value may read like the line that ties a code to a site (@host #code).")]}
        )
    return Rendered(body, message.template_id, segments(body.replace(PLACEHOLDER, "0" * code_length)))


def _bound(name: str, bind: Any) -> str:
    """Return the value of ``bind`` that a text names, or raise Invalid, which never shows it."""
    value: Any = bind.get(name) if isinstance(bind, dict) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 10**MAX_VALUE:
        value = str(value)
    fine = isinstance(value, str) and 0 < len(value) <= MAX_VALUE and value.isprintable()
    if fine and not set("{}") & set(value):
        return str(value)
    raise Invalid(
        errors={
            "bind": [
                _("The text names “%(name)s”: give it one line of 1 to %(most)d characters, without braces.")
                % {"name": name, "most": MAX_VALUE}
            ]
        }
    )


def fill(body: str, code: Secret) -> Secret:
    """Return a text with the code in it."""
    return Secret(body.replace(PLACEHOLDER, code.reveal()))


def segments(text: str) -> int:
    """Return how many SMS a text is sent and billed as.

    One holds 160 septets of the GSM alphabet or, where a character is not in it, 70 UTF-16 units;
    each of several holds 153 or 67, and no character is split between two.

    Source: 3GPP TS 23.038, 6.2.1 (the alphabets); TS 23.040, 9.2.3.24.1 (the parts).
    """
    if _GSM.issuperset(text):
        return _parts([2 if character in _EXTENDED else 1 for character in text], 160, 153)
    return _parts([2 if character > "\uffff" else 1 for character in text], 70, 67)


def _parts(widths: Sequence[int], alone: int, each: int) -> int:
    if sum(widths) <= alone:
        return 1
    parts, used = 1, 0
    for width in widths:
        if used + width > each:
            parts, used = parts + 1, 0
        used += width
    return parts


def placeholders(body: str) -> list[str]:
    """Return the names in a text, in their order, each as often as it stands there."""
    return NAME.findall(body)


def as_registered(body: str) -> str:
    """Return a text as a DLT portal writes it: ``{#var#}`` for each name."""
    return NAME.sub("{#var#}", body)
