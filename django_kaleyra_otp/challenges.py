"""start, resend, verify, cancel, redeem: the order of the steps."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import IntegrityError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from django_kaleyra_otp import (
    announcements,
    client_ip,
    codes,
    delivery,
    events,
    guard,
    limits,
    lookup,
    phones,
    plans,
    tokens,
)
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.events import Asked
from django_kaleyra_otp.exceptions import (
    AlreadyVerified,
    Canceled,
    DeliveryFailed,
    Expired,
    Invalid,
    InvalidToken,
    KaleyraOTPError,
    MaxAttemptsReached,
    MaxSendsReached,
    NotFound,
)
from django_kaleyra_otp.messages import Rendered
from django_kaleyra_otp.models import ChallengeStatus, OTPChallenge, database
from django_kaleyra_otp.phones import Number
from django_kaleyra_otp.plans import Plan
from django_kaleyra_otp.types import Secret

P = ParamSpec("P")
T = TypeVar("T")

#: What a challenge that is not open answers.
_CLOSED: dict[ChallengeStatus, type[KaleyraOTPError]] = {
    ChallengeStatus.VERIFIED: AlreadyVerified,
    ChallengeStatus.CANCELED: Canceled,
    ChallengeStatus.EXPIRED: Expired,
    ChallengeStatus.MAX_ATTEMPTS_REACHED: MaxAttemptsReached,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What became of one guess.

    ``ok``: the code was right and this call had the one success; ``token`` is the proof of it, for
    ``redeem``. Else ``error`` is a word: ``invalid_code``, ``invalid`` (no code at all; costs no
    attempt), ``expired``, ``max_attempts_reached``, ``already_verified``, ``canceled``,
    ``not_found``. ``attempts_left`` is approximate while others guess.
    """

    ok: bool
    error: str | None = None
    attempts_left: int = 0
    challenge: OTPChallenge | None = None
    token: str | None = field(default=None, repr=False)


def start(
    phone_number: str,
    *,
    purpose: str = "verify",
    user: Any = None,
    bind: Any = None,
    known: bool = False,
    language: str | None = None,
    idempotency_key: str | None = None,
    ip: str | None = None,
    request: HttpRequest | None = None,
) -> OTPChallenge:
    """Send a code to a number and return the challenge that waits for it.

    ``purpose`` is one of ``PURPOSES``. ``user`` is whom the challenge belongs to, or None. ``bind``
    is any JSON value that ``verify`` and ``redeem`` must give again; its names may stand in the text.
    ``known`` says that the caller showed to be this user: he is counted apart from strangers.
    ``language`` chooses the text (None: ``LANGUAGE_CODE``). ``idempotency_key``, 16 to 128 characters
    of printable ASCII, makes the same call within 24 hours return the same challenge. ``request``
    fills ``ip`` and goes to ``RISK``; it never sets user or language.

    Inside somebody's ``atomic`` the SMS leaves after the outer commit; then a send that fails raises
    nothing, and the delivery's status tells. A lost answer never raises: the SMS may well arrive.

    Raises Invalid, InvalidPhoneNumber, CountryNotAllowed, PrefixBlocked, Refused,
    IdempotencyConflict, Cooldown, RateLimited, MaxFailuresReached: nothing was sent or charged.
    Raises DeliveryFailed, DeliveryUnavailable where the SMS surely was not accepted.
    """
    with events.refusals(Asked("start", purpose)) as asked:
        rules, number, now = guard.rules_of(purpose), phones.parse(phone_number), timezone.now()
        asked.number = number
        user_id = getattr(user, "pk", None)
        ip = client_ip.given(ip, request)
        digest = lookup.idempotency_digest(idempotency_key, user_id, ip)
        if digest and (earlier := lookup.earlier(digest, number, purpose, now)):
            return earlier
        plan = plans.for_start(
            number,
            rules,
            now,
            user=user,
            known=known,
            bind=bind,
            language=language,
            idempotency_digest=digest,
            ip=ip,
            request=request,
        )
        refused: limits.Full | IntegrityError | None = None
        try:
            plans.commit_start(plan)
        except (limits.Full, IntegrityError) as error:
            refused = error
        # a twin with the same key, at the same moment, may have been first
        if refused and digest and (earlier := lookup.earlier(digest, number, purpose, now, beaten=True)):
            return earlier
        if refused:
            raise limits.refusal(refused) if isinstance(refused, limits.Full) else refused
    return _leave(plan, announcements.started)


def look(challenge_id: uuid.UUID | str, *, allowed: lookup.Allowed | None = None) -> OTPChallenge:
    """Return a challenge with its ``newest_send`` and ``resend_at``, in one statement.

    Raises NotFound, also where ``allowed`` does not pass it.
    """
    pk = lookup.read_id(challenge_id)
    challenge = lookup.shown(Q(challenge_id=pk)) if pk else None
    if challenge is None or (allowed and not allowed(challenge)):
        raise NotFound
    return challenge


def resend(
    challenge_id: uuid.UUID | str,
    *,
    request: HttpRequest | None = None,
    ip: str | None = None,
    allowed: lookup.Allowed | None = None,
) -> OTPChallenge:
    """Send the code of an open challenge again: the same code, so that a late SMS still works.

    The time it is good for stays as it was. Raises NotFound, AlreadyVerified, Canceled, Expired,
    MaxAttemptsReached, MaxSendsReached, and what ``start`` raises.
    """
    with events.refusals(Asked("resend", "", lookup.read_id(challenge_id) or "")) as asked:
        challenge = look(challenge_id, allowed=allowed)
        newest, rules, now = challenge.newest_send, conf.purpose(challenge.purpose), timezone.now()
        number = Number(challenge.phone_number, newest.country if newest else "")
        asked.purpose, asked.number = challenge.purpose, number
        _raise_unless_open(challenge, now)
        if challenge.sends_left == 0:
            raise MaxSendsReached
        if newest is None or rules is None or delivery.code_of(challenge) is None:
            raise Expired
        rendered = Rendered(body=newest.body, template_id=newest.template_id, segments=newest.segments)
        ip = client_ip.given(ip, request)
        plan = plans.for_resend(challenge, number, rules, rendered, now, ip=ip, request=request)
        try:
            limits.or_refuse(lambda: plans.commit_resend(plan))
        except plans.Overtaken:
            _raise_unless_open(lookup.read_again(challenge.pk) or challenge, now)
            raise MaxSendsReached from None
    plan.challenge.sends += 1
    return _leave(plan, announcements.resent)


def verify(
    challenge_id: uuid.UUID | str,
    code: str | Secret,
    *,
    purpose: str | None = None,
    bind: Any = None,
    allowed: lookup.Allowed | None = None,
    commits: bool = False,
) -> VerifyResult:
    """Spend one attempt on a code and return what became of it; a wrong code is a result, no error.

    ``code`` is text; ASCII spaces and hyphens in it do not count, and what is then no string of
    digits of the right length costs no attempt. ``purpose``, where given, must be the challenge's.
    ``bind`` must be what ``start`` was given, None included: another one makes every code wrong.

    Inside somebody's ``atomic`` the attempt is lost when that rolls back: a RuntimeWarning says so,
    unless ``commits`` says that it commits after a wrong code, too.

    Raises DatabaseBusy where nothing could be decided, and Invalid for a ``bind`` that is not JSON.
    """
    code = code if isinstance(code, Secret) or not isinstance(code, str) else Secret(code)
    if database.in_outer_transaction() and not commits:
        warnings.warn(
            "challenges.verify() runs inside a transaction: if it rolls back, the guess is not counted.",
            RuntimeWarning,
            stacklevel=2,
        )
    result = _decide(challenge_id, code, purpose, bind, allowed)
    delivery.after_commit(lambda: _tell(result, challenge_id))
    return result


def _tell(result: VerifyResult, challenge_id: uuid.UUID | str) -> None:
    """Have told what became of a guess."""
    if result.ok and result.challenge:
        announcements.verified(result.challenge)
    elif result.error == "invalid_code" and result.challenge:
        announcements.failed(result.challenge, result.attempts_left)
    else:
        announcements.not_compared(result.challenge, lookup.read_id(challenge_id), result.error or "")


@database.retried
def _decide(
    challenge_id: uuid.UUID | str,
    code: Secret,
    purpose: str | None,
    bind: Any,
    allowed: lookup.Allowed | None,
) -> VerifyResult:
    now, challenges = timezone.now(), OTPChallenge.objects.using(database.alias())
    challenge = lookup.read(challenge_id, allowed)
    if challenge is None or (purpose is not None and challenge.purpose != purpose):
        return VerifyResult(ok=False, error=NotFound.code)
    guess = codes.clean(code, challenge.code_length)
    if guess is None:
        return VerifyResult(
            ok=False, error=Invalid.code, attempts_left=challenge.attempts_left, challenge=challenge
        )
    if challenge.status_at(now) == ChallengeStatus.PENDING:
        right = _is_right(challenge, guess, bind)
        if challenges.spend_attempt(challenge.pk, right=right, now=now):
            return _spent(challenge, right=right, now=now)
        challenge = lookup.read_again(challenge.pk)
        if challenge is None:
            return VerifyResult(ok=False, error=NotFound.code)
    status = challenge.status_at(timezone.now())
    if status == ChallengeStatus.PENDING:  # its time ran out between the two statements
        status = ChallengeStatus.EXPIRED
    return VerifyResult(
        ok=False, error=_CLOSED[status].code, attempts_left=challenge.attempts_left, challenge=challenge
    )


def _is_right(challenge: OTPChallenge, guess: Secret, bind: Any) -> bool:
    """Compare in constant time: the context, and the code."""
    key = codes.key_named(challenge.key_fingerprint)
    code = delivery.code_of(challenge, key) if key else None
    if key is None or code is None:
        return False
    given = Secret(codes.digest_bind(bind, key))
    return codes.same(given, Secret(challenge.bind_digest)) & codes.same(guess, code)


def _spent(challenge: OTPChallenge, *, right: bool, now: datetime) -> VerifyResult:
    """Bring the row in memory to where the UPDATE left it."""
    challenge.attempts += 1
    challenge.last_attempt_at = now
    if right:
        challenge.status, challenge.verified_at = ChallengeStatus.VERIFIED, now
        return VerifyResult(ok=True, challenge=challenge, token=tokens.issue(challenge.pk))
    if challenge.attempts >= challenge.max_attempts:
        challenge.status = ChallengeStatus.MAX_ATTEMPTS_REACHED
    return VerifyResult(
        ok=False, error="invalid_code", attempts_left=challenge.attempts_left, challenge=challenge
    )


def cancel(challenge_id: uuid.UUID | str, *, allowed: lookup.Allowed | None = None) -> OTPChallenge:
    """Give up an open challenge, and return it; one that was given up before is returned as it is.

    Raises NotFound, AlreadyVerified, Expired, MaxAttemptsReached.
    """
    challenge, moved = _cancel(challenge_id, allowed)
    if moved:
        delivery.after_commit(lambda: announcements.canceled(challenge))
    return challenge


@database.retried
def _cancel(challenge_id: uuid.UUID | str, allowed: lookup.Allowed | None) -> tuple[OTPChallenge, bool]:
    now, challenges = timezone.now(), OTPChallenge.objects.using(database.alias())
    challenge = lookup.read(challenge_id, allowed)
    if challenge is None:
        raise NotFound
    if challenges.cancel(challenge.pk, now=now):
        challenge.status, challenge.canceled_at = ChallengeStatus.CANCELED, now
        return challenge, True
    challenge = lookup.read_again(challenge.pk)
    if challenge is None:
        raise NotFound
    if challenge.status != ChallengeStatus.CANCELED:
        _raise_unless_open(challenge, timezone.now())
    return challenge, False


def redeem(token: str, *, purpose: str, bind: Any = None, max_age: int = 300) -> OTPChallenge:
    """Use up the proof of a success and return its challenge, once.

    The number and the user to trust are the returned challenge's own, never the client's.
    ``purpose`` and ``bind`` must be those of ``start``; ``max_age`` is seconds since the success.

    Raises InvalidToken for a proof that is forged, used, too old, or for something else.
    """
    try:
        challenge = _redeem(token, purpose, bind, max_age)
    except InvalidToken:
        events.TOKEN_REFUSED.log(purpose=purpose)
        raise
    delivery.after_commit(lambda: announcements.redeemed(challenge))
    return challenge


@database.retried
def _redeem(token: str, purpose: str, bind: Any, max_age: int) -> OTPChallenge:
    now, challenges = timezone.now(), OTPChallenge.objects.using(database.alias())
    challenge = lookup.read(tokens.read(token), None)
    if challenge is None or challenge.purpose != purpose:
        raise InvalidToken
    key = codes.key_named(challenge.key_fingerprint)
    if key is None or not codes.same(Secret(codes.digest_bind(bind, key)), Secret(challenge.bind_digest)):
        raise InvalidToken
    if not challenges.redeem(challenge.pk, since=now - timedelta(seconds=max_age), now=now):
        raise InvalidToken
    challenge.redeemed_at = now
    return challenge


def _leave(plan: Plan, tell: Callable[[OTPChallenge], None]) -> OTPChallenge:
    """Have what was committed told, and the SMS leave; return the challenge, to be shown with it."""
    challenge = plan.challenge
    challenge.newest_send, challenge.last_sent_at = plan.send, plan.now
    challenge.resend_at = lookup.resend_at(plan.now)

    def leave() -> None:
        tell(challenge)
        delivery.dispatch(plan.send)

    try:
        delivery.after_commit(leave)
    except DeliveryFailed as failure:
        failure.challenge = challenge
        raise
    return challenge


def _raise_unless_open(challenge: OTPChallenge, now: datetime) -> None:
    status = challenge.status_at(now)
    if status != ChallengeStatus.PENDING:
        raise _CLOSED[status]


def _twin(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    return sync_to_async(function, thread_sensitive=True)


astart = _twin(start)
aresend = _twin(resend)
averify = _twin(verify)
acancel = _twin(cancel)
aredeem = _twin(redeem)
