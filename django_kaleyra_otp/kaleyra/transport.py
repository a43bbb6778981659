"""How a request reaches Kaleyra: kept connections, verified TLS, and a bound on the whole answer.

A socket's time-out bounds one read. A server that sends a byte a second meets it for ever, so
here every read gets what is left of one deadline, from the first byte of the status line to the
last one of the body.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import time
from typing import Any

import requests.adapters
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
from requests.exceptions import ConnectTimeout, RequestException

MOST_BYTES = 64 * 1024
MOST_IDLE_SECONDS = 30.0


class Reader(io.RawIOBase):
    """Reads a socket until a deadline: that of the time-out which the socket has when reading starts."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self.raw, self.sock = raw, sock
        self.deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The answer was not whole in time.")
        self.sock.settimeout(left)
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class Response(http.client.HTTPResponse):
    """An answer whose every byte, status line and headers too, is read within the time left."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(Reader(self.fp.detach(), sock))


class PlainConnection(urllib3.connection.HTTPConnection):
    """Says when a connect failed, whatever the reason, and is not used again after half a minute.

    A balancer that drops an idle connection often says nothing; the next SMS would be written
    into the void and its fate unknown.
    """

    response_class = Response
    debuglevel = 0  # a project may set http.client's, which prints key and text to stdout
    answered_at = 0.0

    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            raise urllib3.exceptions.NewConnectionError(self, type(error).__name__) from error

    def getresponse(self) -> urllib3.response.HTTPResponse:  # type: ignore[override]
        self.answered_at = time.monotonic()
        return super().getresponse()

    @property
    def is_connected(self) -> bool:
        return super().is_connected and time.monotonic() - self.answered_at < MOST_IDLE_SECONDS


class TLSConnection(PlainConnection, urllib3.connection.HTTPSConnection):
    """The same over TLS."""


class PlainPool(urllib3.connectionpool.HTTPConnectionPool):
    """Kept connections to one host without TLS: the simulator's."""

    ConnectionCls = PlainConnection


class TLSPool(urllib3.connectionpool.HTTPSConnectionPool):
    """Kept connections to one host over TLS."""

    ConnectionCls = TLSConnection


class Adapter(requests.adapters.HTTPAdapter):
    """requests' own way out, over the pools above."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TLSPool}


ADAPTERS: dict[int, Adapter] = {}


def adapter() -> Adapter:
    """Return this process's adapter; a forked child makes its own and leaves its parent's sockets alone.

    It is used without a ``requests.Session``, which would follow redirects, read proxies and
    passwords from the environment, and keep cookies.
    """
    kept = ADAPTERS.get(os.getpid())
    if kept is None:
        kept = ADAPTERS.setdefault(os.getpid(), Adapter(pool_connections=8, pool_maxsize=32))
    return kept


def never_left(error: RequestException) -> bool:
    """Return whether ``error`` proves that no connection was made, so that no request can have left."""
    if isinstance(error, ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    return isinstance(cause, urllib3.exceptions.MaxRetryError) and isinstance(
        reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    )


def cause_name(error: BaseException) -> str:
    """Return the class name of what lies deepest under ``error``: ``ConnectionRefusedError``."""
    for _ in range(10):
        under = (error.__cause__, getattr(error, "reason", None), *error.args)
        deeper = next((candidate for candidate in under if isinstance(candidate, BaseException)), None)
        if deeper is None:
            break
        error = deeper
    return type(error).__name__


def read_body(response: requests.Response) -> bytes:
    """Return the whole body as it came, at most 64 KiB of it; ValueError for more."""
    parts: list[bytes] = []
    size = 0
    while chunk := response.raw.read(8192, decode_content=False):
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise ValueError("The answer is longer than 64 KiB.")
    return b"".join(parts)
