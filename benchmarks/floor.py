"""The floor: bare views that do each job with the fewest statements, and the URLs of both."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.settings import SECRET
from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate

SCOPES = ("phone|3/10m", "phone|5/h", "phone|10/d", "cooldown", "ip|60/h", "ip|300/d", "block|60/h")
AUTHORIZATION = "Basic " + base64.b64encode(f"kaleyra:{SECRET}".encode()).decode()
ROWS = ", ".join(["(%s, %s, 0)"] * len(SCOPES))
if connection.vendor == "mysql":
    UPSERT = (
        f"INSERT INTO kaleyra_otp_ratelimit (`key`, tat, granted) VALUES {ROWS} "
        "ON DUPLICATE KEY UPDATE tat = tat + 1"
    )
else:
    UPSERT = (
        f"INSERT INTO kaleyra_otp_ratelimit (key, tat, granted) VALUES {ROWS} "
        "ON CONFLICT (key) DO UPDATE SET tat = kaleyra_otp_ratelimit.tat + 1"
    )


def digest(code: str) -> str:
    """Return what a bare view keeps of a code."""
    return hashlib.sha256(code.encode()).hexdigest()


class StartFloor(APIView):
    """An upsert of the limits and two INSERTs in one transaction, and an UPDATE after the send."""

    def post(self, request: Request) -> Response:
        number, now = request.data["phone_number"], timezone.now()
        ip = request.META["HTTP_X_FORWARDED_FOR"].rpartition(",")[2].strip()
        code = f"{secrets.randbelow(10**6):06d}"
        with transaction.atomic():
            self.charge({"phone": number, "cooldown": number, "ip": ip, "block": number[:-4]}, now)
            challenge = OTPChallenge.objects.create(
                phone_number=number,
                purpose="verify",
                language="en-us",
                nonce=b"",
                bind_digest=digest(code),
                code_length=6,
                max_attempts=5,
                max_sends=5,
                ip=ip,
                created_at=now,
                last_sent_at=now,
                expires_at=now + timedelta(seconds=300),
            )
            send = SendLog.objects.create(
                challenge=challenge,
                phone_number=number,
                country="IN",
                block=number[:-4],
                body="Your verification code is {code}.",
                status="sending",
                rank=1,
                created_at=now,
            )
        SendLog.objects.filter(pk=send.pk).update(
            status="submitted", rank=3, message_id=f"{uuid.uuid4()}:1", submitted_at=timezone.now()
        )
        shown = {"id": challenge.pk, "status": challenge.status, "expires_at": challenge.expires_at}
        return Response(shown, status=201)

    def charge(self, subjects: dict[str, str], now: datetime) -> None:
        """Count the SMS in every bucket, in one statement."""
        at = int(now.timestamp() * 1_000_000)
        rows: list[Any] = []
        for scope in SCOPES:
            rows += (f"{scope}|{subjects[scope.partition('|')[0]]}", at)
        with connection.cursor() as cursor:
            cursor.execute(UPSERT, rows)


class VerifyFloor(APIView):
    """A SELECT, and an UPDATE that spends an attempt of a challenge that is open still."""

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        now = timezone.now()
        challenge = OTPChallenge.objects.get(pk=pk)
        right = constant_time_compare(digest(request.data["code"]), challenge.bind_digest)
        after = {"status": "verified", "verified_at": now} if right else {}
        live = OTPChallenge.objects.filter(
            pk=pk, status="pending", attempts__lt=F("max_attempts"), expires_at__gt=now
        )
        if not live.update(**after, attempts=F("attempts") + 1):
            return Response({"code": "expired"}, status=410)
        if right:
            return Response({"status": "verified"})
        return Response({"code": "invalid_code"}, status=400)


class LookFloor(APIView):
    """A SELECT of the challenge with its newest send."""

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        sends = SendLog.objects.select_related("challenge").filter(challenge_id=pk).order_by("-created_at")
        send = sends[0]
        challenge = send.challenge
        return Response(
            {
                "id": challenge.pk,
                "status": challenge.status,
                "expires_at": challenge.expires_at,
                "delivery": send.status,
            }
        )


@csrf_exempt
def webhook_floor(request: HttpRequest) -> HttpResponse:
    """A plain view: an INSERT, and an UPDATE of the send that stands lower."""
    if not constant_time_compare(request.META.get("HTTP_AUTHORIZATION", ""), AUTHORIZATION):
        return HttpResponse(status=401)
    told, now = json.loads(request.body), timezone.now()
    StatusUpdate.objects.create(
        message_id=told["id"],
        status=told["status"],
        delivery_status="delivered",
        received_at=now,
        fingerprint=digest(told["id"] + told["status"]),
    )
    SendLog.objects.filter(message_id=told["id"], rank__lt=9).update(
        status="delivered", rank=9, delivered_at=now
    )
    return HttpResponse(status=204)


floor = [
    path("challenges/", StartFloor.as_view()),
    path("challenges/<uuid:pk>/", LookFloor.as_view()),
    path("challenges/<uuid:pk>/verify/", VerifyFloor.as_view()),
    path("webhook/", webhook_floor),
]
urlpatterns = [path("otp/", include("django_kaleyra_otp.urls")), path("floor/", include(floor))]
