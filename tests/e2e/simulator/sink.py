"""A receiver of callbacks, and a sender of SMS."""

from __future__ import annotations

import http.server
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from django_kaleyra_otp.simulator import API_KEY, DEFAULT_PROFILE_ID, SID

NUMBER = "+919999900001"
TEXT = "482913 is your code for Example."
KEY = {"api-key": API_KEY}
TOKEN = b'{"token_type":"Bearer","expires_in":"3599","access_token":"t0ken"}'


@dataclass
class Seen:
    """One call that the sink got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Sink(http.server.ThreadingHTTPServer):
    """Keeps each call; answers ``statuses`` in turn, then 204, and a token to ``…/token/``."""

    daemon_threads = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), SinkHandler)
        self.seen, self.statuses, self.changed = [], [], threading.Condition()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/webhook/"

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen) >= count, 5), f"{len(self.seen)} of {count}"

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class SinkHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 3

    def serve(self):
        try:
            body = self.read_chunks() if self.headers["Transfer-Encoding"] else self.read_all()
        except OSError:
            self.close_connection = True
            return
        with self.server.changed:
            status = self.server.statuses.pop(0) if self.server.statuses else 204
            self.server.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            self.server.changed.notify_all()
        answer = TOKEN if urlsplit(self.path).path.endswith("/token/") else b""
        self.send_response(200 if answer else status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = serve

    def read_all(self):
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def read_chunks(self):
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
            if len(body) > 65536:
                raise ConnectionError
        self.rfile.readline()
        return body

    def log_message(self, *_):
        pass


def sms(to=NUMBER, **more):
    """The parameters of one SMS."""
    given = {"to": to, "sender": "KLRHXA", "type": "OTP", "body": TEXT}
    return {**given, "callback_profile_id": DEFAULT_PROFILE_ID, **more}


def send(kaleyra, to=NUMBER, path="sms", timeout=5, **more):
    """Send one SMS as JSON."""
    url = f"{kaleyra.base_url}/v1/{SID}/{path}"
    return requests.post(url, json=sms(to, **more), headers=KEY, timeout=timeout, allow_redirects=False)


def sent(kaleyra, to=NUMBER, **more):
    """Send one SMS and return what the simulator keeps of it, once its fate is over."""
    send(kaleyra, to, **more)
    kaleyra.wait_until_idle()
    return kaleyra.messages_to(to)[-1]


def at(message, status):
    """When a message reached a status, as a callback writes it."""
    return message.reached(status).strftime("%Y-%m-%d %H:%M:%S")
