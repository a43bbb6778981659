"""A model of challenges and their SMS, and a provider that takes each SMS as it is told to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from django.test import Client

from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.exceptions import DeliveryFailed, DeliveryUnavailable, DeliveryUnknown
from django_kaleyra_otp.types import Pulled, Receipt
from tests.playing import SECRET

MAX_ATTEMPTS, MAX_SENDS, COOLDOWN, TTL = 3, 3, 30, 300
DAY, LEASE, FIRST_PULL = 86_400, 60, 120

#: Delivery statuses in rank order.
RANKS = ["queued", "sending", "unknown", "submitted", "sent"]
RANKS += ["failed", "undelivered", "expired", "rejected", "delivered"]
#: What Kaleyra's words are among them; a word that is not here moves nothing.
WORDS = {
    "SENT": "sent",
    "DELIVRD": "delivered",
    "UNDELIVERED": "undelivered",
    "FAILED": "failed",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
}
#: How the provider may take an SMS.
FATES = (
    "accept",
    "accept",
    "accept",
    "accept early",
    "refuse",
    "away",
    "lose",
    "lose but name",
    "break",
    "kill",
)


class Killed(BaseException):
    """The process ends while its SMS is on the wire."""


@dataclass(eq=False)
class Sent:
    """One SMS as the model has it. ``true_id`` is the provider's, whether or not we were told."""

    number: str
    since: int
    status: str = "queued"
    pk: int = 0
    true_id: str = field(default_factory=lambda: f"{uuid.uuid4()}:1")
    named: bool = False
    taken: bool = False
    claimed: int = 0
    truth: str = "SENT"
    heard: list[str] = field(default_factory=list)
    next_pull: int | None = None
    perhaps: str = ""

    def told(self, status: str) -> None:
        if RANKS.index(status) > RANKS.index(self.status):
            self.status = status


@dataclass(eq=False)
class Asked:
    """One challenge as the model has it."""

    number: str
    since: int
    status: str = "pending"
    attempts: int = 0
    sends: list[Sent] = field(default_factory=list)
    pk: uuid.UUID | None = None
    code: str = ""
    token: str | None = None
    verified: int = 0
    redeemed: bool = False
    gone: bool = False

    def stands(self, now: int) -> str:
        return "expired" if self.status == "pending" and now - self.since >= TTL else self.status

    def refusal(self, now: int) -> str | None:
        """The word that a challenge which is not open answers; None for one that is."""
        if self.gone:
            return "not_found"
        return {"pending": None, "verified": "already_verified"}.get(self.stands(now), self.stands(now))


class Provider(BaseBackend):
    """Takes each SMS as ``fate`` says; ``of`` is the model of the SMS that is on its way."""

    fate = "accept"
    of: Sent | None = None
    by_row: dict[str, Sent] = {}
    truths: dict[str, str] = {}

    def send(self, sms, route):
        sent, fate = Provider.by_row.get(sms.reference, Provider.of), Provider.fate
        assert not sent.taken, "sent twice"
        if fate == "refuse":
            raise DeliveryFailed(error_code="E404", error_class="caller", http_status=400)
        if fate == "away":
            raise DeliveryUnavailable(error_class="network", retry_after=0)
        sent.taken = True
        Provider.truths[sent.true_id] = sent.truth
        if fate == "accept early":
            call_back(sent, "SENT")
        if fate == "lose":
            raise DeliveryUnknown
        if fate == "lose but name":
            raise DeliveryUnknown(message_id=sent.true_id)
        if fate == "break":
            raise RuntimeError("a bug")
        if fate == "kill":
            raise Killed
        return Receipt(message_id=sent.true_id, http_status=202)

    def pull(self, message_ids, route):
        return [Pulled(message_id=one, status=Provider.truths[one]) for one in message_ids]


def call_back(sent, word, number=None):
    told = {"id": sent.true_id, "status": word, "recipient": (number or sent.number).lstrip("+")}
    answer = Client().post("/otp/webhook/", told, "application/json", headers=SECRET)
    assert answer.status_code == 204
