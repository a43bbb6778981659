"""``make demo-distributed``: two web servers, two workers, a broker, one PostgreSQL, until Ctrl-C.

``POSTGRES_URL`` (postgres://postgres@127.0.0.1:5432) and ``BROKER_URL`` (amqp://guest:guest@127.0.0.1:5672,
else redis://127.0.0.1:6379) name the servers; ports as in ``demo.py``. Database and queue are made for
one run and taken away with it.
"""

import contextlib
import os
import secrets
import sys
from urllib.parse import urlsplit

from demo import HOST, Demonstration, Failure, Places, main, refuse_missing

TARGET = "demo-distributed"
POSTGRES = "postgres://postgres@127.0.0.1:5432"
BROKERS = ("amqp://guest:guest@127.0.0.1:5672", "redis://127.0.0.1:6379")
PACKAGES = (
    *("django_kaleyra_otp", "drf_spectacular_sidecar"),
    *("celery", "gunicorn", "psycopg", "redis"),
)
TWO = (1, 2)


def place(url):
    """Return host and port of a server, for people: a URL may hold a password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


@contextlib.contextmanager
def administrator(url):
    """A connection to PostgreSQL that can create and drop databases."""
    import psycopg

    with psycopg.connect(f"{url}/postgres", connect_timeout=3, autocommit=True) as connection:
        yield connection


def postgres_from(environment):
    """Return the URL of PostgreSQL without a database, and what is wrong with the server, or ""."""
    import psycopg

    url = (environment.get("POSTGRES_URL") or POSTGRES).rstrip("/")
    try:
        with administrator(url):
            return url, ""
    except psycopg.OperationalError as error:
        why = str(error).strip().splitlines()[-1]
        return url, (
            f"PostgreSQL cannot be used at {place(url)}: {why}\n"
            "Start it, or name another: POSTGRES_URL=postgres://user:password@host:5432 make " + TARGET
        )


def broker_from(environment):
    """Return the URL of a broker, and what is wrong where there is none, or ""."""
    given = environment.get("BROKER_URL")
    asked = [given] if given else BROKERS
    for url in asked:
        try:
            with broker(url) as link:
                link.ensure_connection(max_retries=1, interval_start=0, timeout=3)
        except Exception as error:  # each transport has its own
            why = type(error).__name__
        else:
            return url, ""
    return "", (
        f"No broker can be used at {' or '.join(map(place, asked))} ({why}).\n"
        "Start RabbitMQ or Redis, or name another: BROKER_URL=amqp://user:password@host:5672 make " + TARGET
    )


def broker(url):
    """Return a connection to a broker, not made yet."""
    from celery import Celery

    return Celery(broker=url, set_as_current=False).connection_for_write(connect_timeout=3)


def forget_queue(url, name):
    """Delete a queue and what is left in it."""
    if url.startswith("redis"):
        import redis

        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(f"*{name}*"):
                client.delete(key)
        return
    with broker(url) as link, link.channel() as channel:
        channel.queue_delete(name)
        channel.exchange_delete(name)


def run(stop):
    """Start everything, say where it is, and wait until ``stop`` is set. Raises Failure."""
    refuse_missing(PACKAGES, TARGET)
    (postgres, no_postgres), (queue, no_broker) = postgres_from(os.environ), broker_from(os.environ)
    if no_postgres or no_broker:
        raise Failure("\n\n".join(filter(None, (no_postgres, no_broker))))
    places, name = Places(TARGET), f"kaleyra_otp_demo_{secrets.token_hex(4)}"
    environment = {
        **places.environment,
        "DATABASE_URL": f"{postgres}/{name}",
        "BROKER_URL": queue,
        "QUEUE_NAME": name,
    }
    demonstration = Demonstration(environment, stop)
    with administrator(postgres) as server:
        server.execute(f"CREATE DATABASE {name}")
    try:
        demonstration.prepare()
        kaleyra = demonstration.start("simulator", *places.simulator)
        webs = [start_web(demonstration, number, places.site_port) for number in TWO]
        workers = [start_worker(demonstration, number) for number in TWO]
        demonstration.wait_for(kaleyra, places.handsets)
        demonstration.wait_for(webs[0], places.site)
        demonstration.show(
            [
                *places.rows(),
                ("Web servers", f"process {' and '.join(str(web.process.pid) for web in webs)}, one port"),
                ("Workers", f"process {' and '.join(str(worker.process.pid) for worker in workers)}"),
                ("Broker", f"{queue.partition(':')[0]} at {place(queue)}"),
                ("PostgreSQL", f"{name} at {place(postgres)}, dropped at the end"),
            ]
        )
    finally:
        demonstration.end()
        forget_queue(queue, name)
        with administrator(postgres) as server:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def start_web(demonstration, number, port):
    """Start a web server; the servers share one port, and the kernel gives each its part of the calls."""
    bind = ("--bind", f"{HOST}:{port}", "--reuse-port")
    how = ("--workers", "1", "--threads", "8", "--no-control-socket", "--graceful-timeout", "3")
    return demonstration.start(f"web server {number}", "-m", "gunicorn", "wsgi", *bind, *how)


def start_worker(demonstration, number):
    """Start a worker; each needs a name of its own."""
    name = ("--hostname", f"worker{number}@{demonstration.environment['QUEUE_NAME']}", "--concurrency", "2")
    how = ("--without-gossip", "--without-mingle", "--loglevel", "WARNING")
    return demonstration.start(f"worker {number}", "-m", "celery", "-A", "shop", "worker", *name, *how)


if __name__ == "__main__":
    sys.exit(main(run))
