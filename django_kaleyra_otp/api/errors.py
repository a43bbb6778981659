"""From a word to its HTTP status, and from any exception to an answer."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import DatabaseError, InterfaceError
from django.http import Http404
from rest_framework import exceptions as drf
from rest_framework.response import Response

from django_kaleyra_otp import exceptions as ours

logger = logging.getLogger(__name__)

#: Every word that an error answer may have, with its HTTP status.
STATUS: dict[str, int] = {
    "invalid_phone_number": 400,
    "invalid": 400,
    "invalid_code": 400,
    "invalid_token": 400,
    "not_authenticated": 401,
    "permission_denied": 403,
    "country_not_allowed": 403,
    "prefix_blocked": 403,
    "refused": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "already_verified": 409,
    "canceled": 409,
    "idempotency_conflict": 409,
    "expired": 410,
    "unsupported_media_type": 415,
    "cooldown": 429,
    "rate_limited": 429,
    "throttled": 429,
    "max_attempts_reached": 429,
    "max_failures_reached": 429,
    "max_sends_reached": 429,
    "delivery_failed": 502,
    "delivery_unavailable": 503,
}

#: The sentence for a person, by word, where no exception brings its own.
DETAIL = {
    error.code: error.default_detail
    for error in (
        ours.Invalid,
        ours.NotFound,
        ours.AlreadyVerified,
        ours.Canceled,
        ours.Expired,
        ours.MaxAttemptsReached,
    )
}


def error_response(
    code: str, detail: Any = None, *, headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    """Return ``{"detail", "code", ...}`` with the status of its word."""
    body = {"detail": str(detail if detail is not None else DETAIL[code]), "code": code, **extra}
    return Response(body, status=STATUS[code], headers=dict(headers or {}))


def handle(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an exception of a view; None for one that is a fault of the code, which Django reports."""
    if isinstance(exception, ours.KaleyraOTPError):
        return _ours(exception)
    if isinstance(exception, (DatabaseError, InterfaceError)):
        logger.error("The database refused: %s.", type(exception).__name__)
        return _ours(ours.DatabaseBusy(retry_after=1))
    if isinstance(exception, ImproperlyConfigured):
        logger.error("The settings are wrong; run manage.py check.", exc_info=exception)
        return _ours(ours.DeliveryUnavailable())
    if isinstance(exception, Http404):
        return _ours(ours.NotFound())
    if isinstance(exception, DjangoPermissionDenied):
        exception = drf.PermissionDenied()
    if isinstance(exception, drf.APIException):
        return _framework(exception)
    return None


def _ours(error: ours.KaleyraOTPError) -> Response:
    extra: dict[str, Any] = {}
    if isinstance(error, ours.Invalid) and error.errors:
        extra["errors"] = {field: [str(line) for line in lines] for field, lines in error.errors.items()}
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return error_response(error.code, error.detail, headers=headers, **extra)


def _framework(error: drf.APIException) -> Response:
    """Translate what Django REST framework raises into our words."""
    headers: dict[str, str] = {}
    if isinstance(error, drf.ValidationError):
        return error_response("invalid", errors=error.detail)
    if isinstance(error, drf.ParseError):
        return error_response("invalid", errors={"non_field_errors": [str(error.detail)]})
    if isinstance(error, drf.Throttled):
        wait = getattr(error, "wait", None)
        if wait is not None:
            headers["Retry-After"] = str(math.ceil(wait))
        return error_response("throttled", error.detail, headers=headers)
    if isinstance(error, (drf.NotAuthenticated, drf.AuthenticationFailed)):
        # without a scheme to name, the framework has made it a 403
        challenge = getattr(error, "auth_header", None)
        if challenge and error.status_code == 401:
            return error_response("not_authenticated", error.detail, headers={"WWW-Authenticate": challenge})
        return error_response("permission_denied", error.detail)
    if isinstance(error, drf.MethodNotAllowed):
        return error_response("method_not_allowed", error.detail)
    if isinstance(error, drf.UnsupportedMediaType):
        return error_response("unsupported_media_type", error.detail)
    if isinstance(error, drf.NotFound):
        return _ours(ours.NotFound())
    return error_response("permission_denied", error.detail)
