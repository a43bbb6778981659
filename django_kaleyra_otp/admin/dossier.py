"""Everything about one number: what happened, and what stands in the way of a code now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_kaleyra_otp import guard, limits, phones
from django_kaleyra_otp.admin import timeline
from django_kaleyra_otp.admin.timeline import Event
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import KaleyraOTPError, PrefixBlocked
from django_kaleyra_otp.guard import Past
from django_kaleyra_otp.models import (
    BlockedPrefix,
    OTPChallenge,
    RateLimit,
    SendLog,
    StatusUpdate,
    database,
)
from django_kaleyra_otp.phones import Number

#: The newest challenges and sends of a number that one page shows, and the updates of all of them.
MOST, MOST_UPDATES = 50, 1000
#: Kinds of callers whose wrong codes are counted.
MOST_CALLERS = 20

#: What a refusal means to who runs the site; the exception's own sentence is for the person.
REFUSALS: dict[str, Promise] = {
    "invalid_phone_number": gettext_lazy("It is no mobile number in use: codes are sent to those alone."),
    "country_not_allowed": gettext_lazy("Its country is not among ALLOWED_COUNTRIES."),
    "refused": gettext_lazy("It is a test number past its date in TEST_NUMBERS."),
    "prefix_blocked": gettext_lazy("A blocked prefix holds for it."),
    "delivery_unavailable": gettext_lazy("Sending is switched off: the setting SENDING."),
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that a code would meet now; ``until`` is None where time alone does not end it."""

    what: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong guesses that stand, of one kind of caller for one purpose."""

    purpose: str
    caller: str
    count: int
    most: int | None

    @property
    def closed(self) -> bool:
        """Whether no code is sent any more."""
        return self.most is not None and self.count >= self.most


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is known of one number, the newest first.

    ``decoys`` are the keys of challenges that never had an SMS; a block comes with whether it stops an
    SMS to this number, which one by the guard need not.
    """

    number: Number
    challenges: list[OTPChallenge]
    sends: list[SendLog]
    updates: list[StatusUpdate]
    decoys: set[Any]
    blocks: list[tuple[BlockedPrefix, bool]]
    failures: list[Failures]
    obstacles: list[Obstacle]

    @property
    def truncated(self) -> bool:
        """Whether there is more than the page shows."""
        return MOST in (len(self.challenges), len(self.sends))


def of(number: Number, now: datetime) -> Dossier:
    """Gather what is known of a number, each part by an index."""
    has_sends = Exists(_sends().filter(challenge=OuterRef("pk")))
    rows = _challenges().filter(phone_number=number.e164).annotate(has_sends=has_sends)
    challenges = list(rows.order_by("-created_at")[:MOST])
    sends = list(_sends().filter(phone_number=number.e164).order_by("-created_at", "-pk")[:MOST])
    updates = StatusUpdate.objects.using(database.alias()).filter(send_log__in=[send.pk for send in sends])
    past = guard.past(number, now)
    failures = _failures(number, now)
    return Dossier(
        number,
        challenges,
        sends,
        list(updates.order_by("send_log", "pk")[:MOST_UPDATES]),
        {row.pk for row in challenges if timeline.is_decoy(row, has_sends=row.has_sends, now=now)},
        _blocks(number, past, now),
        failures,
        _obstacles(number, past, challenges, failures, now),
    )


def events(dossier: Dossier, now: datetime, link: Callable[[OTPChallenge | SendLog], str]) -> list[Event]:
    """Return the timeline of the number, the newest first; ``link`` returns the HTML of a link to a row."""
    by_send: dict[Any, list[StatusUpdate]] = defaultdict(list)
    for update in dossier.updates:
        by_send[update.send_log_id].append(update)
    groups: list[tuple[OTPChallenge | SendLog, list[Event]]] = [
        (each, timeline.of_challenge(each, (), now, decoy=each.pk in dossier.decoys))
        for each in dossier.challenges
    ]
    groups += [(each, timeline.of_send(each, by_send[each.pk], None, now)) for each in dossier.sends]
    placed: list[tuple[datetime, int, Event]] = []
    for row, group in groups:
        last, whose = row.created_at, link(row)
        for event in group:
            last = event.at or last  # what has no time stands after what it follows
            placed.append((last, len(placed), replace(event, link=whose)))
    return [event for _at, _place, event in sorted(placed, key=lambda line: line[:2], reverse=True)]


def _challenges() -> Any:
    return OTPChallenge.objects.using(database.alias())


def _sends() -> Any:
    return SendLog.objects.using(database.alias())


def _blocks(number: Number, past: Past, now: datetime) -> list[tuple[BlockedPrefix, bool]]:
    prefixes = [number.e164[:length] for length in range(1, len(number.e164) + 1)]
    rows = BlockedPrefix.objects.using(database.alias()).filter(prefix__in=prefixes)
    return [
        (block, _stops(number, replace(past, closed=True, closed_by_hand=not block.automatic)))
        for block in rows.standing(now).order_by("-created_at")
    ]


def _stops(number: Number, past: Past) -> bool:
    try:
        guard.admit_prefix(number, past)
    except PrefixBlocked:
        return True
    return False


def _failures(number: Number, now: datetime) -> list[Failures]:
    """Return the wrong guesses that stand, of each purpose and kind of caller that has any."""
    guessed = _challenges().filter(phone_number=number.e164, attempts__gt=0, failures_cleared_at=None)
    kinds = guessed.order_by().values_list("purpose", "known", "user_id").distinct()[:MOST_CALLERS]
    found = []
    for purpose, known, user in sorted({(p, k, u if k else None) for p, k, u in kinds}, key=str):
        rules = conf.purpose(purpose)
        standing = guard.standing(number.e164, purpose, known=known, user_id=user, now=now)
        if count := standing.aggregate(count=Sum("attempts"))["count"]:
            caller = _("user #%s") % user if known else _("strangers")
            found.append(Failures(purpose, caller, count, rules.max_failures if rules else None))
    return found


def _obstacles(
    number: Number,
    past: Past,
    challenges: Iterable[OTPChallenge],
    failures: Iterable[Failures],
    now: datetime,
) -> list[Obstacle]:
    """Return what a code to this number would meet now."""
    found = []
    for admit in (
        lambda: phones.parse(number.e164),
        lambda: guard.admit_country(number),
        lambda: guard.admit_test_number(number, now),
        lambda: guard.admit_prefix(number, past),
        guard.admit_sending,
    ):
        try:
            admit()
        except KaleyraOTPError as refusal:
            found.append(str(REFUSALS.get(refusal.code, refusal.detail)))
    found += [
        _("%(count)d wrong codes stand for %(purpose)s, of %(caller)s.")
        % {"count": each.count, "purpose": each.purpose, "caller": each.caller}
        for each in failures
        if each.closed
    ]
    return [*map(Obstacle, dict.fromkeys(found)), *_full(number, challenges, past.proven, now)]


def _full(number: Number, challenges: Iterable[OTPChallenge], proven: bool, now: datetime) -> list[Obstacle]:
    """Return the limits that have no room for one more SMS, of strangers and of the users seen here."""
    named: dict[str, tuple[limits.Bucket, str]] = {}
    for known, user in {(False, None)} | {(each.known, each.user_id) for each in challenges}:
        for name in conf.purpose_names():
            rules = conf.purpose(name)
            for bucket in limits.buckets_for(
                number,
                rules.limits if rules else (),
                segments=1,
                ip=None,
                user_id=user,
                known=known,
                proven=proven,
            ):
                named[bucket.key] = bucket, _full_one(bucket, user, known=known)
    at, found = limits.microseconds(now), []
    rows = RateLimit.objects.using(database.alias()).filter(key__in=list(named))
    for key, tat in rows.values_list("key", "tat"):
        bucket, what = named[key]
        wait = tat + bucket.cost - bucket.size - at
        if wait > 0:
            found.append(Obstacle(what, now + timedelta(microseconds=wait)))
    return sorted(found, key=lambda each: (each.until or now, each.what))


def _full_one(bucket: limits.Bucket, user: Any, *, known: bool) -> str:
    """Say which limit is full, and whose it is where it is a person's."""
    rate = {
        "scope": bucket.scope,
        "count": bucket.size // bucket.cost,
        "period": timeline.elapsed(timedelta(microseconds=bucket.size)),
    }
    what = (
        _("An SMS was sent a moment ago")
        if bucket.scope == "cooldown"
        else _("The limit by %(scope)s, %(count)d in %(period)s, is full") % rate
    )
    if bucket.scope == "user" or (known and bucket.scope in ("phone", "cooldown")):
        return _("%(what)s (user #%(user)s).") % {"what": what, "user": user}
    return _("%s (strangers).") % what if bucket.scope in ("phone", "cooldown") else f"{what}."
