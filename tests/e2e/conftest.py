"""A real server with several processes, and Kaleyra on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from django.db import connection

from django_kaleyra_otp import simulator


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def kaleyra() -> Iterator[simulator.Simulator]:
    with simulator.Simulator(time_scale=0.05) as running:
        yield running


#: What stands after ``python -m`` for a server of one process of 8 threads.
ONE_PROCESS = (
    *("gunicorn", "tests.e2e.wsgi", "-b", "127.0.0.1:{port}", "--threads", "8"),
    *("--log-level", "error", "--no-control-socket"),
)
#: The same with 4 processes.
GUNICORN = (*ONE_PROCESS, "-w", "4", "--preload")


@dataclass
class Site:
    """The served project: its address, the process that was started, and calls of its API."""

    url: str
    pid: int = 0

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=60)

    def start(self, phone_number: str, **headers: str) -> requests.Response:
        return self.call("POST", "/otp/challenges/", {"phone_number": phone_number}, **headers)

    def verify(self, challenge_id: str, code: str) -> requests.Response:
        return self.call("POST", f"/otp/challenges/{challenge_id}/verify/", {"code": code})


def launch(
    kaleyra: simulator.Simulator, *command: str, **environment: str
) -> tuple[Site, subprocess.Popen[bytes]]:
    """Start a server on the database of the tests, gunicorn unless told, and wait until it answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    kaleyra.set_callback_url(f"{url}/otp/webhook/")
    process = subprocess.Popen(
        [sys.executable, "-m", *(word.format(port=port) for word in command or GUNICORN)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
            "SERVER_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "SIMULATOR_URL": kaleyra.base_url,
            "SIMULATOR_SID": simulator.SID,
            "SIMULATOR_API_KEY": simulator.API_KEY,
            "SIMULATOR_SECRET": simulator.CALLBACK_SECRET,
            **environment,
        },
        start_new_session=True,
    )
    try:
        wait_until_it_answers(url, process)
    except BaseException:
        end(process)
        raise
    return Site(url, process.pid), process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it forked; a worker that was forked a moment ago may miss the asking."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


@pytest.fixture
def serve(transactional_db, kaleyra) -> Iterator[Callable[..., Site]]:
    """``serve(ATOMIC_REQUESTS="1")``: gunicorn, or another server, on the database of the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environment: str) -> Site:
        site, process = launch(kaleyra, *command, **environment)
        running.append(process)
        return site

    yield start
    for process in running:
        end(process)


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Poll a server until it answers; fails where it ended instead."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            requests.get(f"{url}/otp/challenges/none/", timeout=5)
        except (requests.ConnectionError, requests.Timeout):
            threading.Event().wait(0.1)
        else:
            return
    raise AssertionError("the server does not answer")


@pytest.fixture
def at_once() -> Callable[[int, Callable[[int], Any]], list[Any]]:
    """``at_once(n, call)``: n calls from n threads, released at one moment."""

    def run(n: int, call: Callable[[int], Any]) -> list[Any]:
        gate = threading.Barrier(n, timeout=60)

        def one(number: int) -> Any:
            gate.wait()
            return call(number)

        with ThreadPoolExecutor(n) as pool:
            return list(pool.map(one, range(n)))

    return run


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from tests.e2e.browser import start_chromium  # selenium may be missing where no browser is asked for

    driver = start_chromium()
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Chromium with no cookies, whose pages complain of nothing but what a module's ``COMPLAINTS`` says."""
    chromium.delete_all_cookies()
    chromium.get_log("browser")
    yield chromium
    allowed = getattr(request.module, "COMPLAINTS", None)
    complaints = [entry["message"] for entry in chromium.get_log("browser")]
    assert [text for text in complaints if allowed is None or allowed not in text] == []


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The demonstration with many customers in it."""
    from tests.e2e.person import running_with_people

    with running_with_people(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
def person(people: Any, browser: Any) -> Any:
    """One of them, who has met no limit, in a browser of his own."""
    from tests.e2e.person import Person

    return Person(people, browser)
