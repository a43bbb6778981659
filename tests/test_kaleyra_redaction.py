"""No failure shows the key, the text or the number, not even on a debug page."""

import contextlib
import http.client
import logging
import signal

import pytest

from django_kaleyra_otp.kaleyra import client
from tests.kaleyra import KEY, TEXT, Server, account, drips, framed, hangs_up_after, resets, says, send

NUMBER = "9876543210"


@pytest.fixture
def serve():
    """``serve(talk)``: a server with these manners, for one test."""
    with contextlib.ExitStack() as stack:

        def start(talk, context=None):
            server = Server(talk, context)
            stack.callback(server.close)
            return server

        yield start


def shown(error):
    """Everything that a debug page can show of an exception: text, causes, the locals of every frame."""
    pieces, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        pieces += [str(error), repr(error), repr(error.args), repr(vars(error))]
        trail = error.__traceback__
        while trail is not None:
            if trail.tb_frame.f_code.co_filename != __file__:
                pieces += [repr(value) for value in trail.tb_frame.f_locals.values()]
            trail = trail.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(pieces)


def holds_no_secret(text):
    return not any(secret in text for secret in (KEY, TEXT, "482913", NUMBER))


@pytest.mark.parametrize(
    "talk",
    [
        resets,
        hangs_up_after(b""),
        hangs_up_after(framed()[:-10]),
        drips(b"HTTP/1.1 202 Accepted\r\nX-A: ", b"a"),
        drips(b"HTTP/1.1 202 Accepted\r\n\r\n", b" "),
        says(framed(status=b"400 Bad Request", body=b'{"message":"%s %s"}' % (KEY.encode(), TEXT.encode()))),
        says(framed(status=b"500 Oops", body=b"%s %s" % (KEY.encode(), TEXT.encode()))),
        says(framed(status=b"302 Found", headers=b"Location: http://127.0.0.1/%s\r\n" % KEY.encode())),
        says(framed(body=b'{"body":"%s"}' % TEXT.encode())),
    ],
)
def test_no_failure_carries_key_text_or_number(serve, talk, caplog, capfd, monkeypatch):
    """R-104, R-106."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    server = serve(talk)

    with pytest.raises(client.KaleyraError) as caught:
        send(account(server.url, timeout=(1, 0.3)))

    assert caught.value.__cause__ is caught.value.__context__ is None
    assert holds_no_secret(shown(caught.value))
    assert holds_no_secret(caplog.text)
    assert holds_no_secret("".join(capfd.readouterr()))
    assert KEY.encode() in server.requests[0]
    assert NUMBER.encode() in server.requests[0]


def test_a_failure_to_connect_or_to_write_carries_none_either():
    """R-104, R-106."""
    for kaleyra in (account("http://127.0.0.1:9"), account(key=KEY + "\r\n"), account("nonsense")):
        with pytest.raises(client.KaleyraError) as caught:
            send(kaleyra)

        assert caught.value.__cause__ is caught.value.__context__ is None
        assert holds_no_secret(shown(caught.value))


def test_a_worker_that_is_ended_in_mid_call_carries_none_either(serve):
    """R-104."""
    server = serve(drips(b"", b""))

    def end(*arguments):
        raise SystemExit(1)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(SystemExit) as caught:
            send(account(server.url, timeout=(1, 5)))
    finally:
        signal.signal(signal.SIGALRM, before)

    assert holds_no_secret(shown(caught.value))
