"""How a body is read: a small JSON object, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

MAX_BYTES = 4096


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
            raise ParseError(_("The body could not be read.")) from None
        if len(raw) > MAX_BYTES:
            raise ParseError(_("Send at most 4 KiB."))
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
