"""One SMS and what became of it: the ranks, the UPDATE that only goes forward, and the join.

A send and its callback can cross. So each side commits its own row before it looks for the
other's: the webhook inserts the StatusUpdate, then looks for the SendLog; the sender writes the
message id, then looks for waiting updates. Whoever comes second finds the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp.kaleyra.callbacks import spellings
from django_kaleyra_otp.models import database
from django_kaleyra_otp.models.challenge import OTPChallenge

#: What stands for the code in ``SendLog.body``.
PLACEHOLDER = "{code}"


class DeliveryStatus(models.TextChoices):
    """What became of one SMS, in rank order; a status moves only forward in rank."""

    QUEUED = "queued", _("queued")  # committed, no worker has it yet
    SENDING = "sending", _("sending")  # somebody is handing it over
    UNKNOWN = "unknown", _("unknown")  # the answer was lost: it may be on its way
    SUBMITTED = "submitted", _("submitted")  # Kaleyra has it
    SENT = "sent", _("sent")  # the operator has it
    FAILED = "failed", _("failed")  # not accepted, or could not be delivered
    UNDELIVERED = "undelivered", _("undelivered")  # sent, did not arrive
    EXPIRED = "expired", _("expired")  # the operator gave up
    REJECTED = "rejected", _("rejected")  # Kaleyra or the operator refused
    DELIVERED = "delivered", _("delivered")  # on the handset: a late proof beats an early guess

    @property
    def rank(self) -> int:
        """Place in the order above, from 0."""
        return _RANKS[self.value]

    @property
    def is_final(self) -> bool:
        """Whether nothing but a later proof can follow."""
        return self.rank >= _RANKS["failed"]


_RANKS = {status.value: rank for rank, status in enumerate(DeliveryStatus)}


class Channel(models.TextChoices):
    """How a code travels."""

    SMS = "sms", _("SMS")


class Source(models.TextChoices):
    """How a status came to be known."""

    CALLBACK = "callback", _("callback")
    PULL = "pull", _("pull")


class _Exact(models.Func):
    """A text byte by byte; MariaDB and MySQL take words that differ in case alone for the same."""

    template = "%(expressions)s"

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Compare as bytes."""
        return self.as_sql(compiler, connection, template="CAST(%(expressions)s AS BINARY)", **context)


class SendLogQuerySet(models.QuerySet["SendLog"]):
    """The moves of a send, each one conditional UPDATE that says whether it happened."""

    def move(self, pk: int, status: DeliveryStatus, **also: Any) -> bool:
        """Move a send forward in rank; returns whether it stood lower before."""
        behind = self.filter(pk=pk, rank__lt=status.rank)
        return behind.update(status=status, rank=status.rank, **also) == 1

    def claim(self, pk: int, now: datetime) -> bool:
        """Take a queued send to hand it over; returns whether nobody had it."""
        return self.move(pk, DeliveryStatus.SENDING, claimed_at=now)

    def apply(self, pk: int, update: StatusUpdate, *, accepted: bool) -> bool:
        """Move a send as one of its updates says; returns whether it moved.

        ``accepted``: the send was seen with a ``submitted_at``, which then stays.
        """
        if not update.delivery_status:
            return False
        status = DeliveryStatus(update.delivery_status)
        also: dict[str, Any] = {
            "kaleyra_status": update.status,
            "kaleyra_trace": update.trace,
        }
        if not accepted:
            also["submitted_at"] = Coalesce("submitted_at", models.Value(update.received_at))
        if status == DeliveryStatus.DELIVERED:
            also["delivered_at"] = update.received_at
        if self.move(pk, status, **also):
            return True
        self.reword(pk, update)
        return False

    def reword(self, pk: int, update: StatusUpdate) -> None:
        """Of updates of one rank, keep the words that sort last, whichever came first."""
        rows = self.alias(trace=_Exact("kaleyra_trace"), word=_Exact("kaleyra_status"))
        later = models.Q(trace__lt=update.trace) | models.Q(trace=update.trace, word__lt=update.status)
        rows.filter(later, pk=pk, status=update.delivery_status).update(
            kaleyra_status=update.status, kaleyra_trace=update.trace
        )


class SendLog(models.Model):
    """One SMS. Its body holds a placeholder where the code was."""

    id = models.BigAutoField(primary_key=True)
    challenge = models.ForeignKey(
        OTPChallenge,
        verbose_name=_("challenge"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="send_logs",
        db_index=False,
    )
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices, default=Channel.SMS)
    phone_number = models.CharField(_("phone number"), max_length=16)
    country = models.CharField(_("country"), max_length=3)
    block = models.CharField(_("block"), max_length=16)
    route = models.CharField(_("route"), max_length=32, blank=True)
    sender = models.CharField(_("sender"), max_length=20, blank=True)
    template_id = models.CharField(_("template id"), max_length=30, blank=True)
    body = models.TextField(_("body"))
    segments = models.PositiveSmallIntegerField(_("segments"), default=1)
    status = models.CharField(
        _("status"), max_length=12, choices=DeliveryStatus.choices, default=DeliveryStatus.QUEUED
    )
    rank = models.PositiveSmallIntegerField(default=0, editable=False)
    kaleyra_status = models.CharField(_("Kaleyra's status"), max_length=64, blank=True)
    kaleyra_trace = models.CharField(_("Kaleyra's trace"), max_length=64, blank=True)
    error_code = models.CharField(_("error code"), max_length=32, blank=True)
    error_class = models.CharField(_("error class"), max_length=16, blank=True)
    error_message = models.CharField(_("error message"), max_length=200, blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True)
    message_id = models.CharField(_("message id"), max_length=100, blank=True)
    latency = models.PositiveIntegerField(_("latency (ms)"), null=True)
    claimed_at = models.DateTimeField(_("claimed"), null=True)
    submitted_at = models.DateTimeField(_("submitted"), null=True)
    delivered_at = models.DateTimeField(_("delivered"), null=True)
    next_pull_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    objects = SendLogQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(fields=["challenge", "created_at"], name="kaleyra_otp_send_challenge"),
            models.Index(fields=["phone_number", "created_at"], name="kaleyra_otp_send_phone"),
            models.Index(fields=["message_id"], name="kaleyra_otp_send_message"),
            models.Index(fields=["status", "created_at"], name="kaleyra_otp_send_status"),
            models.Index(fields=["created_at"], name="kaleyra_otp_send_created"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def was_accepted(self) -> bool:
        """Whether the provider took the SMS, as far as is known."""
        return self.submitted_at is not None


class StatusUpdateQuerySet(models.QuerySet["StatusUpdate"]):
    """Updates that wait for their send, and those that have it."""

    def waiting(self) -> StatusUpdateQuerySet:
        """Return the updates whose send is not known yet."""
        return self.filter(send_log__isnull=True)

    def give(self, update: StatusUpdate, send_pk: int) -> None:
        """Give an update that waits its send."""
        self.waiting().filter(fingerprint=update.fingerprint).update(send_log=send_pk)

    def store(self, update: StatusUpdate) -> None:
        """Insert an update; one that is there already stays as it is."""
        self.bulk_create([update], ignore_conflicts=True)


class StatusUpdate(models.Model):
    """One status of one SMS, as Kaleyra told it. Allow-listed fields alone, never the message text."""

    id = models.BigAutoField(primary_key=True)
    send_log = models.ForeignKey(
        SendLog,
        verbose_name=_("delivery"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="status_updates",
        db_index=False,
    )
    message_id = models.CharField(_("message id"), max_length=100, blank=True)
    status = models.CharField(_("status as told"), max_length=64, blank=True)
    trace = models.CharField(_("trace"), max_length=64, blank=True)
    delivery_status = models.CharField(
        _("delivery status"), max_length=12, choices=DeliveryStatus.choices, blank=True
    )
    occurred = models.CharField(_("time as told"), max_length=40, blank=True)
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    source = models.CharField(_("source"), max_length=8, choices=Source.choices, default=Source.CALLBACK)
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    phone_number = models.CharField(_("phone number"), max_length=20, blank=True)
    operator = models.CharField(_("operator"), max_length=64, blank=True)
    circle = models.CharField(_("circle"), max_length=64, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    description = models.CharField(_("description"), max_length=200, blank=True)

    objects = StatusUpdateQuerySet.as_manager()

    class Meta:
        verbose_name = _("status update")
        verbose_name_plural = _("status updates")
        indexes = [
            models.Index(fields=["send_log", "id"], name="kaleyra_otp_update_send"),
            models.Index(fields=["message_id", "send_log"], name="kaleyra_otp_update_message"),
            models.Index(fields=["received_at"], name="kaleyra_otp_update_received"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def is_about(self, phone_number: str) -> bool:
        """Return whether the number told, if one was, is that of a send (E.164)."""
        return not self.phone_number or self.phone_number == phone_number.lstrip("+")


class Named(NamedTuple):
    """As much of a send as a callback needs to find it and move it."""

    pk: int
    message_id: str
    phone_number: str
    status: str
    kaleyra_status: str
    kaleyra_trace: str
    accepted: bool


def named(message_ids: Sequence[str]) -> list[Named]:
    """Return the sends that the provider knows by one of these ids, at most four."""
    rows = database.read(
        "SELECT id, message_id, phone_number, status, kaleyra_status, kaleyra_trace, "  # noqa: S608
        "submitted_at IS NOT NULL FROM kaleyra_otp_sendlog "
        f"WHERE message_id IN ({database.marks(message_ids)}) LIMIT 4",
        message_ids,
    )
    # MariaDB and MySQL also find ids that differ in case or accents, and no id at all by a lone accent
    return [send for send in map(Named._make, rows) if send.message_id in message_ids]


@database.retried
def join(send: SendLog, update: StatusUpdate) -> DeliveryStatus | None:
    """Give a waiting update its send and move the send as it says; returns the status before, if it moved.

    Takes a send that is named by the update's message id and has its number.
    """
    previous = DeliveryStatus(send.status)
    moved = SendLog.objects.using(database.alias()).apply(send.pk, update, accepted=send.was_accepted)
    # given last: what waits is looked at again, should this process end here
    StatusUpdate.objects.using(database.alias()).give(update, send.pk)
    if not moved:
        return None
    status = DeliveryStatus(update.delivery_status)
    send.status, send.rank = status, status.rank
    send.kaleyra_status, send.kaleyra_trace = update.status, update.trace
    send.submitted_at = send.submitted_at or update.received_at
    if status == DeliveryStatus.DELIVERED:
        send.delivered_at = update.received_at
    return previous


def join_waiting(send: SendLog) -> Iterator[DeliveryStatus]:
    """Give a send, whose message id was just committed, the updates that came before.

    Yields the status before each move, while the send stands where that move left it.
    """
    for update in _waiting_for(send):
        if update.is_about(send.phone_number):
            previous = join(send, update)
            if previous is not None:
                yield previous


@database.retried
def _waiting_for(send: SendLog) -> list[StatusUpdate]:
    names = spellings(send.message_id)
    waiting = database.read(
        "SELECT id FROM kaleyra_otp_statusupdate "  # noqa: S608
        f"WHERE send_log_id IS NULL AND message_id IN ({database.marks(names)})",
        names,
    )
    if not waiting:
        return []
    rows = StatusUpdate.objects.using(database.alias())
    found = rows.filter(pk__in=[pk for (pk,) in waiting]).order_by("pk")
    return [update for update in found if update.message_id in names]  # as in named()
