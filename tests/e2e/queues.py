"""The queues of the tests: RabbitMQ, Redis, and a table of the database, with real workers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection

from django_kaleyra_otp import simulator
from django_kaleyra_otp.models import SendLog
from tests.e2e.demo import until

BROKERS = {
    "rabbitmq": os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672"),
    "redis": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"),
}
#: What the checks, which a worker of Django's tasks runs, find nothing in.
SETTINGS = {
    "MESSAGES": [{"BODY": "{code} is your Kirana code.", "TEMPLATE_ID": "1007160000000000001"}],
    "LIMITS": [],
    "RESEND_COOLDOWN": 0,
}
CELERY = (
    *("celery", "-A", "tests.e2e.celery_app", "worker", "--concurrency", "1", "--loglevel", "INFO"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat", "--hostname", "{name}"),
)
DB_WORKER = ("django", "db_worker", "--interval", "0.05", "--no-startup-delay", "--no-reload")


def address(url: str) -> tuple[str, int]:
    """Return host and port of a broker."""
    host, _, port = url.rpartition("@")[2].rpartition("//")[2].rpartition(":")
    return host, int(port)


def answers(url: str) -> bool:
    """Return whether something listens at the address of a broker."""
    try:
        socket.create_connection(address(url), timeout=2).close()
    except OSError:
        return False
    return True


class Worker:
    """One worker process; what it prints goes to a file."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str], log: Path, ready: str) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(lambda: ready in log.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, f"the worker ended: {log.read_text()}"

    def end(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """End the worker and what it forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signum)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=20)


class Queue:
    """One queue: what the site and its workers are started with, and what it holds."""

    def __init__(self, kaleyra: simulator.Simulator, folder: Path) -> None:
        self.workers: list[Worker] = []
        self.folder = folder
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.e2e.settings",
            "SERVER_DATABASE_NAME": str(connection.settings_dict["NAME"]),
            "SIMULATOR_URL": kaleyra.base_url,
            "SIMULATOR_SID": simulator.SID,
            "SIMULATOR_API_KEY": simulator.API_KEY,
            "SIMULATOR_SECRET": simulator.CALLBACK_SECRET,
            "PYTHONUNBUFFERED": "1",
            "SERVER_KALEYRA_OTP": json.dumps({"DISPATCH": self.word, **SETTINGS}),
        }

    word: str
    command: tuple[str, ...]
    ready: str

    def work(self) -> Worker:
        """Start a worker, and return it when it is ready."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        command = tuple(word.format(name=f"{secrets.token_hex(8)}@tests") for word in self.command)
        worker = Worker(command, {**os.environ, **self.environment}, log, self.ready)
        self.workers.append(worker)
        return worker

    def end(self) -> None:
        for worker in self.workers:
            worker.end()

    def put(self, send_log_id: int) -> None:
        """Put a task into the queue, as a broker does that delivers one twice."""
        raise NotImplementedError

    def dump(self) -> str:
        """Return all that the queue and its results hold."""
        raise NotImplementedError


class TableQueue(Queue):
    """Django's tasks, in a table."""

    word, command, ready = "tasks", DB_WORKER, "Starting worker"

    def put(self, send_log_id: int) -> None:
        from django_tasks_db.models import DBTaskResult

        first = DBTaskResult.objects.earliest("enqueued_at")
        DBTaskResult.objects.create(
            args_kwargs={"args": [send_log_id], "kwargs": {}},
            task_path=first.task_path,
            backend_name=first.backend_name,
            run_after=first.run_after,
        )

    def dump(self) -> str:
        from django_tasks_db.models import DBTaskResult

        return "\n".join(map(repr, DBTaskResult.objects.values()))


class BrokerQueue(Queue):
    """Celery, on a queue of its own of a broker."""

    word, command, ready = "celery", CELERY, " ready."

    def __init__(self, kaleyra: simulator.Simulator, folder: Path, url: str) -> None:
        from celery import Celery

        super().__init__(kaleyra, folder)
        self.url, self.name = url, f"kaleyra-otp-tests-{secrets.token_hex(8)}"
        self.environment |= {"SERVER_BROKER": url, "SERVER_QUEUE": self.name}
        self.app = Celery("tests", broker=url, set_as_current=False)
        self.app.conf.task_default_queue = self.name
        self.app.conf.broker_transport_options = {"global_keyprefix": self.name}

    def through(self, relay: Relay) -> dict[str, str]:
        """Return the environment of a site whose way to the broker is this one."""
        parts = urlsplit(self.url)
        user = f"{parts.username}:{parts.password}@" if parts.username else ""
        return {**self.environment, "SERVER_BROKER": f"{parts.scheme}://{user}127.0.0.1:{relay.port}"}

    def put(self, send_log_id: int) -> None:
        self.app.send_task("django_kaleyra_otp.deliver", (send_log_id,))

    def dump(self) -> str:
        if self.url.startswith("redis"):
            return repr(self._keys())
        held: list[Any] = []
        with self.app.connection_for_read() as link, link.channel() as channel:
            while message := channel.basic_get(self.name):
                held.append(message)
            texts = [repr((each.body, each.properties, each.delivery_info)) for each in held]
            for message in held:
                channel.basic_reject(message.delivery_tag, requeue=True)
        return "\n".join(texts)

    def _keys(self) -> dict[bytes, Any]:
        """Return what Redis holds for this queue: the tasks not taken, and those not acknowledged."""
        import redis

        found: dict[bytes, Any] = {}
        with redis.Redis.from_url(self.url) as client:
            for key in client.keys(f"{self.name}*"):
                match client.type(key):
                    case b"list":
                        found[key] = client.lrange(key, 0, -1)
                    case b"hash":
                        found[key] = client.hgetall(key)
                    case b"zset" | b"set":
                        found[key] = client.sort(key, alpha=True)
        return found

    def end(self) -> None:
        super().end()
        with self.app.connection_for_write() as link, link.channel() as channel:
            channel.queue_delete(self.name)
            if self.url.startswith("amqp"):
                channel.exchange_delete(self.name)
        self.app.close()
        if self.url.startswith("redis"):
            import redis

            with redis.Redis.from_url(self.url) as client:
                for key in client.keys(f"{self.name}*"):
                    client.delete(key)


class Relay:
    """A way to a broker that can be cut and opened again, and made to carry nothing."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.links, self.door = target, [], None
        self.carries = threading.Event()
        self.carries.set()
        self.open()

    port = 0

    def open(self) -> None:
        self.door = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._let_in, args=(self.door,), daemon=True).start()

    def cut(self) -> None:
        """Close the door, and every connection that went through it."""
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        for link in self.links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        self.links = []

    def _let_in(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = door.accept()
                there = socket.create_connection(self.target)
                self.links += [here, there]
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.carries.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running(kind: str, kaleyra: simulator.Simulator, folder: Path) -> Iterator[Queue]:
    """A queue without workers; skips where its package or its broker is missing."""
    if kind == "table":
        if not importlib.util.find_spec("django_tasks_db"):
            pytest.skip("django-tasks-db is not installed")
        queue: Queue = TableQueue(kaleyra, folder)
    else:
        for package in ("celery", "redis"):
            if not importlib.util.find_spec(package):
                pytest.skip(f"{package} is not installed")
        if not answers(BROKERS[kind]):
            pytest.skip(
                f"nothing answers where {kind} should be: {':'.join(map(str, address(BROKERS[kind])))}"
            )
        queue = BrokerQueue(kaleyra, folder, BROKERS[kind])
    try:
        yield queue
    finally:
        queue.end()


def wait_until_none_is(*statuses: str) -> None:
    """Wait until no send has one of these statuses."""
    until(lambda: not SendLog.objects.filter(status__in=statuses).exists())
