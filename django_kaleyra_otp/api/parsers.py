"""How a body is read: a small JSON object, and nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import IO, Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from django_kaleyra_otp import bodies

MAX_BYTES = 4096

_BROKEN = _("The body could not be read.")
_TOO_LONG = _("Send at most 4 KiB.")
_WHY = {400: _BROKEN, 411: _("Send the length of the body."), 413: _TOO_LONG}


def give_length(request: HttpRequest) -> None:
    """Read a body that came without a length, and give it one: the framework would take it for empty.

    Raises ParseError where that cannot be done.
    """
    if request.META.get("CONTENT_LENGTH"):
        return
    try:
        body = bodies.read(request, MAX_BYTES)
    except bodies.Unreadable as trouble:
        raise ParseError(_WHY[trouble.status]) from None
    # as HttpRequest.body leaves a request that was read
    request._body, request._stream = body, io.BytesIO(body)
    request.META["CONTENT_LENGTH"] = str(len(body))


def is_foreign(request: Request) -> bool:
    """Return whether a request names a content type; wsgiref calls a request that has none ``text/plain``."""
    made_up = (
        request.META.get("SERVER_SOFTWARE", "").startswith("WSGIServer/")
        and request.content_type == "text/plain"
        and request.META["CONTENT_LENGTH"] == "0"
    )
    return bool(request.content_type) and not made_up


class ObjectParser(BaseParser):
    """Reads a JSON object of at most 4 KiB; raises ParseError for anything else, deep nesting included."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object."""
        try:
            raw = stream.read(MAX_BYTES + 1)
        except OSError:
            raise ParseError(_BROKEN) from None
        if len(raw) > MAX_BYTES:
            raise ParseError(_TOO_LONG)
        try:
            found = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ParseError(_("Send a JSON object."))
        return found


def _no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(name)


class JSONAlways(BaseContentNegotiation):
    """Answers in JSON, whatever the caller would accept."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the parser of the body's content type, or None."""
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the one renderer."""
        return renderers[0], renderers[0].media_type
