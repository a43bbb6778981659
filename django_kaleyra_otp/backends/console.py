"""The backend that writes every SMS to the terminal, for development."""

from __future__ import annotations

import sys
import uuid

from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.types import SMS, Receipt, Route


class ConsoleBackend(BaseBackend):
    """Writes number and text, code and all, to standard output. Never in production."""

    def send(self, sms: SMS, route: Route) -> Receipt:
        """Write one SMS and accept it under a new id."""
        rule = "-" * 60
        sys.stdout.write(
            f"{rule}\nSMS from {route.sender or '?'} to {sms.to}\n\n{sms.body.reveal()}\n{rule}\n"
        )
        sys.stdout.flush()
        return Receipt(message_id=f"{uuid.uuid4()}:1")
