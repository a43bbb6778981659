"""The backend that keeps every SMS in memory, for tests."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.types import SMS, Receipt, Route


@dataclass(frozen=True, slots=True)
class OutboxSMS:
    """One SMS in the outbox; number, text and code are left out of the repr, so that no test prints them."""

    to: str = field(repr=False)
    body: str = field(repr=False)
    code: str = field(repr=False)
    message_id: str
    sender: str
    template_id: str
    route: str


#: Every SMS handed over, oldest first. Clear it between tests.
outbox: list[OutboxSMS] = []


class LocMemBackend(BaseBackend):
    """Appends each SMS to ``outbox``."""

    def send(self, sms: SMS, route: Route) -> Receipt:
        """Keep one SMS under a new id."""
        message_id = f"{uuid.uuid4()}:1"
        outbox.append(
            OutboxSMS(
                to=sms.to,
                body=sms.body.reveal(),
                code=sms.code.reveal(),
                message_id=message_id,
                sender=route.sender,
                template_id=sms.template_id,
                route=route.name,
            )
        )
        return Receipt(message_id=message_id)
