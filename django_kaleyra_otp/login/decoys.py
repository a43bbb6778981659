"""The decoy: what a number meets that signs nobody in.

It passes the same checks in the same order as a challenge, is charged to the same limits, and is a row
like any other, so that guesses, time, sends and failures are counted by the same statements. But it
is bound to something that no page ever gives, so that every code is wrong; and no SMS leaves.

So that the clock tells no more than the page, what only a true challenge needs is read in vain, its
SMS is written and deleted, and a queue is given an id that its worker finds no row for.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django.db import connections
from django.http import HttpRequest
from django.utils import timezone

from django_kaleyra_otp import (
    announcements,
    challenges,
    client_ip,
    codes,
    delivery,
    events,
    guard,
    limits,
    messages,
    phones,
    plans,
)
from django_kaleyra_otp.events import Asked
from django_kaleyra_otp.exceptions import Expired, NotFound
from django_kaleyra_otp.models import OTPChallenge, SendLog, database
from django_kaleyra_otp.types import Secret


def start(
    phone_number: str, *, purpose: str, tie: str, bind: Any, language: str | None, request: HttpRequest
) -> OTPChallenge:
    """Do all that ``challenges.start`` does but send, and return a challenge that no code verifies.

    ``bind`` is what the true challenge would be bound to: a text may name what stands in it. Raises
    what ``challenges.start`` raises before it sends.
    """
    with events.refusals(Asked("start", purpose)) as asked:
        rules, number, now = guard.rules_of(purpose), phones.parse(phone_number), timezone.now()
        asked.number = number
        ip = client_ip.of(request)
        plan = plans.for_start(
            number,
            rules,
            now,
            user=None,
            known=False,
            bind=bind,
            language=language,
            idempotency_digest=None,
            ip=ip,
            request=request,
        )
        key = codes.keys()[0]
        plan.challenge.bind_digest = codes.digest_bind(_other(tie), key)
        limits.or_refuse(lambda: plans.commit_start(plan, _write_and_delete))
    delivery.after_commit(lambda: announcements.decoy_started(plan.challenge))
    _seem_to_leave(plan.send)
    return plan.challenge


def resend(challenge: OTPChallenge, *, bind: Any, request: HttpRequest) -> None:
    """Do all that ``challenges.resend`` does but send, to a decoy that is open and has sends left.

    Raises what ``challenges.resend`` raises before it sends.
    """
    with events.refusals(Asked("resend", challenge.purpose, challenge.pk)) as asked:
        with contextlib.suppress(NotFound):
            challenges.look(challenge.pk)
        rules, now = guard.rules_of(challenge.purpose), timezone.now()
        asked.number = number = phones.parse(challenge.phone_number)
        ip = client_ip.of(request)
        rendered = messages.render(
            purpose=challenge.purpose,
            language=challenge.language,
            phone_number=number.e164,
            code_length=challenge.code_length,
            ttl=rules.code_ttl,
            bind=bind,
        )
        plan = plans.for_resend(challenge, number, rules, rendered, now, ip=ip, request=request)
        try:
            limits.or_refuse(lambda: plans.commit_resend(plan, _write_and_delete))
        except plans.Overtaken:
            raise Expired from None
    delivery.after_commit(lambda: announcements.resent(challenge))
    _seem_to_leave(plan.send)


def is_one(challenge: OTPChallenge, tie: str) -> bool:
    """Return whether a challenge is a decoy; ``tie`` is the value that ties it to its session."""
    key = codes.key_named(challenge.key_fingerprint)
    return key is not None and codes.same(
        Secret(codes.digest_bind(_other(tie), key)), Secret(challenge.bind_digest)
    )


def _other(tie: str) -> dict[str, str]:
    """Return what a decoy is bound to, which nobody ever gives to ``verify``."""
    return {"decoy": tie}


def _write_and_delete(send: SendLog) -> None:
    delivery.save(send)
    connection = connections[database.alias()]
    table = connection.ops.quote_name(SendLog._meta.db_table)
    with connection.cursor() as cursor:  # one statement: a queryset would look for callbacks first
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [send.pk])  # noqa: S608
    send.pk = -send.pk  # no row ever has it; the id itself, SQLite gives away again


def _seem_to_leave(send: SendLog) -> None:
    if not delivery.leaves_inline():
        delivery.after_commit(lambda: delivery.dispatch(send))
