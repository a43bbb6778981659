"""``make demo-distributed``: two web servers and two workers that share a database and a broker."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import free_port
from tests.e2e.demo import PATIENCE, Demo, until
from tests.e2e.queues import BROKERS, answers
from tests.e2e.test_demo import is_free, processes_about

#: Without the name of a database.
POSTGRES = "/".join(os.environ.get("POSTGRES_URL", "postgres://postgres@127.0.0.1:5432").split("/")[:3])
NUMBERS = [f"+9198765450{each:02}" for each in range(8)]


def lacking():
    """Return what keeps the demonstration from running here, or ""."""
    packages = [
        name for name in ("celery", "redis", "psycopg", "gunicorn") if not importlib.util.find_spec(name)
    ]
    if packages:
        return f"not installed: {', '.join(packages)}"
    away = [name for name, url in {"PostgreSQL": POSTGRES, **BROKERS}.items() if not answers(url)]
    return f"does not answer: {', '.join(away)}" if away else ""


pytestmark = [pytest.mark.heavy, pytest.mark.skipif(bool(lacking()), reason=lacking())]


def alive(pid):
    """Return whether a process runs: one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def start_demo(tmp_path):
    started = []

    def start(**environment):
        started.append(Demo(tmp_path, "distributed.py", **environment))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)


def has_database(name):
    import psycopg

    with psycopg.connect(f"{POSTGRES}/postgres") as server:
        found = server.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name]).fetchone()
    return bool(found[0])


def has_queue(url, name):
    """Return whether a broker has anything by this name."""
    if url.startswith("redis"):
        import redis

        with redis.Redis.from_url(url) as client:
            return bool(client.keys(f"*{name}*"))
    from kombu import Connection

    with Connection(url) as link:
        with contextlib.suppress(link.channel_errors):
            link.channel().queue_declare(name, passive=True)
            return True
        with contextlib.suppress(link.channel_errors):
            link.channel().exchange_declare(name, "direct", passive=True)
            return True
    return False


@pytest.mark.parametrize("broker", BROKERS)
def test_two_web_servers_and_two_workers_send_each_sms_once_and_end_without_a_trace(start_demo, broker):
    """R-079."""
    demo = start_demo(POSTGRES_URL=POSTGRES, BROKER_URL=BROKERS[broker])
    said = demo.wait_until_ready()
    webs, workers = (
        [int(pid) for pid in re.search(rf"{what} +process (\d+) and (\d+)", said).groups()]
        for what in ("Web servers", "Workers")
    )
    database = re.search(r"kaleyra_otp_demo_\w+", said)[0]
    assert has_database(database)

    for each in NUMBERS:
        answer = requests.post(f"{demo.site}/otp/challenges/", json={"phone_number": each}, timeout=PATIENCE)
        assert (answer.status_code, answer.json()["delivery"]["status"]) == (201, "pending")
    received = [until(lambda each=each: demo.messages(each)) for each in NUMBERS]

    assert [len(messages) for messages in received] == [1] * len(NUMBERS)
    assert all(map(alive, [*webs, *workers]))
    assert has_queue(BROKERS[broker], database)
    assert requests.get(f"{demo.site}/static/shop/shop.css", timeout=PATIENCE).status_code == 200

    assert demo.end() == 0, demo.complaint

    assert is_free(demo.site_port)
    assert is_free(demo.simulator_port)
    assert processes_about(demo.site_port) == processes_about(demo.simulator_port) == []
    assert not any(map(alive, [*webs, *workers]))
    assert not has_database(database)
    assert not has_queue(BROKERS[broker], database)


def test_servers_that_are_missing_are_named_with_the_way_out(start_demo):
    nothing = f"127.0.0.1:{free_port()}"
    demo = start_demo(
        POSTGRES_URL=f"postgres://me:canary-9f3c@{nothing}", BROKER_URL=f"redis://:canary-9f3c@{nothing}"
    )

    assert demo.wait() == 1

    assert f"PostgreSQL cannot be used at {nothing}" in demo.complaint
    assert f"No broker can be used at {nothing}" in demo.complaint
    assert "make demo-distributed" in demo.complaint
    assert "canary" not in demo.complaint
    assert "Traceback" not in demo.complaint
