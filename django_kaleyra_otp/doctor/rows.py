"""What the tables show: are callbacks heard, is anything stuck, whose addresses callers have."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Min
from django.utils import timezone
from django.utils.timesince import timesince

from django_kaleyra_otp import guard
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.doctor.findings import Finding, Health, apart, clock
from django_kaleyra_otp.exceptions import DatabaseBusy, DeliveryUnavailable
from django_kaleyra_otp.models import (
    BlockedPrefix,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    Source,
    StatusUpdate,
    database,
)

#: What is looked at: the newest of the last day, so many rows at most.
DAY, MOST = timedelta(days=1), 500
#: How long a callback, or the first pull of a status, may take.
GIVEN = timedelta(minutes=10)
#: How many sends in a row without a callback are no chance, and how few say nothing.
SILENT, FEW = 5, 3
#: ``kaleyra_otp_reconcile``, run every minute, leaves no row where it is for as long.
STUCK = timedelta(minutes=3)
#: Seconds that the oldest send may wait for a worker: to be looked at; and too many.
SLOW, TOO_SLOW = 15, 60
#: Challenges, and different numbers, from which on addresses tell something.
CHALLENGES, NUMBERS = 20, 10

RECONCILE = "Run manage.py kaleyra_otp_reconcile every minute."


def examine(*, callbacks: bool) -> Iterator[Finding]:
    """Yield what is found; ``callbacks`` says whether any are to be expected."""
    looks: list[Callable[[datetime], Finding | None]] = [_sending, _stuck, _queue, _addresses, _clock]
    if callbacks:
        looks.insert(1, _callbacks)
    for look in looks:
        try:
            found = look(timezone.now())
        except (DatabaseError, InterfaceError, DatabaseBusy) as error:
            told = f"The tables cannot be read: {type(error).__name__}."
            yield Finding(
                "database", Health.ERROR, told, "See that the database is up; run manage.py migrate."
            )
            return
        if found:
            yield found


def _sending(now: datetime) -> Finding:
    try:
        guard.admit_sending()
    except DeliveryUnavailable:
        if isinstance(conf.SENDING, bool):
            told = "The kill switch SENDING is off: no SMS leaves."
            mend = "Switch SENDING on again when the danger is over."
        else:
            told = "The callable at SENDING does not say True, or raises: no SMS leaves."
            mend = "Where the log has hook_failed, mend it; else it is what switches SENDING on again."
        return Finding("sending", Health.ERROR, told, mend)
    if BlockedPrefix.objects.using(database.alias()).standing(now).filter(prefix="+").exists():
        mend = "Open it in the admin, under blocked prefixes."
        return Finding("sending", Health.ERROR, "The prefix + is closed: no SMS leaves.", mend)
    return Finding("sending", Health.OK, "SMS may leave.")


def _callbacks(now: datetime) -> Finding:
    """Hold the callbacks against the sends that have had ten minutes to be told of."""
    accepted = SendLog.objects.using(database.alias()).filter(
        submitted_at__isnull=False, created_at__gt=now - DAY, created_at__lt=now - GIVEN
    )
    sends = dict(
        accepted.exclude(message_id="").order_by("-created_at").values_list("pk", "created_at")[:MOST]
    )
    told = StatusUpdate.objects.using(database.alias()).filter(source=Source.CALLBACK)
    heard = set(told.filter(send_log__in=list(sends)).values_list("send_log", flat=True))
    newest = list(sends)[:SILENT]
    last = told.order_by("-received_at").values_list("received_at", flat=True).first()
    since = sum(last is None or created_at > last for created_at in sends.values())
    figures = {
        "sends": len(sends),
        "heard": len(heard),
        "sends_since_last": since,
        "age": None if last is None else round((now - last).total_seconds()),
    }
    came = "none ever came" if last is None else f"the last one came {_ago(last, now)} ago"
    if not sends:
        detail = f"No SMS of the last day waits for a callback; {came}."
        return Finding("callbacks", Health.OK, detail, figures=figures)
    if since >= SILENT or not heard:
        health = Health.ERROR if len(sends) >= FEW else Health.WARNING
        detail = f"Of the last {len(sends)} SMS, {since} were sent since the last callback: {came}."
        if not since:
            detail = f"Of the last {len(sends)} SMS, none has had a callback, though {came}."
    elif len(newest) == SILENT and heard.issuperset(newest):
        # callbacks that failed for hours come again: the day's share would complain until tomorrow
        health = Health.OK
        detail = f"Of the last {len(sends)} SMS, {len(heard)} have had a callback, the newest too; {came}."
    else:
        health = Health.OK if len(heard) * 2 >= len(sends) else Health.WARNING
        detail = f"Of the last {len(sends)} SMS, {len(heard)} have had a callback; {came}."
    mend = (
        "Have Kaleyra reach the webhook: the callback profile's address and secret, and no login wall, "
        "redirect or firewall in front of it."
    )
    return Finding("callbacks", health, detail, "" if health == Health.OK else mend, figures=figures)


def _stuck(now: datetime) -> Finding:
    sends = SendLog.objects.using(database.alias())
    queued = sends.filter(status=DeliveryStatus.QUEUED, created_at__lt=now - STUCK).count()
    sending = sends.filter(
        status=DeliveryStatus.SENDING, claimed_at__lt=now - STUCK, created_at__lt=now - STUCK
    ).count()
    unasked = sends.filter(
        status__in=(DeliveryStatus.SUBMITTED, DeliveryStatus.SENT),
        created_at__gt=now - DAY,
        created_at__lt=now - GIVEN,
        next_pull_at=None,
    )
    figures = {"queued": queued, "sending": sending, "unasked": unasked.exclude(message_id="").count()}
    if not any(figures.values()):
        return Finding("stuck", Health.OK, "No row is stuck.", figures=figures)
    detail = (
        f"Stuck: {queued} sends that no worker took, {sending} whose process ended, "
        f"{figures['unasked']} whose status nobody asked for."
    )
    return Finding("stuck", Health.ERROR if queued else Health.WARNING, detail, RECONCILE, figures=figures)


def _queue(now: datetime) -> Finding | None:
    """Return how long the oldest send waits for a worker; None where SMS leave in the request."""
    if conf.DISPATCH == "inline":
        return None
    queued = SendLog.objects.using(database.alias()).filter(status=DeliveryStatus.QUEUED)
    count, oldest = queued.count(), queued.aggregate(oldest=Min("created_at"))["oldest"]
    age = 0 if oldest is None else max(round((now - oldest).total_seconds()), 0)
    health = Health.OK if age < SLOW else Health.WARNING if age < TOO_SLOW else Health.ERROR
    detail = (
        f"{count} SMS wait for a worker, the oldest for {age} s." if count else "No SMS waits for a worker."
    )
    mend = "" if health == Health.OK else "Start the workers, or more of them."
    refused = SendLog.objects.using(database.alias()).filter(
        status=DeliveryStatus.FAILED, created_at__gt=now - GIVEN, error_code="dispatch"
    )
    if lost := refused.count():
        health, mend = Health.ERROR, "See that the queue's broker answers."
        detail = f"The queue took none of {lost} SMS in the last ten minutes. {detail}"
    return Finding("queue", health, detail, mend, figures={"queued": count, "age": age, "refused": lost})


def _addresses(now: datetime) -> Finding | None:
    """Hold NUM_PROXIES against the addresses that callers were seen with; None where there are too few."""
    challenges = OTPChallenge.objects.using(database.alias()).filter(created_at__gt=now - DAY)
    newest = challenges.exclude(ip=None).order_by("-created_at").values_list("ip", "phone_number")
    seen = [(ip, number) for ip, number in newest[:MOST] if ip]
    numbers = {number for _, number in seen}
    if len(seen) < CHALLENGES or len(numbers) < NUMBERS:
        return None
    by_address = Counter(ip for ip, _ in seen)
    private = sum(count for ip, count in by_address.items() if not ipaddress.ip_address(ip).is_global)
    address, most = by_address.most_common(1)[0]
    figures = {
        "challenges": len(seen),
        "numbers": len(numbers),
        "addresses": len(by_address),
        "private": private,
        "most": most,
    }
    told = f"NUM_PROXIES is {conf.NUM_PROXIES}, and of the last {len(seen)} challenges"
    mend = "Set NUM_PROXIES to the number of proxies that each add to X-Forwarded-For."
    if private * 2 > len(seen):
        detail = f"{told} {private} came from private addresses such as {address}: a proxy's, not a caller's."
        return Finding("addresses", Health.ERROR, detail, mend, figures=figures)
    if most * 2 > len(seen):
        detail = f"{told} {most} came from one address, {address}: a proxy's, or one caller's."
        return Finding("addresses", Health.WARNING, detail, mend, figures=figures)
    detail = f"The last {len(seen)} challenges came from {len(by_address)} addresses."
    return Finding("addresses", Health.OK, detail, figures=figures)


def _clock(now: datetime) -> Finding | None:
    """Return how far the database's clock is off; None where it is this machine's."""
    connection = connections[database.alias()]
    ask = {
        "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
        # not UNIX_TIMESTAMP(NOW(6)): that goes through local time, which goes back an hour once a year
        "mysql": "SELECT UNIX_TIMESTAMP() + MICROSECOND(NOW(6)) / 1000000",
    }.get(connection.vendor)
    if ask is None:
        return None
    before = time.time()
    [(told,)] = database.read(ask, [])
    return clock("database_clock", "The database's clock", apart(float(told), before, time.time()))


def _ago(then: datetime, now: datetime) -> str:
    return timesince(then, now, depth=1).replace("\xa0", " ")
