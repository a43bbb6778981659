"""The OpenAPI schema of each view; a no-op where drf-spectacular is not installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django_kaleyra_otp.api import errors
from django_kaleyra_otp.api.serializers import (
    ChallengeSerializer,
    ErrorSerializer,
    StartSerializer,
    VerifiedSerializer,
    VerifySerializer,
)

try:
    from drf_spectacular import utils as spectacular
except ImportError:
    spectacular = None  # type: ignore[assignment]

View = TypeVar("View", bound=Callable[..., Any])

_ANY = {"not_authenticated", "permission_denied", "throttled", "delivery_unavailable"}
_SEND = {"country_not_allowed", "prefix_blocked", "refused", "cooldown", "rate_limited", "delivery_failed"}
_ONE = {"not_found"}
_CLOSED = {"already_verified", "canceled", "expired", "max_attempts_reached"}

#: Verb -> what it takes, what it answers, the words of its errors.
OPERATIONS: dict[str, tuple[Any, dict[int, Any], set[str]]] = {
    "start": (
        StartSerializer,
        {201: ChallengeSerializer},
        _ANY
        | _SEND
        | _ONE
        | {
            "invalid",
            "invalid_phone_number",
            "idempotency_conflict",
            "max_failures_reached",
            "unsupported_media_type",
        },
    ),
    "retrieve": (None, {200: ChallengeSerializer}, _ANY | _ONE),
    "verify": (
        VerifySerializer,
        {200: VerifiedSerializer},
        _ANY | _ONE | _CLOSED | {"invalid", "invalid_code", "unsupported_media_type"},
    ),
    "resend": (
        None,
        {200: ChallengeSerializer},
        _ANY | _SEND | _ONE | _CLOSED | {"max_sends_reached", "invalid", "unsupported_media_type"},
    ),
    "cancel": (None, {204: None}, _ANY | _ONE | (_CLOSED - {"canceled"})),
}


def describe(verb: str) -> Callable[[View], View]:
    """Return the decorator that states a verb in the schema."""
    if spectacular is None:
        return lambda view: view
    takes, answers, words = OPERATIONS[verb]
    responses: dict[int, Any] = dict(answers)
    for status in sorted({errors.STATUS[word] for word in words}):
        named = ", ".join(
            f"`{word}`" for word in errors.STATUS if word in words and errors.STATUS[word] == status
        )
        responses[status] = spectacular.OpenApiResponse(ErrorSerializer, description=named)
    parameters = []
    if verb == "start":
        parameters.append(
            spectacular.OpenApiParameter(
                "Idempotency-Key",
                {"type": "string", "pattern": "^[!-~]{16,128}$"},
                spectacular.OpenApiParameter.HEADER,
                description="The same request again, within 24 hours, gives the same challenge.",
            )
        )
    decorate: Callable[[View], View] = spectacular.extend_schema(
        operation_id=f"challenge_{verb}", request=takes, responses=responses, parameters=parameters
    )
    return decorate
