"""The way out of one SMS: dispatch, deliver, send_code."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from django_kaleyra_otp import (
    announcements,
    client_ip,
    codes,
    events,
    guard,
    handover,
    limits,
    messages,
    phones,
    routing,
    shapes,
    signals,
)
from django_kaleyra_otp.admission import admit
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.events import Asked
from django_kaleyra_otp.exceptions import (
    DatabaseBusy,
    DeliveryFailed,
    DeliveryUnavailable,
    DeliveryUnknown,
    Invalid,
    KaleyraOTPError,
)
from django_kaleyra_otp.guard import Past
from django_kaleyra_otp.handover import Outcome
from django_kaleyra_otp.messages import Rendered
from django_kaleyra_otp.models import ChallengeStatus, DeliveryStatus, OTPChallenge, SendLog, database
from django_kaleyra_otp.models.delivery import join_waiting
from django_kaleyra_otp.phones import Number
from django_kaleyra_otp.shapes import Limit
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE
from django_kaleyra_otp.types import SMS, Secret

logger = logging.getLogger(__name__)

#: Characters of a message id that are kept, here and of a callback.
MAX_ID = 100
#: The columns that hold what the provider answered.
ANSWERED = (
    "error_code",
    "error_class",
    "error_message",
    "http_status",
    "message_id",
    "latency",
    "submitted_at",
)


def new_send(
    number: Number, rendered: Rendered, now: datetime, *, challenge: OTPChallenge | None, inline: bool
) -> SendLog:
    """Return the row of one SMS, not saved yet: born ``sending`` where it leaves inline, else ``queued``."""
    status = DeliveryStatus.SENDING if inline else DeliveryStatus.QUEUED
    route = routing.routes_for(number.e164)[0]
    return SendLog(
        challenge=challenge,
        phone_number=number.e164,
        country=number.country,
        block=number.block,
        route=route.name,
        sender=route.sender,
        template_id=rendered.template_id,
        body=rendered.body,
        segments=rendered.segments,
        status=status,
        rank=status.rank,
        claimed_at=now if inline else None,
        created_at=now,
    )


def leaves_inline() -> bool:
    """Return whether ``DISPATCH`` has an SMS leave in the request that asked for it."""
    return conf.DISPATCH == "inline"


def save(send: SendLog) -> None:
    """Insert the row of an SMS."""
    send.pk = None  # a try before may have given it one
    send.save(using=database.alias(), force_insert=True)


def after_commit(step: Callable[[], object]) -> None:
    """Run ``step`` now, or after the commit of the caller's own transaction, where there is one."""
    if database.in_outer_transaction():
        transaction.on_commit(step, using=database.alias(), robust=True)
    else:
        step()


def dispatch(send: SendLog) -> None:
    """Have a committed send leave: inline, or by a task that carries its id and no code.

    Raises DeliveryFailed where it left inline and surely was not accepted, and DeliveryUnavailable
    where the queue did not take it.
    """
    if send.status == DeliveryStatus.SENDING:
        assert send.challenge is not None  # noqa: S101
        _hand_over(send, code_of(send.challenge), in_request=True)
        return
    try:
        shapes.load(conf.DISPATCH)(send.pk)
    except Exception as error:
        logger.error("KALEYRA_OTP['DISPATCH'] raised %s.", type(error).__name__)
    else:
        return
    if give_up(send, "dispatch"):
        raise DeliveryUnavailable


def deliver(send_log_id: int) -> None:
    """Hand over a queued SMS; what a worker calls. Called twice for one SMS, it sends once.

    Asks again what may have changed since the request: the challenge open and in time, the kill
    switch, closed prefixes. Raises nothing for an SMS that was not accepted: the row tells. Raises
    DatabaseBusy where the row could not be claimed: call again.
    """
    now = timezone.now()
    claimed = _claimed(send_log_id, now)
    if claimed is None:
        return
    send, past = claimed
    challenge = send.challenge
    try:
        if challenge is None or challenge.status_at(now) != ChallengeStatus.PENDING:
            raise DeliveryFailed(error_code="closed", error_class="caller")
        guard.admit_prefix(Number(send.phone_number, send.country), past)
        guard.admit_sending()
    except DeliveryFailed as failure:
        _fail(send, failure)
        return
    except KaleyraOTPError as refusal:
        _fail(send, DeliveryFailed(error_code=refusal.code, error_class="caller"))
        return
    with contextlib.suppress(DeliveryFailed):  # the row and the log tell
        _hand_over(send, code_of(challenge))


@database.retried
def _claimed(send_log_id: int, now: datetime) -> tuple[SendLog, Past] | None:
    """Return a queued send that is ours from now on, and what is known of its number.

    None where somebody has it.
    """
    sends = SendLog.objects.using(database.alias())
    # read first: were a read refused after the claim, nobody would send it
    queued = sends.select_related("challenge").filter(pk=send_log_id, status=DeliveryStatus.QUEUED)
    send = next(iter(queued), None)
    if send is None:
        return None
    past = guard.past(Number(send.phone_number, send.country), now)
    if not sends.claim(send_log_id, now):
        return None
    send.status, send.rank, send.claimed_at = DeliveryStatus.SENDING, DeliveryStatus.SENDING.rank, now
    return send, past


def code_of(challenge: OTPChallenge, key: Secret | None = None) -> Secret | None:
    """Return a challenge's code, or None where its key was taken out of the settings.

    Takes the key where it was looked up already.
    """
    test_number = conf.TEST_NUMBERS.get(challenge.phone_number)
    if test_number:
        return test_number.code
    key = key or codes.key_named(challenge.key_fingerprint)
    if key is None:
        return None
    return codes.derive(
        challenge.pk,
        challenge.nonce,
        purpose=challenge.purpose,
        bind_digest=challenge.bind_digest,
        key=key,
        length=challenge.code_length,
    )


def send_code(
    phone_number: str,
    code: str | Secret,
    *,
    purpose: str = "verify",
    ttl: int | None = None,
    bind: Any = None,
    language: str | None = None,
    user: Any = None,
    known: bool = False,
    ip: str | None = None,
    request: HttpRequest | None = None,
    decoy: bool = False,
) -> SendLog:
    """Send a code that another library made: our routes, log, limits and callbacks.

    Takes the code as 4 to 10 ASCII digits and ``ttl``, the seconds it is good for (``CODE_TTL``);
    the rest as ``challenges.start``. Always inline, since no worker can derive the code. Returns the
    SendLog; there is no challenge. A ``decoy`` is refused and charged like any other and not sent, so
    that a number which gets no code looks like one that does; its SendLog is not saved. Raises what
    ``challenges.start`` raises.
    """
    secret = code if isinstance(code, Secret) else Secret(code if isinstance(code, str) else "")
    del code
    if not (secret.reveal().isascii() and secret.reveal().isdecimal() and 4 <= len(secret.reveal()) <= 10):
        raise Invalid(errors={"code": ["Give 4 to 10 digits."]})
    with events.refusals(Asked("send_code", purpose)) as asked:
        rules, number, now = guard.rules_of(purpose), phones.parse(phone_number), timezone.now()
        asked.number = number
        ip = client_ip.given(ip, request)
        guard.admit_country(number)
        rendered = messages.render(
            purpose=purpose,
            language=language or messages.default_language(),
            phone_number=number.e164,
            code_length=len(secret.reveal()),
            ttl=ttl or rules.code_ttl,
            bind=bind,
        )
        past = admit(number, purpose, now, inline=True, ip=ip, user=user, request=request)
        buckets = limits.buckets_for(
            number,
            rules.limits,
            segments=rendered.segments,
            ip=ip,
            user_id=getattr(user, "pk", None),
            known=known,
            proven=past.proven,
        )
        send = new_send(number, rendered, now, challenge=None, inline=True)
        limits.or_refuse(lambda: _commit(send, buckets, now, keep=not decoy))
    if decoy:
        told = {"challenge": "", "purpose": purpose, "number": number.e164}
        after_commit(lambda: events.DECOY_STARTED.log(**told))
    else:
        after_commit(lambda: _hand_over(send, secret, rules.limits, in_request=True))
    return send


@database.retried
def _commit(send: SendLog, buckets: Sequence[limits.Bucket], now: datetime, *, keep: bool) -> None:
    with database.atomic():
        limits.charge(buckets, now)
        if keep:
            save(send)


def _hand_over(
    send: SendLog, code: Secret | None, charged: Sequence[Limit] | None = None, *, in_request: bool = False
) -> None:
    """Send the SMS of a row that is ours (``sending``), and write down how it ended.

    ``charged`` are the limits that a send without a challenge was charged to; ``in_request``: somebody's
    request waits for it.

    Raises DeliveryFailed where it surely was not accepted; an unknown end raises nothing.
    """
    if code is None:
        _fail(send, failure := DeliveryFailed(error_code="key", error_class="configuration"))
        raise failure
    started = time.monotonic()
    if send.phone_number in conf.TEST_NUMBERS:
        route = replace(routing.routes_for(send.phone_number)[0], name=TEST_ROUTE, sender="")
        outcome = Outcome(route, DeliveryStatus.SUBMITTED)
    else:
        sms = SMS(
            to=send.phone_number,
            body=messages.fill(send.body, code),
            code=code,
            template_id=send.template_id,
            segments=send.segments,
            reference=str(send.pk),
        )
        outcome = handover.hand_over(sms, routing.routes_for(send.phone_number), in_request=in_request)
    send.latency = round((time.monotonic() - started) * 1000)
    try:
        _write_down(send, outcome, code, charged)
    except DatabaseBusy:
        if outcome.status == DeliveryStatus.FAILED:
            raise
        # it left: to say that it surely did not would have it sent again; the row stays as it is
        announcements.sms_not_recorded(send)


def _write_down(send: SendLog, outcome: Outcome, code: Secret, charged: Sequence[Limit] | None) -> None:
    """Move the row as the provider answered, then look for updates that came before the answer."""
    send.route, send.sender = outcome.route.name, outcome.route.sender
    error = outcome.error
    if isinstance(error, DeliveryFailed):
        _fail(send, error, code, charged)
        raise error
    if error is not None:
        send.message_id = error.message_id[:MAX_ID]
        _note(send, error, code)
        _save_move(send, DeliveryStatus.UNKNOWN)
        announcements.sms_unknown(send)
    else:
        send.message_id = outcome.receipt.message_id[:MAX_ID]
        send.http_status = outcome.receipt.http_status
        send.submitted_at = timezone.now()
        _save_move(send, DeliveryStatus.SUBMITTED)
        announcements.sms_submitted(send)
    if send.message_id:
        for previous in join_waiting(send):
            signals.delivery_updated.send_robust(SendLog, send=send, previous=previous)


def _fail(
    send: SendLog,
    error: DeliveryFailed,
    code: Secret | None = None,
    charged: Sequence[Limit] | None = None,
) -> None:
    """Close a send that surely was not accepted, and give its money back to the limits."""
    _note(send, error, code)
    _save_move(send, DeliveryStatus.FAILED)
    announcements.sms_failed(send)
    if charged is None:
        rules = conf.purpose(send.challenge.purpose) if send.challenge else None
        charged = rules.limits if rules else conf.LIMITS
    buckets = limits.buckets_for(
        Number(send.phone_number, send.country),
        charged,
        segments=send.segments,
        ip=None,
        user_id=None,
        known=False,
        proven=True,
    )
    limits.give_back(buckets)


def give_up(send: SendLog, reason: str) -> bool:
    """Close a queued send that nobody handed over; returns whether nobody had taken it."""
    if not SendLog.objects.using(database.alias()).claim(send.pk, timezone.now()):
        return False
    _fail(send, DeliveryFailed(error_code=reason, error_class="caller"))
    return True


def _note(send: SendLog, error: DeliveryFailed | DeliveryUnknown, code: Secret | None) -> None:
    """Keep the provider's words about an error, the code cut out of them."""
    send.error_code = _without(code, error.error_code)[:32]
    send.error_message = _without(code, error.error_message)[:200]
    send.error_class = error.error_class[:16]
    send.http_status = error.http_status


def _without(code: Secret | None, text: str) -> str:
    return text.replace(code.reveal(), "•" * len(code.reveal())) if code else text


@database.retried
def _save_move(send: SendLog, status: DeliveryStatus) -> None:
    """Write what the answer told, and move the row forward, never back."""
    told = {"route": send.route, "sender": send.sender}
    for name in ANSWERED:
        if (value := getattr(send, name)) not in ("", None):  # as they are from the start
            told[name] = value
    sends = SendLog.objects.using(database.alias())
    if sends.move(send.pk, status, **told):
        send.status, send.rank = status, status.rank
    else:
        sends.filter(pk=send.pk).update(**told)
        stands = sends.filter(pk=send.pk).values_list("status", "rank")
        send.status, send.rank = next(iter(stands), (status, status.rank))  # or its number was forgotten
