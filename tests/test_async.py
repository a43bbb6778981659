"""The async twins: the same calls, awaited."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.test import AsyncClient

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import Cooldown, InvalidToken, NotFound
from django_kaleyra_otp.models import OTPChallenge, SendLog
from tests.conftest import NUMBER, OTHER, code_in, wrong
from tests.playing import later

pytestmark = pytest.mark.django_db(transaction=True)


def awaited(function):
    """Run an async test to its end."""

    def test(outbox):
        async_to_sync(function)(outbox)

    test.__name__, test.__doc__ = function.__name__, function.__doc__
    return test


@awaited
async def test_a_code_goes_all_the_way(outbox):
    challenge = await challenges.astart(NUMBER, purpose="login", bind={"a": 1})
    code = code_in(outbox[0])
    missed = await challenges.averify(challenge.pk, wrong(code), bind={"a": 1})
    hit = await challenges.averify(challenge.pk, code, purpose="login", bind={"a": 1})
    redeemed = await challenges.aredeem(hit.token, purpose="login", bind={"a": 1})

    assert (missed.error, missed.attempts_left, hit.ok) == ("invalid_code", 4, True)
    assert redeemed == challenge
    with pytest.raises(InvalidToken):
        await challenges.aredeem(hit.token, purpose="login", bind={"a": 1})


@awaited
async def test_a_resend_and_a_cancel(outbox):
    challenge = await challenges.astart(NUMBER)
    with pytest.raises(Cooldown):
        await challenges.aresend(challenge.pk)
    await sync_to_async(later)(31)
    assert (await challenges.aresend(challenge.pk)).sends == 2
    assert (await challenges.acancel(challenge.pk)).status == "canceled"
    assert (await challenges.averify(challenge.pk, code_in(outbox[0]))).error == "canceled"
    with pytest.raises(NotFound):
        await challenges.acancel("x")


@awaited
async def test_of_many_awaited_at_once_the_limits_hold(outbox):
    """R-011, R-012, R-019, R-048."""

    async def start():
        try:
            return (await challenges.astart(NUMBER)).pk
        except Cooldown:
            return None

    started = [pk for pk in await asyncio.gather(*(start() for _ in range(10))) if pk]
    assert len(started) == len(outbox) == 1
    code = code_in(outbox[0])
    guesses = await asyncio.gather(*(challenges.averify(started[0], wrong(code)) for _ in range(12)))
    assert Counter(guess.error for guess in guesses) == {"invalid_code": 5, "max_attempts_reached": 7}

    other = await challenges.astart(OTHER)
    code = code_in(outbox[1])
    hits = await asyncio.gather(*(challenges.averify(other.pk, code) for _ in range(12)))
    assert Counter(hit.ok for hit in hits) == {True: 1, False: 11}
    tokens = [hit.token for hit in hits if hit.ok]
    redeemed = await asyncio.gather(
        *(challenges.aredeem(tokens[0], purpose="verify") for _ in range(6)), return_exceptions=True
    )
    assert Counter(type(each) for each in redeemed) == {OTPChallenge: 1, InvalidToken: 5}


@awaited
async def test_the_api_works_under_asgi(outbox):
    """R-019: HTTP through an async handler."""
    client = AsyncClient()
    started = await client.post("/otp/challenges/", {"phone_number": NUMBER}, "application/json")
    url = f"/otp/challenges/{started.json()['id']}/"
    seen = await client.get(url)
    verified = await client.post(f"{url}verify/", {"code": code_in(outbox[0])}, "application/json")

    assert [started.status_code, seen.status_code, verified.status_code] == [201, 200, 200]
    assert seen["Cache-Control"] == "no-store"


@awaited
async def test_inside_a_transaction_the_sms_leaves_after_its_commit(outbox):
    """R-079: the twins see the transaction of the thread that they run in."""

    @sync_to_async
    def begin():
        block = transaction.atomic()
        block.__enter__()
        return block

    block = await begin()
    await challenges.astart(NUMBER)
    assert not outbox
    await sync_to_async(block.__exit__)(None, None, None)

    assert len(outbox) == await SendLog.objects.acount() == 1
