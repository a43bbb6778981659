"""A status as it is shown: a word, a shape and a colour, so that none of them is needed alone."""

from __future__ import annotations

from enum import StrEnum

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_kaleyra_otp import guard
from django_kaleyra_otp.models import BlockedPrefix, ChallengeStatus, DeliveryStatus


class Tone(StrEnum):
    """How good the news is."""

    GOOD = "good"
    BAD = "bad"
    DOUBT = "doubt"
    OPEN = "open"
    OVER = "over"

    @property
    def shape(self) -> str:
        """The sign that tells the tone without its colour."""
        return _SHAPES[self]


_SHAPES = {Tone.GOOD: "✓", Tone.BAD: "✕", Tone.DOUBT: "?", Tone.OPEN: "○", Tone.OVER: "–"}

_DELIVERY = {
    DeliveryStatus.UNKNOWN: Tone.DOUBT,
    DeliveryStatus.FAILED: Tone.BAD,
    DeliveryStatus.UNDELIVERED: Tone.BAD,
    DeliveryStatus.EXPIRED: Tone.BAD,
    DeliveryStatus.REJECTED: Tone.BAD,
    DeliveryStatus.DELIVERED: Tone.GOOD,
}

_CHALLENGE = {
    ChallengeStatus.PENDING: Tone.OPEN,
    ChallengeStatus.VERIFIED: Tone.GOOD,
    ChallengeStatus.MAX_ATTEMPTS_REACHED: Tone.BAD,
}


def of_delivery(status: str) -> Tone:
    """Return the tone of a delivery status; "" is one that moves nothing."""
    return _DELIVERY.get(DeliveryStatus(status), Tone.OPEN) if status else Tone.OVER


def of_challenge(status: ChallengeStatus) -> Tone:
    """Return the tone of a challenge status."""
    return _CHALLENGE.get(status, Tone.OVER)


def badge(tone: Tone, word: str | Promise) -> str:
    """Return the HTML of a badge."""
    return format_html(
        '<span class="kaleyra-badge kaleyra-{}">'
        '<span class="kaleyra-shape" aria-hidden="true">{}</span>{}</span>',
        tone.value,
        tone.shape,
        word,
    )


def delivery_badge(status: str) -> str:
    """Return the badge of a delivery status."""
    return badge(of_delivery(status), DeliveryStatus(status).label)


def challenge_badge(status: ChallengeStatus) -> str:
    """Return the badge of a challenge status."""
    return badge(of_challenge(status), status.label)


def block_badge(block: BlockedPrefix) -> str:
    """Return the badge of a block: whether it closes its prefix now, as the settings are now."""
    if block.until is not None and block.until <= timezone.now():
        return badge(Tone.OVER, _("over"))
    if block.automatic and not guard.enforces(block.prefix):
        return badge(Tone.OPEN, _("not enforced"))
    return badge(Tone.BAD, _("closed"))
