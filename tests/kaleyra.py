"""An account of Kaleyra's, an SMS, and servers of every manner, for the tests of the client."""

import contextlib
import socket
import struct
import threading
import time

from django_kaleyra_otp.kaleyra import client, transport

SID = "HXAP16XXXXXX97IN"
KEY = "Ac0ffee0c0ffee0c0ffee0c0ffee0c0ff"
TEXT = "Kaleidoscope says 482913 is your code"
URL = f"https://api.in.kaleyra.io/v1/{SID}"
UUID = "0b0e1ae5-5b0c-4a6e-9a57-3d1a8c1b7f10"
ACCEPTED = {
    "id": UUID,
    "sender": "KLRHXA",
    "type": "OTP",
    "body": TEXT,
    "createdDateTime": "2019-11-04 10:42:23+00:00",
    "totalCount": 1,
    "data": [{"message_id": f"{UUID}:1", "recipient": "919876543210"}],
    "dlrurl": None,
    "error": {},
}


class Veil:
    def __init__(self, text):
        self._text = text

    def reveal(self):
        return self._text

    def __repr__(self):
        return "Veil(•••)"


def account(base_url="https://api.in.kaleyra.io", key=KEY, timeout=(3.05, 10.0)):
    return client.KaleyraClient(SID, Veil(key), base_url, timeout)


def send(kaleyra, **more):
    return kaleyra.send_sms(to="+919876543210", body=Veil(TEXT), sender="KLRHXA", **more)


YES = b'{"id":"a","data":[{"message_id":"a:1"}],"error":{}}'
ENDLESS = b"HTTP/1.1 %s\r\nContent-Length: 100000000\r\n\r\n"


def framed(status=b"202 Accepted", body=YES, headers=b""):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


class Server:
    """A server on loopback; ``talk(connection, server)`` decides its manners."""

    def __init__(self, talk, context=None):
        self.talk, self.context = talk, context
        self.over = threading.Event()
        self.requests, self.connections, self.threads = [], 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self.start(self.accept)

    def start(self, run, *arguments):
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                self.start(self.serve, connection)

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            if self.context is None:
                self.talk(connection, self)
            else:
                with self.context.wrap_socket(connection, server_side=True) as wrapped:
                    self.talk(wrapped, self)

    def hear(self, connection):
        """Read one request, note it, and return it; b"" where the other side hung up."""
        heard = b""
        while b"\r\n\r\n" not in heard:
            part = connection.recv(65536)
            if not part:
                return b""
            heard += part
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15] == b"Content-Length:"), 0)
        while len(body) < length:
            body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return heard

    def close(self):
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        transport.adapter().close()  # hangs up what is still kept
        for thread in self.threads:
            thread.join(5)


def says(answer):
    def talk(connection, server):
        while server.hear(connection):
            connection.sendall(answer)

    return talk


def drips(start, drop, every=0.02):
    def talk(connection, server):
        server.hear(connection)
        connection.sendall(start)
        enough = time.monotonic() + 5
        while not server.over.wait(every) and time.monotonic() < enough:
            connection.sendall(drop)

    return talk


def hangs_up_after(part):
    def talk(connection, server):
        server.hear(connection)
        connection.sendall(part)

    return talk


def resets(connection, server):
    server.hear(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def floods(status):
    def talk(connection, server):
        server.hear(connection)
        connection.sendall(ENDLESS % status)
        while not server.over.is_set():
            connection.sendall(b" " * 65536)

    return talk
