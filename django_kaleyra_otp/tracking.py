"""The way back: what Kaleyra tells of an SMS, and what it does to the row."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.utils import timezone

from django_kaleyra_otp import events, signals
from django_kaleyra_otp.kaleyra import statuses, text
from django_kaleyra_otp.kaleyra.callbacks import Callback, spellings
from django_kaleyra_otp.models import DeliveryStatus, SendLog, Source, StatusUpdate, database
from django_kaleyra_otp.models.delivery import Named, join_waiting, named
from django_kaleyra_otp.types import Pulled

#: Updates whose send is not known are kept up to this many; the oldest go first.
MAX_WAITING = 10_000
#: How long after a send its first update may come, for it to name a send whose answer was lost.
NEAR = timedelta(minutes=30)
#: How far clocks of ours may be apart.
SKEW = timedelta(minutes=1)


@database.retried
def record_status(callback: Callback, *, source: Source = Source.CALLBACK) -> None:
    """Store what a callback told, and move the delivery that it names.

    Moves a delivery status and nothing else, only forward, and only where the number told, if one
    is, is the row's. An update whose send is not known yet is kept until it is; a repeat is stored
    once, and applied again.

    Raises DatabaseBusy where it could not be stored.
    """
    names = spellings(callback.message_id) if callback.message_id else ()
    update = _update(callback, source)
    send = _find(names, update)
    update.send_log_id = send.pk if send else None
    StatusUpdate.objects.using(database.alias()).store(update)
    if send is None:
        # it may have been named while the update was on its way in
        send = _find(names, update, tell=True)
        if send is None:
            _keep_bounded()
            return
    _join(send, update)


def record_pulled(pulled: Pulled) -> None:
    """Store and apply what the provider answered when it was asked for a message."""
    record_status(
        Callback(message_id=pulled.message_id, status=pulled.status, trace=pulled.trace), source=Source.PULL
    )


@database.retried
def rejoin(update: StatusUpdate) -> bool:
    """Look once more for the send of a waiting update; returns whether it is there now."""
    send = _find(spellings(update.message_id), update)
    if send is None:
        return False
    _join(send, update)
    return True


@database.retried
def only_waiting_name(send: SendLog) -> str | None:
    """Return the one message id of the updates that wait for a send's number near its time, or None."""
    waiting = StatusUpdate.objects.using(database.alias()).waiting()
    near = waiting.filter(
        phone_number=send.phone_number.lstrip("+"),
        received_at__gt=send.created_at - SKEW,
        received_at__lt=send.created_at + NEAR,
    ).exclude(message_id="")
    names = {update.message_id.partition(":")[0]: update.message_id for update in near[:100]}
    return next(iter(names.values())) if len(names) == 1 else None


@database.retried
def name(send: SendLog, message_id: str) -> bool:
    """Give an unknown send its message id, and the updates that waited; returns whether it had none."""
    unnamed = SendLog.objects.using(database.alias()).filter(
        pk=send.pk, status=DeliveryStatus.UNKNOWN, message_id=""
    )
    if not unnamed.update(message_id=message_id):
        return False
    send.message_id = message_id
    for previous in join_waiting(send):
        signals.delivery_updated.send_robust(SendLog, send=send, previous=previous)
    return True


def _join(send: Named, update: StatusUpdate) -> None:
    """Move a send as a stored update says, and give the update its send, where it waits for it."""
    _apply(send, update)
    # given last: what waits is looked at again, should this process end here
    if update.send_log_id is None:
        StatusUpdate.objects.using(database.alias()).give(update, send.pk)


def _apply(send: Named, update: StatusUpdate) -> None:
    """Move a send as an update says; forward only."""
    sends, previous = SendLog.objects.using(database.alias()), DeliveryStatus(send.status)
    if not update.delivery_status or DeliveryStatus(update.delivery_status).rank < previous.rank:
        return
    if update.delivery_status == previous:
        if (update.status, update.trace) != (send.kaleyra_status, send.kaleyra_trace):
            sends.reword(send.pk, update)
        return
    if sends.apply(send.pk, update, accepted=send.accepted) and signals.delivery_updated.receivers:
        for moved in sends.filter(pk=send.pk):
            signals.delivery_updated.send_robust(SendLog, send=moved, previous=previous)


def _update(callback: Callback, source: Source) -> StatusUpdate:
    known = statuses.read(callback.status)
    if callback.status and known is None:
        events.STATUS_UNKNOWN.log(status=text.mask(callback.status))
    told = (callback.message_id, callback.status, callback.trace, callback.occurred, callback.number, source)
    return StatusUpdate(
        message_id=callback.message_id,
        status=callback.status,
        trace=callback.trace,
        delivery_status=known.value if known else "",
        occurred=callback.occurred,
        received_at=timezone.now(),
        source=source,
        fingerprint=hashlib.sha256("\x1f".join(told).encode()).hexdigest(),
        phone_number=callback.number,
        operator=callback.operator,
        circle=callback.circle,
        error_code=callback.error_code,
        description=callback.description,
    )


def _find(names: tuple[str, ...], update: StatusUpdate, *, tell: bool = False) -> Named | None:
    """Return the send of this message id and number; the id as told before its other spellings.

    ``tell``: a send of that id, but of another number, is one for the log.
    """
    if not names:
        return None
    found = named(names)
    for send in sorted(found, key=lambda send: send.message_id != names[0]):
        if update.is_about(send.phone_number):
            return send
    if found and tell:
        events.CALLBACK_MISMATCH.log(send=found[0].pk)
    return None


def _keep_bounded() -> None:
    """Drop the oldest of the waiting updates beyond their bound."""
    waiting = StatusUpdate.objects.using(database.alias()).waiting()
    beyond = list(waiting.order_by("-pk").values_list("pk", flat=True)[MAX_WAITING : MAX_WAITING + 1])
    if beyond:
        waiting.filter(pk__lte=beyond[0]).delete()
