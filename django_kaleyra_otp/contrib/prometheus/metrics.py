"""The metrics, and the receivers that count."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from django_kaleyra_otp import events, signals
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import OWN_ERROR_CODES
from django_kaleyra_otp.kaleyra.errors import ErrorClass, explain
from django_kaleyra_otp.models import (
    Alarm,
    AlarmKind,
    ChallengeStatus,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    database,
)

STARTED = Counter("kaleyra_otp_challenges_started", "Challenges started", ["purpose"])
VERIFIED = Counter("kaleyra_otp_challenges_verified", "Challenges whose code was given", ["purpose"])
FAILED = Counter(
    "kaleyra_otp_challenges_failed",
    "Wrong codes; status max_attempts_reached: the one that closed its challenge",
    ["purpose", "status"],
)
SMS = Counter("kaleyra_otp_sms", "SMS that reached a status", ["route", "country", "status"])
CALLBACKS = Counter("kaleyra_otp_callbacks", "Callbacks and pulls that moved an SMS", ["status"])
SECONDS = Histogram(
    "kaleyra_otp_delivery_seconds",
    "Seconds from the request for an SMS to the handset, as we were told",
    ["route", "country"],
    buckets=(1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 120, 300, 600),
)
EVENTS = Counter("kaleyra_otp_events", "What happened, by the names of the log", ["event", "reason"])
NOT_ACCEPTED = Counter(
    "kaleyra_otp_sms_not_accepted",
    "SMS that were not accepted (outcome failure), or perhaps (unknown)",
    ["route", "country", "outcome", "error"],
)
RESTING = Gauge(
    "kaleyra_otp_account_resting",
    "Processes that give an account a rest, for it did not answer",
    ["route"],
    multiprocess_mode="livesum",
)

#: Reasons that alert rules look for. A counter that begins at its first event shows no increase by it.
_REASONS = {
    "callback_refused": ("no_secret", "wrong_secret", "no_setting", "broken_body", "no_length", "too_long"),
    "number_locked": ("max_failures_reached",),
    "prefix_blocked": ("prefix_blocked",),
    "sending_off": ("sending_off",),
    "limit_reached": ("rate_limited", "cooldown"),
}


class Standing(Collector):
    """What the tables say at each scrape: alarms, and how long the oldest SMS waits. Two statements.

    ``kaleyra_otp_reconcile`` raises the alarms in a process that nobody scrapes, so they are read.
    """

    def describe(self) -> Iterator[Metric]:
        """Name the metrics; no database is asked."""
        return iter(self._families())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; none while the database is away, so that the others are still served."""
        standing, raised, waiting = self._families()
        close_old_connections()  # a server of its own has no request that would
        try:
            kinds, oldest = self._alarms(), self._oldest()
        except (DatabaseError, InterfaceError):
            return
        finally:
            close_old_connections()
        now = timezone.now()
        for kind in AlarmKind.values:
            stand, lately = kinds.get(kind, (0, 0))
            standing.add_metric([kind], stand)
            raised.add_metric([kind], lately)
        for status in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING):
            since = oldest.get(status.value)
            waiting.add_metric([status.value], max((now - since).total_seconds(), 0) if since else 0)
        yield from (standing, raised, waiting)

    def _families(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily("kaleyra_otp_alarms_standing", "Alarms that stand", labels=["kind"]),
            GaugeMetricFamily(
                "kaleyra_otp_alarms_last_day", "Alarms raised in the last 24 hours", labels=["kind"]
            ),
            GaugeMetricFamily(
                "kaleyra_otp_oldest_unsent_seconds", "Age of the oldest SMS in a status", labels=["status"]
            ),
        )

    def _alarms(self) -> Mapping[str, tuple[int, int]]:
        rows = Alarm.objects.using(database.alias()).order_by().values_list("kind")
        lately = Q(raised_at__gt=timezone.now() - timedelta(days=1))  # all ever: the purge would lower it
        counted = rows.annotate(standing=Count("open_key"), raised=Count("pk", filter=lately))
        return {kind: (standing, raised) for kind, standing, raised in counted}

    def _oldest(self) -> Mapping[str, datetime]:
        unsent = SendLog.objects.using(database.alias()).filter(
            status__in=(DeliveryStatus.QUEUED, DeliveryStatus.SENDING)
        )
        return dict(unsent.order_by().values_list("status").annotate(oldest=Min("created_at")))


def connect() -> None:
    """Have the signals counted; connecting twice counts once."""
    signals.challenge_started.connect(_started, dispatch_uid="kaleyra_otp_prometheus")
    signals.challenge_verified.connect(_verified, dispatch_uid="kaleyra_otp_prometheus")
    signals.challenge_failed.connect(_failed, dispatch_uid="kaleyra_otp_prometheus")
    signals.sms_submitted.connect(_submitted, dispatch_uid="kaleyra_otp_prometheus")
    signals.delivery_updated.connect(_updated, dispatch_uid="kaleyra_otp_prometheus")
    signals.event.connect(_happened, dispatch_uid="kaleyra_otp_prometheus")
    _begin()


@functools.cache
def _begin() -> None:
    """Have what alert rules count there at 0, before its first event."""
    REGISTRY.register(Standing())
    for name, event in events.EVENTS.items():
        for reason in _REASONS.get(name, () if "reason" in event.fields else ("",)):
            EVENTS.labels(name, reason)
    with contextlib.suppress(ImproperlyConfigured):  # the checks tell of it
        for purpose in conf.purpose_names():
            STARTED.labels(purpose)
            VERIFIED.labels(purpose)
            for status in (ChallengeStatus.PENDING, ChallengeStatus.MAX_ATTEMPTS_REACHED):
                FAILED.labels(purpose, status.value)


def _started(challenge: OTPChallenge, **kwargs: Any) -> None:
    STARTED.labels(challenge.purpose).inc()


def _verified(challenge: OTPChallenge, **kwargs: Any) -> None:
    VERIFIED.labels(challenge.purpose).inc()


def _failed(challenge: OTPChallenge, **kwargs: Any) -> None:
    FAILED.labels(challenge.purpose, str(challenge.status)).inc()


def _submitted(send: SendLog, **kwargs: Any) -> None:
    SMS.labels(send.route, send.country, str(send.status)).inc()


def _updated(send: SendLog, **kwargs: Any) -> None:
    SMS.labels(send.route, send.country, str(send.status)).inc()
    CALLBACKS.labels(str(send.status)).inc()
    if send.status == DeliveryStatus.DELIVERED and send.delivered_at:
        SECONDS.labels(send.route, send.country).observe(
            (send.delivered_at - send.created_at).total_seconds()
        )


def _happened(event: str, outcome: str, fields: Mapping[str, Any], **kwargs: Any) -> None:
    EVENTS.labels(event, fields.get("reason", "")).inc()
    if event in ("sms_failed", "sms_unknown"):
        NOT_ACCEPTED.labels(fields["route"], fields["country"], outcome, _error(fields)).inc()
    elif event in ("account_silent", "account_answers"):
        RESTING.labels(fields["route"]).set(event == "account_silent")


def _error(fields: Mapping[str, Any]) -> str:
    """Return a word of a bounded list: ours, the provider's where the catalogue has it, else whose fault."""
    code, fault = fields["error_code"], fields["error_class"]
    if code in OWN_ERROR_CODES:
        return str(code)
    if entry := explain(code):
        return entry.code
    return str(fault) if fault in list(ErrorClass) else "other"
