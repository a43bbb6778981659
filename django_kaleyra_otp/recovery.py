"""What a crash or a lost answer left behind, put right; safe with several running at once.

No SMS is sent twice: a row that somebody may have handed over becomes ``unknown`` and stays unsent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from django_kaleyra_otp import conversion, delivery, events, figures, outages, routing, spending, tracking
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DeliveryUnknown
from django_kaleyra_otp.kaleyra import text
from django_kaleyra_otp.kaleyra.callbacks import spellings
from django_kaleyra_otp.models import DeliveryStatus, SendLog, StatusUpdate, database
from django_kaleyra_otp.models.delivery import named
from django_kaleyra_otp.types import Route

M = TypeVar("M", bound=Model)

#: How long a send may stand ``queued`` or ``sending``; one in flight ends within 15 seconds.
LEASE = timedelta(seconds=60)
#: When a message without a final status is first asked for; the wait doubles from then on.
FIRST_PULL = timedelta(minutes=2)
#: How long anything is followed.
FOLLOWED = timedelta(days=1)
#: Ids in one call, and rows of each kind in one run.
PULL_BATCH, RUN_BATCH = 50, 1000


@dataclass(slots=True)
class Recovered:
    """How many rows each step moved.

    ``delivered``: queued sends handed over after all; ``given_up``: queued sends that came too late;
    ``lost``: sends whose answer was never written down; ``joined``: waiting updates that found their
    send; ``healed``: unknown sends that an update named; ``pulled``: statuses that the provider told
    when asked; ``dropped``: updates that waited for a day; ``raised``, ``cleared``: alarms;
    ``counted``: days whose figures were counted.
    """

    delivered: int = 0
    given_up: int = 0
    lost: int = 0
    joined: int = 0
    healed: int = 0
    pulled: int = 0
    dropped: int = 0
    raised: int = 0
    cleared: int = 0
    counted: int = 0


def reconcile(*, pull: bool = True) -> Recovered:
    """Put right what is stuck, and return how much; to be run every minute.

    ``pull`` asks the provider for statuses that never came.
    """
    found, now = Recovered(), timezone.now()
    _release_queued(found, now)
    found.lost = _lose_sending(now)
    if found.lost:
        events.SMS_LOST.log(count=found.lost)
    _join_waiting(found, now)
    found.healed = sum(_heal(send) for send in _unknown(now))
    if pull:
        found.pulled = _pull(now)
    found.dropped = _drop_waiting(now)
    for room in (conversion, outages, spending):
        # what came before may have waited for the provider: an alarm and its block begin now
        raised, cleared = room.watch(timezone.now())
        found.raised, found.cleared = found.raised + raised, found.cleared + cleared
    found.counted = figures.settle(timezone.now())
    return found


def _release_queued(found: Recovered, now: datetime) -> None:
    """Send what a worker never took, while half of its code's life is left; give up the rest."""
    stuck = SendLog.objects.using(database.alias()).filter(
        status=DeliveryStatus.QUEUED, created_at__lt=now - LEASE
    )
    for send in _rows(stuck.select_related("challenge").order_by("created_at")):
        challenge = send.challenge
        # each takes as long as its provider does: the last one's time is not the first one's
        half_left = challenge is not None and (challenge.expires_at - timezone.now()) * 2 >= (
            challenge.expires_at - challenge.created_at
        )
        if half_left:
            delivery.deliver(send.pk)
            found.delivered += 1
        elif delivery.give_up(send, "late"):
            found.given_up += 1


@database.retried
def _lose_sending(now: datetime) -> int:
    """Mark as unknown what was being handed over when its process ended: it may be on its way."""
    stuck = SendLog.objects.using(database.alias()).filter(
        status=DeliveryStatus.SENDING, claimed_at__lt=now - LEASE
    )
    unknown = DeliveryStatus.UNKNOWN
    return stuck.update(status=unknown, rank=unknown.rank, error_code="lost", error_class="caller")


def _join_waiting(found: Recovered, now: datetime) -> None:
    """Give waiting updates their send, where a crash came between its id and the look for them.

    The newest first: what a send is named after comes soon, and strangers' updates wait for a day.
    """
    waiting = StatusUpdate.objects.using(database.alias()).waiting()
    recent = waiting.filter(received_at__gt=now - FOLLOWED).exclude(message_id="").order_by("-received_at")
    for update in _rows(recent):
        if tracking.rejoin(update):
            found.joined += 1


def _unknown(now: datetime) -> Iterable[SendLog]:
    """Return the sends whose answer was lost and that nobody has named since, the newest first."""
    sends = SendLog.objects.using(database.alias()).filter(status=DeliveryStatus.UNKNOWN, message_id="")
    return _rows(sends.filter(created_at__gt=now - FOLLOWED).order_by("-created_at"))


def _heal(send: SendLog) -> bool:
    """Name an unknown send by the updates that wait for its number, where they can mean no other.

    A lost answer takes the message id with it. Updates of one message that no send has, for the
    same number, at that time, are its own if it is the only send to that number that has no name
    and may be on its way.
    """
    message_id = tracking.only_waiting_name(send)
    if message_id is None:
        return False
    # the update may be of a send that is under way: asked for after the updates, it is still so or named
    near = (send.created_at - tracking.NEAR, send.created_at + tracking.NEAR)
    twins = SendLog.objects.using(database.alias()).exclude(pk=send.pk)
    twins = twins.filter(
        status__in=(DeliveryStatus.QUEUED, DeliveryStatus.SENDING, DeliveryStatus.UNKNOWN),
        message_id="",
        phone_number=send.phone_number,
        created_at__range=near,
    )
    if _rows(twins) or named(spellings(message_id)):
        return False
    return tracking.name(send, message_id)


def _pull(now: datetime) -> int:
    """Ask for the status of messages that have no final one; each time after twice the wait."""
    open_ones = SendLog.objects.using(database.alias()).filter(
        Q(next_pull_at__isnull=True, created_at__lt=now - FIRST_PULL) | Q(next_pull_at__lte=now),
        status__in=(DeliveryStatus.SUBMITTED, DeliveryStatus.SENT),
        created_at__gt=now - FOLLOWED,
    )
    by_route: dict[Route, list[SendLog]] = defaultdict(list)
    for send in _rows(open_ones.exclude(message_id="").order_by("created_at")):
        by_route[_route_of(send)].append(send)
    backend: BaseBackend = import_string(conf.BACKEND)()
    pulled = 0
    for route, sends in by_route.items():
        for first in range(0, len(sends), PULL_BATCH):
            told = _pull_batch(backend, route, sends[first : first + PULL_BATCH], now)
            if told is None:
                break  # the next batch would only wait as long
            pulled += told
    return pulled


def ask(send: SendLog) -> bool:
    """Ask the provider what became of one message, now; returns whether it told."""
    backend: BaseBackend = import_string(conf.BACKEND)()
    return bool(_pull_batch(backend, _route_of(send), [send], timezone.now()))


def _route_of(send: SendLog) -> Route:
    routes = routing.routes_for(send.phone_number)
    return next((route for route in routes if route.name == send.route), routes[0])


def _pull_batch(backend: BaseBackend, route: Route, sends: list[SendLog], now: datetime) -> int | None:
    """Ask for some messages; returns how many the provider told of, None where it gave no answer."""
    for send in sends:
        _wait(send, now)
    try:
        told = backend.pull([send.message_id for send in sends], route)
    except DeliveryUnknown as loss:
        events.PULL_FAILED.log(
            route=route.name, error_code=text.mask(loss.error_code), error_class=loss.error_class
        )
        return None
    for status in told:
        tracking.record_pulled(status)
    return len(told)


@database.retried
def _wait(send: SendLog, now: datetime) -> None:
    """Have a send wait, until it is asked for again, as long as it has waited."""
    rows = SendLog.objects.using(database.alias()).filter(pk=send.pk)
    rows.update(next_pull_at=now + (now - send.created_at))


@database.retried
def _rows(rows: QuerySet[M]) -> list[M]:
    """Return the first rows of a query, as many as one run takes."""
    return list(rows[:RUN_BATCH])


@database.retried
def _drop_waiting(now: datetime) -> int:
    """Drop updates whose send was not found within a day."""
    waiting = StatusUpdate.objects.using(database.alias()).waiting()
    stale = list(waiting.filter(received_at__lt=now - FOLLOWED).values_list("pk", flat=True)[:5000])
    return StatusUpdate.objects.using(database.alias()).filter(pk__in=stale).delete()[0] if stale else 0
