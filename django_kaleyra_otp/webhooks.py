"""Who may call back, and what each HTTP answer means."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_kaleyra_otp import bodies, events, tracking
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DatabaseBusy
from django_kaleyra_otp.kaleyra import callbacks
from django_kaleyra_otp.kaleyra.callbacks import Callback
from django_kaleyra_otp.transactions import OutsideTransactions
from django_kaleyra_otp.types import Secret

MAX_BYTES = 64 * 1024

#: What the log says of a body that cannot be taken, by HTTP status.
_UNREADABLE = {400: "broken_body", 411: "no_length", 413: "too_long"}


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
            events.CALLBACK_REFUSED.log(reason=_why_not(request))
            return HttpResponse(status=401, headers={"WWW-Authenticate": 'Basic realm="kaleyra"'})
        try:
            callback = read_callback(request)
        except bodies.Unreadable as trouble:
            events.CALLBACK_REFUSED.log(reason=_UNREADABLE[trouble.status])
            return HttpResponse(status=trouble.status)
        try:
            tracking.record_status(callback)
        except (DatabaseBusy, DatabaseError) as error:
            # no traceback: a mailed one shows the request, and that is Kaleyra's to fill
            events.CALLBACK_NOT_STORED.log(error=type(error).__name__)
            return HttpResponse(status=503, headers={"Retry-After": "5"})
        return HttpResponse(status=204)


def read_callback(request: HttpRequest) -> Callback:
    """Return what the body says. Its text may hold a code, so no frame below this one has it."""
    body = bodies.read(request, MAX_BYTES)
    callback = callbacks.parse(body, request.META.get("CONTENT_TYPE", ""))
    if not callback.readable:
        events.CALLBACK_UNREADABLE.log(bytes=len(body))
    return callback


def knows_the_secret(request: HttpRequest) -> bool:
    """Return whether the request shows ``WEBHOOK_SECRET``: as Basic password or in its own header.

    Compares in constant time, with each secret. Without a good one in the settings, nobody knows it.
    """
    try:
        secrets = conf.WEBHOOK_SECRET
    except ImproperlyConfigured:
        return False  # the system checks say why
    shown = [Secret(request.META.get("HTTP_X_KALEYRA_OTP_SECRET", "")), Secret(_basic_password(request))]
    fits = [_same(secret, given) for secret in secrets for given in shown]
    return any(fits)


def _why_not(request: HttpRequest) -> str:
    """Return the reason of a refusal, for the log: the caller is told of none."""
    try:
        if not conf.WEBHOOK_SECRET:
            return "no_setting"
    except ImproperlyConfigured:
        return "no_setting"
    shown = request.META.get("HTTP_X_KALEYRA_OTP_SECRET") or request.META.get("HTTP_AUTHORIZATION")
    return "wrong_secret" if shown else "no_secret"


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
