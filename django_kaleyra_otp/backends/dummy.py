"""The backend that accepts every SMS and sends none."""

from __future__ import annotations

import uuid

from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.types import SMS, Receipt, Route


class DummyBackend(BaseBackend):
    """For load tests: no network, no memory."""

    def send(self, sms: SMS, route: Route) -> Receipt:
        """Accept one SMS under a new id."""
        return Receipt(message_id=f"{uuid.uuid4()}:1")
