"""The body of a request, counted as it is read: what its headers say of its length is only a claim."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest


class Unreadable(Exception):
    """The body cannot be taken; ``status`` is the HTTP answer."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


def read(request: HttpRequest, most: int) -> bytes:
    """Return the body; no more than ``most`` bytes and one are read.

    Raises Unreadable: 413 for a longer one, 400 for one that breaks off, 411 for one in chunks
    whose end the server does not tell, since reading on could wait for ever.
    """
    take = request.read
    if "wsgi.input" in request.META and is_chunked(request):
        if not request.META.get("wsgi.input_terminated"):
            raise Unreadable(411)
        # Django's WSGI request takes a missing length for an empty body
        take = request.META["wsgi.input"].read
    try:
        found = _count(take, most)
    except Exception:  # a server tells of a broken body by errors of its own, gunicorn's are no OSError
        raise Unreadable(400) from None
    if len(found) > most:
        raise Unreadable(413)
    return found


def is_chunked(request: HttpRequest) -> bool:
    """Return whether the body comes in chunks, without a length."""
    return "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()


def _count(take: Callable[[int], bytes], most: int) -> bytes:
    found = b""
    while len(found) <= most:
        part = take(most + 1 - len(found))
        if not part:
            break
        found += part
    return found
