"""Rows for the admin to show, and staff of several kinds who look at them."""

from __future__ import annotations

import os
import re
import uuid
from datetime import datetime, timedelta
from html import unescape

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from django_kaleyra_otp.models import (
    Alarm,
    BlockedPrefix,
    ChallengeStatus,
    DeliveryStatus,
    OTPChallenge,
    RateLimit,
    SendLog,
    StatusUpdate,
)

NUMBER, MASKED = "+919876543210", "+91••••••3210"
ADDRESS = "203.0.113.77"
SECRETS = {
    name: (letter * 64) for name, letter in zip(("bind", "idempotency", "fingerprint"), "bdf", strict=True)
}
KEY_FINGERPRINT = "c0ffee0123456789"
NONCE = bytes.fromhex("deadbeefdeadbeefdeadbeefdeadbeef")
BUCKET = "ab12cd34ef56" + "9" * 52
GRANTED = 777_777_777
HOSTILE = "<script>alert('x')</script>"
READ_ONLY = ("otpchallenge", "sendlog", "statusupdate", "ratelimit", "alarm")
ALL = (*READ_ONLY, "blockedprefix")


def started(status: str = ChallengeStatus.PENDING, at: datetime | None = None, **also) -> OTPChallenge:
    at = at or timezone.now()
    return OTPChallenge.objects.create(
        **{
            "phone_number": NUMBER,
            "purpose": "login",
            "language": "en",
            "status": status,
            "nonce": NONCE,
            "key_fingerprint": KEY_FINGERPRINT,
            "bind_digest": SECRETS["bind"],
            "code_length": 6,
            "max_attempts": 5,
            "max_sends": 5,
            "ip": ADDRESS,
            "created_at": at,
            "last_sent_at": at,
            "expires_at": at + timedelta(seconds=300),
            **also,
        }
    )


def sent(
    status: str = DeliveryStatus.DELIVERED, of: OTPChallenge | None = None, at: datetime | None = None, **also
) -> SendLog:
    at = at or timezone.now()
    return SendLog.objects.create(
        **{
            "challenge": of,
            "phone_number": NUMBER,
            "country": "IN",
            "block": NUMBER[:-4],
            "route": "default",
            "sender": "KLRTST",
            "body": "Your Kirana code is {code}.",
            "status": status,
            "rank": DeliveryStatus(status).rank,
            "claimed_at": at,
            "created_at": at,
            **also,
        }
    )


def told(status: str, of: SendLog | None = None, **also) -> StatusUpdate:
    return StatusUpdate.objects.create(
        **{
            "send_log": of,
            "message_id": of.message_id if of else "orphan:1",
            "status": status,
            "phone_number": NUMBER[1:],
            "fingerprint": os.urandom(32).hex(),
            **also,
        }
    )


def page(model: str, pk: object = "", view: str = "change") -> str:
    return f"/admin/kaleyra_otp/{model}/" + (f"{pk}/{view}/" if pk else "")


def text_of(response) -> str:
    """What a person reads on a page: no tags, each run of spaces one space."""
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def rows_on(response) -> int:
    return len(response.context["cl"].result_list)


def visit(kind: str) -> Client:
    """A client signed in as staff of one kind."""
    ours = Permission.objects.filter(content_type__app_label="kaleyra_otp")
    full = "view_full_phone_number"
    permissions = {
        "superuser": ours.none(),
        "seer": ours.filter(codename__startswith="view_"),
        "viewer": ours.filter(codename__startswith="view_").exclude(codename=full),
        "viewer_who_finds": ours.filter(codename__in=("find_number", *(f"view_{name}" for name in ALL))),
        "finder": ours.filter(codename="find_number"),
        "operator": ours.exclude(codename=full),
        "nobody": ours.none(),
    }
    user = get_user_model().objects.create_user(kind, is_staff=True, is_superuser=kind == "superuser")
    user.user_permissions.set(permissions[kind])
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def story() -> dict[str, object]:
    """One row of each table, every field filled, texts of strangers hostile."""
    now = timezone.now()
    person = get_user_model().objects.create_user(NUMBER, phone_number=NUMBER)
    challenge = started(
        ChallengeStatus.VERIFIED,
        now - timedelta(minutes=2),
        user=person,
        known=True,
        attempts=2,
        idempotency_digest=SECRETS["idempotency"],
        verified_at=now - timedelta(minutes=1),
        redeemed_at=now,
    )
    send = sent(
        DeliveryStatus.UNDELIVERED,
        challenge,
        now - timedelta(minutes=2),
        message_id=f"{uuid.uuid4()}:1",
        error_message=HOSTILE,
        kaleyra_status=HOSTILE,
        kaleyra_trace="ABSENT-SUB",
        http_status=202,
        latency=412,
        submitted_at=now - timedelta(minutes=2),
    )
    update = told(
        HOSTILE,
        send,
        trace=HOSTILE,
        operator=HOSTILE,
        circle=HOSTILE,
        description=HOSTILE,
        error_code=HOSTILE,
        occurred=HOSTILE[:40],
        fingerprint=SECRETS["fingerprint"],
    )
    limit = RateLimit.objects.create(key=BUCKET, tat=int(now.timestamp() * 1_000_000), granted=GRANTED)
    block = BlockedPrefix.objects.create(prefix="+919876", reason=HOSTILE, automatic=True)
    alarm = Alarm.objects.create(
        kind="pumping",
        subject="+919876",
        figures={
            "sends": 25,
            "min_sends": 20,
            "verified": 0,
            "upper_bound": 0.1332,
            "min_conversion": 0.3,
            "window": 86400,
            "mode": "monitor",
        },
        raised_at=block.created_at,
        seen_at=now,
        open_key="pumping:+919876",
    )
    return {
        "otpchallenge": challenge.pk,
        "sendlog": send.pk,
        "statusupdate": update.pk,
        "ratelimit": limit.pk,
        "blockedprefix": block.pk,
        "alarm": alarm.pk,
    }


def table(name: str):
    return apps.get_model("kaleyra_otp", name)
