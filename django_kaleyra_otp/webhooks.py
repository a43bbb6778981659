"""Who may call back, and what each HTTP answer means."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_kaleyra_otp import tracking
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DatabaseBusy
from django_kaleyra_otp.kaleyra import callbacks
from django_kaleyra_otp.kaleyra.callbacks import Callback
from django_kaleyra_otp.transactions import OutsideTransactions
from django_kaleyra_otp.types import Secret

logger = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024


class WebhookView(OutsideTransactions, View):
    """Called by Kaleyra once for each new status of one SMS.

    204: stored, or stored before, however odd it is: Kaleyra may switch off a profile whose
    calls fail. 401: not Kaleyra, body unread. 411: a length is needed. 413: over 64 KiB.
    503: not stored, call again.
    """

    http_method_names = ["post"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, open to callers without a session or a CSRF token."""
        return login_not_required(csrf_exempt(super().as_view(**initkwargs)))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Store one callback."""
        if not knows_the_secret(request):
            return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="kaleyra"'})
        try:
            callback = read_callback(request)
        except _Unreadable as trouble:
            return HttpResponse(status=trouble.status)
        try:
            tracking.record_status(callback)
        except (DatabaseBusy, DatabaseError) as error:
            # no traceback: a mailed one shows the request, and that is Kaleyra's to fill
            name = type(error).__name__
            logger.error("A callback could not be stored (%s); Kaleyra was asked to call again.", name)
            return HttpResponse(status=503, headers={"Retry-After": "5"})
        return HttpResponse(status=204)


class _Unreadable(Exception):
    """The body cannot be taken; ``status`` is the HTTP answer."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


def read_callback(request: HttpRequest) -> Callback:
    """Return what the body says. Its text may hold a code, so no frame below this one has it."""
    if is_chunked(request) and not request.META.get(
        "wsgi.input_terminated", "wsgi.input" not in request.META
    ):
        raise _Unreadable(411)
    try:
        body = read_body(request)
    except (UnreadablePostError, OSError, ValueError):
        raise _Unreadable(400) from None
    if len(body) > MAX_BYTES:
        raise _Unreadable(413)
    callback = callbacks.parse(body, request.META.get("CONTENT_TYPE", ""))
    if not callback.readable:
        logger.warning("A callback of %s bytes could not be read; an empty update was stored.", len(body))
    return callback


def is_chunked(request: HttpRequest) -> bool:
    """Return whether the request's body comes without a length."""
    return "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()


def read_body(request: HttpRequest) -> bytes:
    """Return the body, at most one byte more than is taken, counted as it is read."""
    stream = request.META.get("wsgi.input")
    if is_chunked(request) and stream is not None:
        # Django's WSGI request takes a missing length for an empty body
        return _read(stream.read)
    return _read(request.read)


def _read(read: Callable[[int], bytes]) -> bytes:
    found = b""
    while len(found) <= MAX_BYTES:
        part = read(MAX_BYTES + 1 - len(found))
        if not part:
            break
        found += part
    return found


def knows_the_secret(request: HttpRequest) -> bool:
    """Return whether the request shows ``WEBHOOK_SECRET``: as Basic password or in its own header.

    Compares in constant time, with each secret. Without a good one in the settings, nobody knows it.
    """
    try:
        secrets = conf.WEBHOOK_SECRET
    except ImproperlyConfigured as error:
        logger.error("%s Every callback is refused.", error)
        return False
    shown = [Secret(request.META.get("HTTP_X_KALEYRA_OTP_SECRET", "")), Secret(_basic_password(request))]
    fits = [_same(secret, given) for secret in secrets for given in shown]
    return any(fits)


def _same(secret: Secret, given: Secret) -> bool:
    return hmac.compare_digest(secret.reveal().encode(), given.reveal().encode("utf-8", "surrogateescape"))


def _basic_password(request: HttpRequest) -> str:
    scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic" or len(credentials) > 1024:
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
