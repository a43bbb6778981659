"""The processes of a site under load: servers, workers, Kaleyra, each in a group of its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import requests

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def own_database(server_url: str, prefix: str, template: str = "template1") -> Iterator[str]:
    """Make a database on a PostgreSQL server, as a copy of one, and give its address.

    It is dropped at the end, whoever is in it.
    """
    name = f"{prefix}_{os.getpid()}"
    parts = urlsplit(server_url)
    maintenance = urlunsplit(parts._replace(scheme="postgresql", path="/postgres"))
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Process:
    """One command in a process group of its own; what it prints goes to a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name, self.command, self.environment = name, command, environment
        self.log = folder / f"{name}.log"
        self.popen: subprocess.Popen[bytes] | None = None
        self.killed = False
        self.forks = False

    def start(self) -> None:
        """Start it, or start it again."""
        self.killed = False
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """Whether it has to be started again."""
        return self.popen is None or self.popen.poll() is not None

    def children(self) -> list[int]:
        """Return the ids of the processes that it forked."""
        if self.popen is None:
            return []
        try:
            told = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in told.split()]

    def cpu(self) -> float:
        """Return the seconds of CPU that the processes it forked have taken."""
        ticks = 0
        for pid in self.children():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # utime, stime
        return ticks / os.sysconf("SC_CLK_TCK")

    def signal_group(self, signum: int) -> None:
        """Send a signal to the process and all that it forked."""
        if self.popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signum)

    def end(self) -> None:
        """End it and whatever it forked."""
        if self.popen is None:
            return
        for signum in (signal.SIGTERM, signal.SIGKILL):
            self.signal_group(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(10)
                break
        self.signal_group(signal.SIGKILL)


class Stage:
    """Starts processes, starts again what ended, and ends them all."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.folder = Path(tempfile.mkdtemp(prefix="kaleyra-otp-"))
        self.processes: list[Process] = []
        self.restarts = 0
        self.crashes: list[str] = []
        self._stop = threading.Event()
        self._watch: threading.Thread | None = None

    def add(self, name: str, *arguments: str, **environment: str) -> Process:
        """Start a Python command."""
        process = Process(
            name, [sys.executable, *arguments], {**self.environment, **environment}, self.folder
        )
        process.start()
        self.processes.append(process)
        return process

    def add_server(
        self, name: str, port: int, *, processes: int, threads: int, **environment: str
    ) -> Process:
        """Start gunicorn on a port and wait until it answers."""
        server = self.add(
            name,
            *("-m", "gunicorn", "django.core.wsgi:get_wsgi_application()", "-b", f"127.0.0.1:{port}"),
            *("-w", str(processes), "--threads", str(threads), "--preload"),
            *("--log-level", "error", "--no-control-socket", "--backlog", "512"),
            *("--keep-alive", "30"),  # a connection that is closed as it is used again is no answer
            **environment,
        )
        server.forks = True
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/"), f"{name} on port {port}")
        return server

    def add_simulator(self, port: int, callback_url: str, time_scale: float) -> Process:
        """Start Kaleyra and wait until it answers."""
        kaleyra = self.add(
            "kaleyra",
            *("-m", "django_kaleyra_otp.simulator", "--port", str(port), "--time-scale", str(time_scale)),
            *("--callback-url", callback_url),
        )
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/"), f"the simulator on port {port}")
        return kaleyra

    def supervise(self) -> None:
        """Start again, from now on, whatever ends."""
        self._watch = threading.Thread(target=self._restart, name="supervisor")
        self._watch.start()

    def _restart(self) -> None:
        while not self._stop.wait(0.2):
            for process in self.processes:
                if process.ended and not self._stop.is_set():
                    if not process.killed:
                        self.crashes.append(f"{process.name}: exit code {process.popen.returncode}")
                    process.signal_group(signal.SIGKILL)  # forks that outlived it hold its port
                    process.start()
                    self.restarts += 1

    def kill_one(self, chance: random.Random, victims: list[Process]) -> str:
        """Kill a process at random; returns which: of a server mostly one that it forked, at times all.

        A server that is still coming up is left alone: callbacks are tried for half a minute, no longer.
        """
        process = chance.choice([one for one in victims if one.children() or not one.forks])
        forked = process.children()
        signum = signal.SIGTERM if chance.random() < 0.1 else signal.SIGKILL
        if forked and chance.random() < 0.98:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(forked), signum)
            return f"{process.name}: one process"
        process.killed = True
        process.signal_group(signum)
        return f"{process.name}: all of it" if forked else process.name

    def end(self) -> None:
        """End every process, the newest first."""
        self._stop.set()
        if self._watch is not None:
            self._watch.join()
        for process in reversed(self.processes):
            process.end()


def answers(url: str) -> bool:
    """Return whether a server answers, whatever it says."""
    try:
        requests.get(url, timeout=2)
    except requests.RequestException:
        return False
    return True


def wait_for(ready: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Poll until something is so; raises TimeoutError that says what never was."""
    deadline = time.monotonic() + patience
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {patience:.0f} s")
        time.sleep(0.1)
