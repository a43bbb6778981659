"""The decoy: what a number meets that signs nobody in.

It passes the same checks in the same order as a challenge, is charged to the same limits, and is a row
like any other, so that guesses, time, sends and failures are counted by the same statements. But it
is bound to something that no page ever gives, so that every code is wrong; and no SMS leaves.

So that the clock tells no more than the page, what only a true challenge needs is read in vain, its
SMS is written and taken back, and a queue is given an id that its worker finds no row for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from django_kaleyra_otp import (
    challenges,
    client_ip,
    codes,
    delivery,
    guard,
    limits,
    lookup,
    messages,
    phones,
)
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import Expired, Invalid, NotFound
from django_kaleyra_otp.models import OTPChallenge, SendLog, database
from django_kaleyra_otp.shapes import Purpose
from django_kaleyra_otp.types import Secret


def start(
    phone_number: str, *, purpose: str, tie: str, bind: Any, language: str | None, request: HttpRequest
) -> OTPChallenge:
    """Do all that ``challenges.start`` does but send, and return a challenge that no code verifies.

    ``bind`` is what the true challenge would be bound to: a text may name what stands in it. Raises
    what ``challenges.start`` raises before it sends.
    """
    rules, number, now = _rules(purpose), phones.parse(phone_number), timezone.now()
    ip, language = client_ip.of(request), language or messages.default_language()
    digest = lookup.idempotency_digest(tie, None, ip)
    if digest:
        lookup.earlier(digest, number, purpose, now)
    guard.admit_country(number)
    rendered = messages.render(
        purpose=purpose,
        language=language,
        phone_number=number.e164,
        code_length=rules.code_length,
        ttl=rules.code_ttl,
        bind=bind,
    )
    guard.admit_test_number(number, now)
    guard.admit_prefix(number, now)
    guard.admit_sending()
    guard.admit_risk(number, purpose=purpose, ip=ip, user=None, request=request)
    proven = guard.admit_failures(number, rules, known=False, user_id=None, now=now)
    key = codes.keys()[0]
    test_number = conf.TEST_NUMBERS.get(number.e164)
    challenge = OTPChallenge(
        phone_number=number.e164,
        purpose=purpose,
        language=language,
        nonce=codes.new_nonce(),
        key_fingerprint=codes.fingerprint(key),
        bind_digest=codes.digest_bind(_other(tie), key),
        code_length=len(test_number.code.reveal()) if test_number else rules.code_length,
        max_attempts=rules.max_attempts,
        max_sends=conf.MAX_SENDS,
        ip=ip or None,
        idempotency_digest=digest,
        created_at=now,
        expires_at=now + timedelta(seconds=rules.code_ttl),
    )
    buckets = limits.buckets_for(
        number,
        rules.limits,
        segments=rendered.segments,
        ip=ip,
        user_id=None,
        known=False,
        proven=proven,
    )
    send = delivery.new_send(number, rendered, now, challenge=challenge, inline=False)
    try:
        _commit_start(challenge, send, buckets, now)
    except limits.Full as full:
        refused = full
    else:
        _seem_to_leave(send)
        return challenge
    raise limits.refusal(refused)


def resend(challenge: OTPChallenge, *, bind: Any, request: HttpRequest) -> None:
    """Do all that ``challenges.resend`` does but send, to a decoy that is open and has sends left.

    Raises what ``challenges.resend`` raises before it sends.
    """
    with contextlib.suppress(NotFound):
        challenges.look(challenge.pk)
    rules, number, now = _rules(challenge.purpose), phones.parse(challenge.phone_number), timezone.now()
    ip = client_ip.of(request)
    guard.admit_country(number)
    guard.admit_test_number(number, now)
    guard.admit_prefix(number, now)
    guard.admit_sending()
    guard.admit_risk(number, purpose=challenge.purpose, ip=ip, user=None, request=request)
    rendered = messages.render(
        purpose=challenge.purpose,
        language=challenge.language,
        phone_number=number.e164,
        code_length=challenge.code_length,
        ttl=rules.code_ttl,
        bind=bind,
    )
    buckets = limits.buckets_for(
        number,
        rules.limits,
        segments=rendered.segments,
        ip=ip,
        user_id=None,
        known=False,
        proven=guard.proven(number, now),
    )
    send = delivery.new_send(number, rendered, now, challenge=challenge, inline=False)
    try:
        _commit_resend(challenge, send, buckets, now)
    except limits.Full as full:
        refused = full
    else:
        _seem_to_leave(send)
        return
    raise limits.refusal(refused)


def is_one(challenge: OTPChallenge, tie: str) -> bool:
    """Return whether a challenge is a decoy; ``tie`` is the value that ties it to its session."""
    key = codes.key_named(challenge.key_fingerprint)
    return key is not None and codes.same(
        Secret(codes.digest_bind(_other(tie), key)), Secret(challenge.bind_digest)
    )


def _other(tie: str) -> dict[str, str]:
    """Return what a decoy is bound to, which nobody ever gives to ``verify``."""
    return {"decoy": tie}


def _rules(purpose: str) -> Purpose:
    rules = conf.purpose(purpose)
    if rules is None:
        raise Invalid
    return rules


@database.retried
def _commit_start(
    challenge: OTPChallenge, send: SendLog, buckets: Sequence[limits.Bucket], now: datetime
) -> None:
    using = database.alias()
    with transaction.atomic(using=using):
        limits.charge(buckets, now)
        challenge.save(using=using, force_insert=True)
        _write_and_take_back(send)


@database.retried
def _commit_resend(
    challenge: OTPChallenge, send: SendLog, buckets: Sequence[limits.Bucket], now: datetime
) -> None:
    using = database.alias()
    with transaction.atomic(using=using):
        limits.charge(buckets, now)
        if not OTPChallenge.objects.using(using).claim_send(challenge.pk, now=now):
            raise Expired
        _write_and_take_back(send)


def _write_and_take_back(send: SendLog) -> None:
    using = database.alias()
    with transaction.atomic(using=using):
        send.save(using=using, force_insert=True)
        transaction.set_rollback(True, using=using)


def _seem_to_leave(send: SendLog) -> None:
    if not delivery.leaves_inline():
        delivery.after_commit(lambda: delivery.dispatch(send))
