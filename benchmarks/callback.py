"""Kaleyra calls back: a status of an SMS that is known."""

from __future__ import annotations

import uuid

from django.utils import timezone

from benchmarks import start
from benchmarks.floor import AUTHORIZATION
from benchmarks.measure import Call, Case
from django_kaleyra_otp.models import DeliveryStatus, SendLog, StatusUpdate

#: Message ids of every callback made.
_named: list[str] = []


def callbacks(root: str, n: int) -> list[Call]:
    """Return n reports that an SMS arrived, each of an SMS of its own, as a callback profile words them."""
    now = timezone.now()
    sends = [
        SendLog(
            phone_number=(number := start.number()),
            country="IN",
            block=number[:-4],
            body="Your verification code is {code}.",
            status="submitted",
            rank=3,
            message_id=f"{uuid.uuid4()}:1",
            submitted_at=now,
            created_at=now,
        )
        for _ in range(n)
    ]
    SendLog.objects.bulk_create(sends)
    _named.extend(send.message_id for send in sends)
    return [
        Call(
            method="POST",
            path=f"/{root}/webhook/",
            body={
                "id": send.message_id,
                "kid": send.message_id,
                "recipient": send.phone_number.lstrip("+"),
                "status": "DELIVRD",
                "status_trace": "DELIVRD",
                "description": "Delivered",
                "source": "KLRBCH",
                "operator": "Airtel",
                "circle": "Delhi",
                "timestamp": "1760000000",
            },
            headers={"Authorization": AUTHORIZATION},
            status=204,
        )
        for send in sends
    ]


def settled() -> bool:
    """Return whether every callback was stored and every SMS is delivered."""
    delivered = SendLog.objects.filter(status=DeliveryStatus.DELIVERED).exclude(message_id="")
    return delivered.count() == StatusUpdate.objects.count() == len(_named)


CASES = [
    Case(
        name="webhook, known id",
        ours=lambda n: callbacks("otp", n),
        floor=lambda n: callbacks("floor", n),
        budget=1.25,
        statements=3,
        settled=settled,
    )
]
