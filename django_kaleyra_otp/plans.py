"""What one SMS of a challenge needs before anything is charged: the checks in their order, and the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from django_kaleyra_otp import codes, delivery, guard, limits, messages
from django_kaleyra_otp.admission import admit
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.limits import Bucket
from django_kaleyra_otp.messages import Rendered
from django_kaleyra_otp.models import OTPChallenge, SendLog, database
from django_kaleyra_otp.phones import Number
from django_kaleyra_otp.shapes import Purpose


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows that are not saved yet, and the buckets to charge for them at ``now``."""

    challenge: OTPChallenge
    send: SendLog
    buckets: Sequence[Bucket]
    now: datetime


class Overtaken(Exception):
    """Another call changed the challenge first; raised inside the transaction that it undoes."""


def for_start(
    number: Number,
    rules: Purpose,
    now: datetime,
    *,
    user: Any,
    known: bool,
    bind: Any,
    language: str | None,
    idempotency_digest: str | None,
    ip: str | None,
    request: HttpRequest | None,
) -> Plan:
    """Check a new challenge and return its rows; raises what ``challenges.start`` raises uncharged."""
    language = language or messages.default_language()
    guard.admit_country(number)
    rendered = messages.render(
        purpose=rules.name,
        language=language,
        phone_number=number.e164,
        code_length=rules.code_length,
        ttl=rules.code_ttl,
        bind=bind,
    )
    inline = delivery.leaves_inline()
    past = admit(number, rules.name, now, inline=inline, ip=ip, user=user, request=request)
    user_id = getattr(user, "pk", None)
    guard.admit_failures(number, past, rules, known=known, user_id=user_id, now=now)
    key = codes.keys()[0]
    test_number = conf.TEST_NUMBERS.get(number.e164)
    challenge = OTPChallenge(
        phone_number=number.e164,
        purpose=rules.name,
        user_id=user_id,
        known=known,
        language=language,
        nonce=codes.new_nonce(),
        key_fingerprint=codes.fingerprint(key),
        bind_digest=codes.digest_bind(bind, key),
        code_length=len(test_number.code.reveal()) if test_number else rules.code_length,
        max_attempts=rules.max_attempts,
        max_sends=conf.MAX_SENDS,
        ip=ip or None,
        idempotency_digest=idempotency_digest,
        created_at=now,
        last_sent_at=now,
        expires_at=now + timedelta(seconds=rules.code_ttl),
    )
    return _plan(challenge, number, rules, rendered, now, ip=ip, proven=past.proven)


def for_resend(
    challenge: OTPChallenge,
    number: Number,
    rules: Purpose,
    rendered: Rendered,
    now: datetime,
    *,
    ip: str | None,
    request: HttpRequest | None,
) -> Plan:
    """Check one more SMS of an open challenge; raises what ``challenges.resend`` raises uncharged."""
    guard.admit_country(number)
    user = challenge.user if conf.RISK and challenge.user_id else None
    inline = delivery.leaves_inline()
    past = admit(number, rules.name, now, inline=inline, ip=ip, user=user, request=request)
    return _plan(challenge, number, rules, rendered, now, ip=ip, proven=past.proven)


def _plan(
    challenge: OTPChallenge,
    number: Number,
    rules: Purpose,
    rendered: Rendered,
    now: datetime,
    *,
    ip: str | None,
    proven: bool,
) -> Plan:
    buckets = limits.buckets_for(
        number,
        rules.limits,
        segments=rendered.segments,
        ip=ip,
        user_id=challenge.user_id,
        known=challenge.known,
        proven=proven,
    )
    inline = delivery.leaves_inline()
    send = delivery.new_send(number, rendered, now, challenge=challenge, inline=inline)
    return Plan(challenge, send, buckets, now)


@database.retried
def commit_start(plan: Plan, save_send: Callable[[SendLog], None] = delivery.save) -> None:
    """Charge and insert a new challenge and its SMS, all or nothing; raises limits.Full."""
    with database.atomic():
        limits.charge(plan.buckets, plan.now)
        plan.challenge.save(using=database.alias(), force_insert=True)
        save_send(plan.send)


@database.retried
def commit_resend(plan: Plan, save_send: Callable[[SendLog], None] = delivery.save) -> None:
    """Charge and insert one more SMS, all or nothing; raises limits.Full, and Overtaken."""
    with database.atomic():
        limits.charge(plan.buckets, plan.now)
        if not OTPChallenge.objects.using(database.alias()).claim_send(plan.challenge.pk, now=plan.now):
            raise Overtaken
        save_send(plan.send)
