"""Bytes that no client library would send, at real servers, WSGI and ASGI."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import json
import re
import select
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from django_kaleyra_otp import simulator
from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate
from tests.conftest import NUMBER

pytestmark = pytest.mark.heavy

MIB = 1024 * 1024
OUR_CAP, API_CAP = 64 * 1024, 4 * 1024
_GUNICORN = (
    *("gunicorn", "tests.e2e.wsgi", "-b", "127.0.0.1:{port}", "--log-level", "critical"),
    "--no-control-socket",
)
SERVERS = {
    "gunicorn sync": (*_GUNICORN, "-w", "1"),
    "gunicorn threads": (*_GUNICORN, "-w", "1", "--threads", "4"),
    "runserver": (
        *("django", "runserver", "127.0.0.1:{port}", "--noreload", "--nostatic", "--skip-checks"),
        *("--verbosity", "0"),
    ),
    "uvicorn": ("uvicorn", "tests.e2e.asgi:application", "--port", "{port}", "--log-level", "critical"),
}


class Server(NamedTuple):
    name: str
    url: str
    pid: int

    @property
    def takes_chunks(self) -> bool:
        return self.name != "runserver"

    def talk(self, head: str, *parts: bytes | Iterable[bytes], hang_up: bool = False) -> list[int]:
        """Send a request as it stands, until the server closes the line; return the statuses it answered.

        With ``hang_up``, a server that waits for more is told after a moment that nothing comes.
        """
        answer = b""
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as line:
            try:
                line.sendall(head.encode("latin-1"))
                for part in parts:
                    for piece in [part] if isinstance(part, bytes) else part:
                        line.sendall(piece)
                if hang_up and not select.select([line], [], [], 0.3)[0]:
                    line.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough
            with contextlib.suppress(ConnectionResetError):
                while piece := line.recv(65536):
                    answer += piece
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]

    def memory(self, name: str) -> int:
        """Return a count of bytes from the status of its one process that serves."""
        return 1024 * int(re.search(rf"^{name}:\s+(\d+) kB", (self._serving / "status").read_text(), re.M)[1])

    def forget_its_peak(self) -> None:
        (self._serving / "clear_refs").write_text("5")

    @property
    def _serving(self) -> Path:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return Path(f"/proc/{children[0] if children else self.pid}")


@pytest.fixture(params=SERVERS)
def server(request, serve) -> Server:
    command = SERVERS[request.param]
    if not importlib.util.find_spec(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    site = serve(*command)
    return Server(request.param, site.url, site.pid)


def head(path: str, *lines: str, version: str = "1.1") -> str:
    return "\r\n".join(
        [f"POST {path} HTTP/{version}", "Host: 127.0.0.1", "Connection: close", *lines, "", ""]
    )


def hook(*lines: str, **more: str) -> str:
    return head("/otp/webhook/", f"X-Kaleyra-Otp-Secret: {simulator.CALLBACK_SECRET}", *lines, **more)


def api(*lines: str, path: str = "/otp/challenges/") -> str:
    return head(path, "Content-Type: application/json", *lines)


CHUNKED = "Transfer-Encoding: chunked"


def chunks(body: bytes, size: int = 8192) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def endless(total: int) -> Iterator[bytes]:
    """Yield the chunks of a body of spaces."""
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for _ in range(total // 65536):
        yield chunk
    yield b"0\r\n\r\n"


def sized(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


def callback(n: int) -> bytes:
    return json.dumps({"id": f"6f6a3d0e-58cf-4c0a-b0d6-{n:012}:1", "status": "DELIVRD"}).encode()


def test_a_callback_is_counted_as_it_is_read(server):
    """R-090, R-139, W15: chunked, without a length, with a false one."""
    refused = 413 if server.takes_chunks else 411
    full = callback(0) + b" " * (OUR_CAP - len(callback(0)))

    assert server.talk(hook(sized(full)), full) == [204]
    assert server.talk(hook(sized(full + b" ")), full + b" ") == [413]
    assert server.talk(hook(CHUNKED), chunks(full, 1000)) == [204 if server.takes_chunks else 411]
    assert server.talk(hook(CHUNKED), chunks(full + b" ", 1000)) == [refused]
    assert server.talk(hook(CHUNKED), chunks(callback(1), 1)) == [204 if server.takes_chunks else 411]

    assert {each.message_id[-14:-2] for each in StatusUpdate.objects.all()} == (
        {f"{0:012}", f"{1:012}"} if server.takes_chunks else {f"{0:012}"}
    )


BROKEN = {
    "no length": ((), b"{}"),
    "understated": (("Content-Length: 2",), b"{}" + b" " * OUR_CAP),
    "overstated": (("Content-Length: 60000",), b"{}"),
    "far overstated": (("Content-Length: 1000000000",), b"{}"),
    "past 64 bits": (("Content-Length: 99999999999999999999",), b"{}"),
    "negative": (("Content-Length: -1",), b"{}"),
    "junk": (("Content-Length: many",), b"{}"),
    "empty": (("Content-Length: ",), b"{}"),
    "signed": (("Content-Length: +2",), b"{}"),
    "hexadecimal": (("Content-Length: 0x2",), b"{}"),
    "two lengths": (("Content-Length: 2", "Content-Length: 60000"), b"{}"),
    "a list of lengths": (("Content-Length: 2, 2",), b"{}"),
    "length and chunks": (("Content-Length: 2", CHUNKED), chunks(b"{}")),
    "chunked twice": ((CHUNKED, CHUNKED), chunks(b"{}")),
    "no chunk": ((CHUNKED,), b""),
    "no size": ((CHUNKED,), b"zz\r\n{}\r\n0\r\n\r\n"),
    "negative chunk": ((CHUNKED,), b"-2\r\n{}\r\n0\r\n\r\n"),
    "huge chunk": ((CHUNKED,), b"f" * 17 + b"\r\n{}"),
    "long size": ((CHUNKED,), b"0" * 100_000),
    "short chunk": ((CHUNKED,), b"64\r\n{}\r\n0\r\n\r\n"),
    "long chunk": ((CHUNKED,), b"1\r\n{}\r\n0\r\n\r\n"),
    "no last chunk": ((CHUNKED,), b"2\r\n{}\r\n"),
    "no end of lines": ((CHUNKED,), b"2\n{}\n0\n\n"),
    "long extension": ((CHUNKED,), b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n"),
    "long trailer": ((CHUNKED,), b"2\r\n{}\r\n0\r\nX: " + b"x" * 500_000 + b"\r\n\r\n"),
    "wrong trailer": ((CHUNKED,), b"2\r\n{}\r\n0\r\n\x00: x\r\n\r\n"),
    "gzip bomb": (("Content-Encoding: gzip", "Content-Length: 58263"), gzip.compress(b" " * 60_000_000)),
    "deflated chunks": (("Content-Encoding: deflate", CHUNKED), chunks(gzip.compress(b" " * 60_000))),
    "wrong charset": (("Content-Type: application/json; charset=base64", "Content-Length: 2"), b"{}"),
    "form of another charset": (
        ("Content-Type: application/x-www-form-urlencoded; charset=utf-16", "Content-Length: 4"),
        b"id=a",
    ),
    "parts without a boundary": (("Content-Type: multipart/form-data", "Content-Length: 2"), b"{}"),
}  # fmt: skip


def test_a_broken_body_is_no_error_of_the_server(server):
    """R-090, R-099: whatever breaks, it answers 204 or 4xx, or hangs up."""
    for name, (lines, body) in BROKEN.items():
        for request in (hook(*lines), hook(*lines, version="1.0"), api(*lines)):
            statuses = server.talk(request, body, hang_up=True)

            assert all(status < 500 for status in statuses), (name, request.partition("\r")[0], statuses)
            assert not any(status in (200, 201) for status in statuses), name

    assert server.talk(hook(sized(callback(9))), callback(9)) == [204]
    assert StatusUpdate.objects.filter(message_id__endswith="9:1").exists()
    assert not OTPChallenge.objects.exists()


@pytest.mark.parametrize("server", ["gunicorn sync", "gunicorn threads"], indirect=True)
def test_the_body_of_a_stranger_is_not_waited_for(server):
    """R-087: under ASGI and in runserver, Django itself reads it to its end."""
    began = time.monotonic()

    assert server.talk(head("/otp/webhook/", "Content-Length: 1000000000")) == [401]
    assert server.talk(head("/otp/webhook/", CHUNKED)) == [401]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("server", ["gunicorn sync", "gunicorn threads", "uvicorn"], indirect=True)
def test_100_mb_do_not_stay_in_memory(server):
    """R-090, R-038, W15: in chunks or not. Django's runserver reads what a view left, in one piece."""
    for request_of in (hook, api):
        for _ in range(5):
            server.talk(request_of(sized(b" " * API_CAP)), b" " * API_CAP)
    server.forget_its_peak()
    before = server.memory("VmRSS")

    for request_of, refused in ((hook, 413), (api, 400)):
        assert server.talk(request_of(CHUNKED), endless(100 * MIB)) in ([refused], [])
        plain = (b" " * 65536 for _ in range(1600))
        assert server.talk(request_of(f"Content-Length: {100 * MIB}"), plain) in ([refused], [])

    assert server.memory("VmHWM") - before < 10 * MIB


def test_a_start_may_come_in_chunks(server, kaleyra):
    """R-038: .NET's client sends them so; the 4 KiB are counted all the same."""
    start = json.dumps({"phone_number": NUMBER}).encode()

    assert server.talk(api(CHUNKED), chunks(start + b" " * (API_CAP + 1 - len(start)))) == [400]
    assert SendLog.objects.count() == len(kaleyra.messages) == 0
    for kind in (("Content-Type: text/plain",), ()):
        foreign = server.talk(head("/otp/challenges/", *kind, CHUNKED), chunks(start))
        assert foreign == [415 if server.takes_chunks else 400]

    expected = 201 if server.takes_chunks else 400
    assert server.talk(api(CHUNKED), chunks(start + b" " * (API_CAP - len(start)), 100)) == [expected]
    assert SendLog.objects.count() == len(kaleyra.messages) == server.takes_chunks
