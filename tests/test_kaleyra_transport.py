"""The client against real sockets: what it proves, how long it waits."""

import contextlib
import gc
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests.adapters

from django_kaleyra_otp.kaleyra import client, transport
from tests.kaleyra import YES, Server, account, drips, floods, framed, hangs_up_after, resets, says, send


@pytest.fixture
def serve():
    """``serve(talk)``: a server with these manners, for one test."""
    with contextlib.ExitStack() as stack:

        def start(talk, context=None):
            server = Server(talk, context)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A key and self-signed certificate for 127.0.0.1, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("There is no openssl to make a certificate with.")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=test"
    make += f" -addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt"
    subprocess.run(make.split(), check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".pem.crt").read_bytes())
    return str(path)


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The certificate is the only one that requests vouches for, in whichever of its ways."""
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", certificate)
    older = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(requests.adapters, "_preloaded_ssl_context", older, raising=False)


def failure_of(server, kind, timeout=(1, 0.25)):
    with pytest.raises(client.KaleyraError) as caught:
        send(account(server.url, timeout=timeout))
    assert type(caught.value) is kind
    return caught.value


def test_one_connection_serves_one_call_after_the_other(serve):
    server = serve(says(framed()))
    kaleyra = account(server.url)

    for _ in range(5):
        assert send(kaleyra).message_id == "a:1"

    assert (len(server.requests), server.connections) == (5, 1)


def test_a_chunked_answer_keeps_its_connection_too(serve):
    chunked = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        len(YES),
        YES,
    )
    server = serve(says(chunked))

    send(account(server.url))
    send(account(server.url))

    assert server.connections == 1


def test_a_connection_is_kept_over_tls_and_holds_the_deadline_there(serve, tls, trusted):
    """R-077."""
    server = serve(says(framed()), tls)
    send(account(server.url))
    send(account(server.url))
    assert server.connections == 1

    slow = serve(drips(b"HTTP/1.1 202 Accepted\r\nX-A: ", b"a"), tls)
    started = time.perf_counter()
    failure_of(slow, client.AnswerLost)
    assert 0.2 < time.perf_counter() - started < 1.4


def test_a_connection_that_the_other_side_closed_is_not_used_again(serve):
    server = serve(hangs_up_after(framed()))

    send(account(server.url))
    server.threads[-1].join(5)
    send(account(server.url))

    assert server.connections == 2


def test_a_connection_that_idled_for_long_is_not_used_again(serve):
    server = serve(says(framed()))
    send(account(server.url))
    kept = [each for each in gc.get_objects() if type(each) is transport.PlainConnection and each.sock]
    for connection in kept:
        connection.answered_at -= transport.MOST_IDLE_SECONDS

    send(account(server.url))

    assert server.connections == 2


def test_thirty_two_threads_share_the_kept_connections(serve):
    server = serve(says(framed()))
    kaleyra = account(server.url)
    gate = threading.Barrier(32, timeout=10)

    def one(_):
        gate.wait()
        return send(kaleyra).message_id

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(one, range(64))) == {"a:1"}

    assert server.connections <= 32
    assert len(server.requests) == 64


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_speak_on_its_parents_connection(serve):
    server = serve(says(framed()))
    kaleyra = account(server.url)
    send(kaleyra)

    child = os.fork()
    if child == 0:
        os._exit(0 if send(kaleyra).message_id == "a:1" else 1)
    assert os.waitpid(child, 0)[1] == 0
    send(kaleyra)

    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize(
    "talk",
    [
        drips(b"", b"", every=0.1),
        drips(b"", b"H"),
        drips(b"HTTP/1.1 202 Accepted\r\n", b"X-A: b\r\n", every=0.1),
        drips(b"HTTP/1.1 202 Accepted\r\nX-A: ", b"a"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drips(b"HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n", b" "),
        drips(b"HTTP/1.1 202 Accepted\r\n\r\n", b" "),
        drips(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        drips(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["silence", "status", "lines", "header", "continue", "body", "endless", "chunks", "chunk size"],
)
def test_the_whole_answer_has_one_deadline(serve, talk):
    """R-077, R-079."""
    server = serve(talk)
    started = time.perf_counter()

    failure_of(server, client.AnswerLost)

    assert 0.2 < time.perf_counter() - started < 1.4
    assert len(server.requests) == 1


def test_what_came_late_does_not_begin_the_wait_anew(serve):
    """R-077."""

    def talk(connection, server):
        server.hear(connection)
        server.over.wait(0.7)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\n")
        server.over.wait(5)

    server = serve(talk)
    started = time.perf_counter()

    failure_of(server, client.AnswerLost, timeout=(1, 1))

    assert 0.9 < time.perf_counter() - started < 1.4


@pytest.mark.parametrize(
    "talk",
    [
        hangs_up_after(b""),
        hangs_up_after(b"HTTP/1.1 202 Acc"),
        hangs_up_after(b"HTTP/1.1 202 Accepted\r\nContent-Le"),
        hangs_up_after(framed()[:-10]),
        hangs_up_after(
            b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(YES), YES)
        ),
        hangs_up_after(b"nonsense\r\n\r\n"),
        hangs_up_after(b"HTTP/1.1 202 Accepted\r\n" + b"X-A: b\r\n" * 200 + b"\r\n"),
        hangs_up_after(b"HTTP/1.1 202 Accepted\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n"),
        hangs_up_after(framed(headers=b"Content-Length: 7\r\n")),
        hangs_up_after(framed(body=b"\x1f\x8b\x08", headers=b"Content-Encoding: gzip\r\n")),
        hangs_up_after(framed(status=b"500 Oops")),
        hangs_up_after(framed(status=b"101 Switching Protocols")),
        resets,
    ],
)
def test_an_answer_that_breaks_off_or_is_none_is_lost_after_one_request(serve, talk):
    """R-079."""
    server = serve(talk)

    failure_of(server, client.AnswerLost)

    assert len(server.requests) == 1


def test_an_answer_that_breaks_off_over_tls_is_lost(serve, tls, trusted):
    """R-079."""

    def babbles(connection, server):
        server.hear(connection)
        with socket.socket(fileno=os.dup(connection.fileno())) as bare:
            bare.sendall(b"no TLS any more" * 10)

    for talk in (hangs_up_after(b""), hangs_up_after(framed()[:-10]), resets, babbles):
        server = serve(talk, tls)

        failure_of(server, client.AnswerLost)

        assert len(server.requests) == 1


def test_a_refusal_that_breaks_off_is_a_refusal(serve):
    server = serve(hangs_up_after(framed(status=b"400 Bad Request")[:-10]))

    assert failure_of(server, client.Refused).http_status == 400


@pytest.mark.parametrize(
    ("status", "kind"), [(b"202 Accepted", client.AnswerLost), (b"404 Not Found", client.Refused)]
)
def test_no_more_than_the_first_64_kib_of_an_answer_are_read(serve, status, kind):
    """R-077."""
    server = serve(floods(status))
    tracemalloc.start()

    failure_of(server, kind, timeout=(1, 5))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_redirect_leads_nowhere(serve):
    """R-075."""
    other = serve(says(framed()))
    for status in (b"301 Moved", b"302 Found", b"307 Temporary Redirect", b"308 Permanent Redirect"):
        location = b"Location: http://127.0.0.1:%d/\r\n" % other.port
        failure_of(serve(says(framed(status=status, headers=location))), client.Refused)

    assert other.connections == 0


def test_a_cookie_is_not_kept(serve):
    server = serve(says(framed(headers=b"Set-Cookie: a=b\r\n")))

    send(account(server.url))
    send(account(server.url))

    assert b"cookie" not in b"".join(server.requests).lower()


def test_proxies_of_the_environment_are_not_used(serve, monkeypatch):
    """R-075."""
    proxy = serve(says(framed()))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server = serve(says(framed()))

    send(account(server.url))

    assert (proxy.connections, len(server.requests)) == (0, 1)


def test_a_refused_connection_is_not_connected():
    """R-079."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(client.NotConnected, match="ConnectionRefusedError"):
        send(account(url))


def test_a_connect_that_takes_too_long_is_not_connected():
    """R-077."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # nobody accepts: these fill the queue
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        started = time.perf_counter()

        with pytest.raises(client.NotConnected):
            send(account(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=(0.3, 5)))

        assert time.perf_counter() - started < 2


def test_a_host_without_an_address_is_not_connected(monkeypatch):
    def no_such_host(*arguments, **more):
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)

    with pytest.raises(client.NotConnected, match="gaierror"):
        send(account("https://api.in.kaleyra.invalid"))


def test_a_certificate_that_nobody_vouches_for_gets_no_request(serve, tls):
    """R-075."""
    server = serve(says(framed()), tls)

    failure = failure_of(server, client.NotConnected)

    assert "SSLCertVerificationError" in str(failure)
    assert server.requests == []


def test_a_certificate_for_another_name_gets_no_request(serve, tls, trusted):
    """R-075."""
    server = serve(says(framed()), tls)
    server.url = server.url.replace("127.0.0.1", "localhost")

    failure_of(server, client.NotConnected)

    assert server.requests == []


def test_a_server_that_speaks_no_tls_gets_no_request(serve):
    """R-075."""
    server = serve(hangs_up_after(framed()))
    server.url = server.url.replace("http:", "https:")

    failure_of(server, client.NotConnected, timeout=(0.3, 1))

    assert server.requests == []


def test_tls_older_than_1_2_is_not_spoken(serve, tls, trusted):
    """R-075."""
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    tls.set_ciphers("ALL:@SECLEVEL=0")

    failure_of(serve(says(framed()), tls), client.NotConnected)
