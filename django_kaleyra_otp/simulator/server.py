"""HTTP on loopback: reads a call whole, hands it on, and writes the answer, well or badly."""

import http
import http.server
import selectors
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django_kaleyra_otp.simulator.wire import Answer, Call, fault

HOSTS = ("127.0.0.1", "localhost", "::1")
MOST_BYTES = 1024 * 1024
IDLE_SECONDS = 75.0
LONGEST_HANG = 600.0


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A thread for each connection; ``stop()`` ends them all.

    ``answer`` gets each call. ``tls`` makes it https. Raises OSError if the port is taken.
    """

    request_queue_size = 512
    daemon_threads = False
    block_on_close = True

    def __init__(
        self, host: str, port: int, answer: Callable[[Call], Answer], tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer, self.tls = answer, tls
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        if host == "::1":
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Connection)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as the base class would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[0], self.server_address[1]  # type: ignore[assignment]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its TLS handshake is left to its own thread."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; anything else is a defect of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """End the serving thread's loop, then every connection, then the listening socket."""
        self.stopping.set()
        self.shutdown()
        with self._guard:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other end was quicker
        self.server_close()


class _Connection(http.server.BaseHTTPRequestHandler):
    """The calls of one kept connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "kaleyra-simulator", ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing: a request line may hold what no log may."""

    def _serve(self) -> None:
        if refusal := self._refusal():
            self.close_connection = True
            self._write(refusal)
            self._drain()
        else:
            self._write(self._handed_on())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _refusal(self) -> Answer | None:
        """What HTTP itself refuses, the body unread."""
        length = self.headers.get("Content-Length", "0")
        if not _is_here(self.headers.get("Host", "")):
            return fault(421, "X421", "Misdirected Request")
        if self.headers.get("Transfer-Encoding"):
            return fault(411, "X411", "Length Required")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return fault(413, "X413", "Content Too Large")
        return None

    def _handed_on(self) -> Answer:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client stopped amid the body")
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return self.server.answer(Call(self.command, path, query, headers, body))

    def _write(self, answer: Answer) -> None:
        manner = answer.manner.word if answer.manner else ""
        try:
            if manner in ("hang", "close", "close-mid-answer", "drip"):
                self.close_connection = True
            if manner == "delay" and answer.manner:
                self.server.stopping.wait(answer.manner.seconds)
            if manner in ("hang", "close"):
                return
            head, body = self._head(answer), answer.body if self.command != "HEAD" else b""
            if manner == "close-mid-answer":
                body = body[: len(body) // 2]
            if manner == "drip" and answer.manner:
                self._drip(head, body, answer.manner.seconds)
            else:
                self.wfile.write(head + body)
        finally:
            answer.afterwards()
            if manner == "hang":
                self._hang()

    def _head(self, answer: Answer) -> bytes:
        lines = {"Server": self.server_version, "Date": self.date_time_string()}
        if answer.body or answer.status != 204:
            lines |= {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body))}
        lines |= {
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Connection": "close" if self.close_connection else "keep-alive",
            **answer.headers,
        }
        try:
            phrase = http.HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = "Unknown"
        head = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in lines.items())]
        return "\r\n".join([*head, "", ""]).encode("latin-1", "replace")

    def _drain(self) -> None:
        """Read on for a moment: a connection closed over unread bytes is reset, and the answer lost."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(0.5)
        for _ in range(64):
            if not self.connection.recv(65536):
                return

    def _drip(self, head: bytes, body: bytes, seconds: float) -> None:
        self.wfile.write(head)
        for index in range(len(body)):
            if self.server.stopping.wait(seconds):
                return
            self.wfile.write(body[index : index + 1])

    def _hang(self) -> None:
        """Keep the connection open, silent, until the other end or the simulator gives up."""
        until = time.monotonic() + LONGEST_HANG
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            while time.monotonic() < until and not self.server.stopping.is_set():
                if selector.select(0.05):  # nothing more is due from the client but its good-bye
                    return


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine: a page elsewhere that rebinds its name does not."""
    try:
        return urlsplit(f"//{host}").hostname in HOSTS
    except ValueError:
        return False
