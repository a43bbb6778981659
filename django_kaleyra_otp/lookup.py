"""Finding a challenge, and what is shown of it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull
from django.utils.crypto import salted_hmac

from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import IdempotencyConflict, Invalid
from django_kaleyra_otp.models import OTPChallenge, SendLog, database
from django_kaleyra_otp.phones import Number

#: A test that a challenge must pass to be found at all.
Allowed = Callable[[OTPChallenge], bool]

IDEMPOTENCY_FOR = timedelta(hours=24)


def read_id(value: uuid.UUID | str | None) -> uuid.UUID | None:
    """Return a challenge's id, or None for what is none."""
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value or "")
    except (ValueError, AttributeError, TypeError):
        return None


def read(challenge_id: uuid.UUID | str | None, allowed: Allowed | None) -> OTPChallenge | None:
    """Read a challenge as it stands now, or return None for one that this caller may not find."""
    pk = read_id(challenge_id)
    if pk is None:
        return None
    challenge = next(iter(OTPChallenge.objects.using(database.alias()).filter(pk=pk)), None)
    return challenge if challenge is None or allowed is None or allowed(challenge) else None


def read_again(pk: uuid.UUID) -> OTPChallenge | None:
    """Read a challenge that another call just changed."""
    return database.newest(OTPChallenge.objects.using(database.alias()).filter(pk=pk)).first()


def resend_at(last_sent_at: datetime) -> datetime:
    """Return when another SMS may go to a number, by its last."""
    return last_sent_at + timedelta(seconds=conf.RESEND_COOLDOWN)


@database.retried
def shown(which: Q, *, beaten: bool = False) -> OTPChallenge | None:
    """Read one challenge with its newest send and the last send to its number, in one statement.

    ``beaten``: another call's write was just seen to stand, and must be seen here.
    """
    sends, rows = SendLog.objects.using(database.alias()), OTPChallenge.objects.using(database.alias())
    counted_together = Q(known=OuterRef("challenge__known")) & (
        Q(known=False)
        | Q(user=OuterRef("challenge__user"))
        | Q(IsNull(OuterRef("challenge__user"), True), user=None)  # known without a user, or he is deleted
    )
    # by the challenges and not by their sends: a decoy has none, and must look like any other
    last = rows.filter(counted_together, phone_number=OuterRef("phone_number")).order_by("-last_sent_at")
    foreign = sends.filter(challenge=None, phone_number=OuterRef("phone_number")).order_by("-created_at")
    found = (
        sends.filter(which)
        .select_related("challenge")
        .annotate(
            last_sent_at=Subquery(last.values("last_sent_at")[:1]),
            last_foreign_at=Subquery(foreign.values("created_at")[:1]),
        )
        .order_by("-created_at", "-pk")
    )
    newest = (database.newest(found) if beaten else found).first()
    if newest is None or newest.challenge is None:
        return None
    challenge = newest.challenge
    challenge.newest_send = newest
    instants = [newest.created_at, getattr(newest, "last_sent_at", None)]
    if not challenge.known:
        instants.append(getattr(newest, "last_foreign_at", None))
    challenge.resend_at = resend_at(max(instant for instant in instants if instant))
    return challenge


def users_with(phone_number: str) -> QuerySet[Any]:
    """Return the users with a number, E.164, at ``USER_PHONE``, from where they are written.

    MariaDB's collations find other spellings, too.
    """
    model = get_user_model()
    users = model._default_manager.using(router.db_for_write(model))
    return users.filter(**{conf.USER_PHONE: phone_number}).distinct()


def user_phone_fields() -> list[Any]:
    """Return the fields that ``USER_PHONE`` leads through, the number's own last; none where it is wrong."""
    model: Any = get_user_model()
    fields = []
    for name in conf.USER_PHONE.split("__"):
        try:
            fields.append(model._meta.get_field(name))
        except (AttributeError, FieldDoesNotExist):
            return []
        model = fields[-1].related_model
    return [] if fields[-1].is_relation else fields


def idempotency_digest(key: str | None, user_id: Any, ip: str | None) -> str | None:
    """Return what a caller's idempotency key is kept as, or None for none; raises Invalid for a bad one."""
    if key is None:
        return None
    if not isinstance(key, str) or not re.fullmatch(r"[!-~]{16,128}", key):
        raise Invalid(errors={"Idempotency-Key": ["Give 16 to 128 characters of ASCII, without spaces."]})
    caller = f"ip:{ip}" if user_id is None else f"user:{user_id}"
    return salted_hmac("kaleyra_otp.idempotency", f"{caller}|{key}", algorithm="sha256").hexdigest()


def earlier(
    digest: str, number: Number, purpose: str, now: datetime, *, beaten: bool = False
) -> OTPChallenge | None:
    """Return the challenge that this idempotency key made, if it did within 24 hours."""
    challenge = shown(Q(challenge__idempotency_digest=digest), beaten=beaten)
    if challenge is None:
        return None
    if challenge.created_at <= now - IDEMPOTENCY_FOR:
        _let_go(challenge)
        return None
    if (challenge.phone_number, challenge.purpose) != (number.e164, purpose):
        raise IdempotencyConflict
    return challenge


@database.retried
def _let_go(challenge: OTPChallenge) -> None:
    """Free a key that is past its time."""
    rows = OTPChallenge.objects.using(database.alias())
    rows.filter(pk=challenge.pk).update(idempotency_digest=None)
