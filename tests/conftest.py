"""Fixtures, and no assertions."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from django_kaleyra_otp import breaker, challenges
from django_kaleyra_otp.backends import locmem

T = TypeVar("T")

NUMBER = "+919876543210"
OTHER = "+919876501234"


def code_in(sms: locmem.OutboxSMS) -> str:
    """Return the code that stands in a text."""
    return re.search(r"\b\d{6,10}\b", sms.body)[0]


def wrong(code: str) -> str:
    """Return another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


class API:
    """The HTTP API as a caller sees it."""

    def __init__(self, client: APIClient) -> None:
        self.client = client

    def start(self, phone_number: Any = NUMBER, *, key: str | None = None, headers: Any = None, **body: Any):
        headers = {**(headers or {}), **({"Idempotency-Key": key} if key else {})}
        return self.client.post(
            "/otp/challenges/", {"phone_number": phone_number, **body}, "json", headers=headers
        )

    def look(self, challenge_id: Any):
        return self.client.get(f"/otp/challenges/{challenge_id}/")

    def verify(self, challenge_id: Any, code: Any):
        return self.client.post(f"/otp/challenges/{challenge_id}/verify/", {"code": code}, "json")

    def resend(self, challenge_id: Any):
        return self.client.post(f"/otp/challenges/{challenge_id}/resend/", None, "json")

    def cancel(self, challenge_id: Any):
        return self.client.delete(f"/otp/challenges/{challenge_id}/")


@pytest.fixture(autouse=True)
def outbox():
    """The SMS that were handed over, oldest first; empty at first, and every account in good health."""
    locmem.outbox.clear()
    breaker.reset()
    yield locmem.outbox
    locmem.outbox.clear()


@pytest.fixture
def configure(settings) -> Callable[..., None]:
    """``configure(CODE_TTL=60)``: change keys of KALEYRA_OTP for one test."""

    def change(**keys: Any) -> None:
        settings.KALEYRA_OTP = {**settings.KALEYRA_OTP, **keys}

    return change


@pytest.fixture
def api(db) -> API:
    return API(APIClient())


@pytest.fixture
def challenge(db):
    """A challenge of NUMBER for ``verify``, its SMS in the outbox."""
    return challenges.start(NUMBER)


@pytest.fixture
def code(challenge, outbox) -> str:
    return code_in(outbox[-1])


@pytest.fixture
def wrong_code(code) -> str:
    return wrong(code)


@pytest.fixture
def user(db, django_user_model):
    return django_user_model.objects.create_user("asha", password="a password", phone_number=NUMBER)


MOST_THREADS = 40  # a PostgreSQL server has 100 connections as it comes, and two workers may race at once


@pytest.fixture
def together(transactional_db) -> Callable[[int, Callable[[int], T]], list[T]]:
    """``together(n, call)``: ``call(0)`` to ``call(n - 1)`` from up to 40 threads, released at one moment.

    Each thread has its own connection; beyond 40, a thread makes several calls in a row.
    """

    def run(n: int, call: Callable[[int], T]) -> list[T]:
        threads = min(n, MOST_THREADS)
        gate = threading.Barrier(threads, timeout=60)

        def some(first: int) -> list[tuple[int, T]]:
            try:
                connection.ensure_connection()  # so that connecting is no part of the race
                gate.wait()
                return [(number, call(number)) for number in range(first, n, threads)]
            except BaseException:
                gate.abort()
                raise
            finally:
                connections.close_all()

        with ThreadPoolExecutor(threads) as pool:
            results = dict(pair for pairs in pool.map(some, range(threads)) for pair in pairs)
        return [results[number] for number in range(n)]

    return run
