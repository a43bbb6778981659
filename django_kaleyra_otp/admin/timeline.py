"""What happened to one SMS or one challenge, in order, as far as the rows tell it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_kaleyra_otp.admin import badges, faults
from django_kaleyra_otp.admin.badges import Tone
from django_kaleyra_otp.admin.filters import RECEIPT_DUE
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.kaleyra import errors, statuses
from django_kaleyra_otp.models import (
    ChallengeStatus,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    Source,
    StatusUpdate,
)
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE

#: What a decoy is; see ``login.decoys``.
DECOY = gettext_lazy(
    "A decoy: the number signs nobody in, so no SMS was sent and the page looked as it always does. "
    "No code opens it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a timeline.

    ``at`` is None where no row tells the time; the line stands where it belongs all the same.
    ``since`` is the time since the first line. ``link`` is the HTML of a link, or "".
    """

    title: str | Promise
    at: datetime | None = None
    tone: Tone = Tone.OPEN
    notes: tuple[str, ...] = ()
    link: str = ""
    since: str = ""


def lacks_receipt(send: SendLog, now: datetime) -> bool:
    """Return whether Kaleyra took the SMS over an hour ago and told nothing final since."""
    taken = send.status in (DeliveryStatus.SUBMITTED, DeliveryStatus.SENT) and send.route != TEST_ROUTE
    return taken and send.submitted_at is not None and send.submitted_at < now - RECEIPT_DUE


def is_decoy(challenge: OTPChallenge, *, has_sends: bool, now: datetime) -> bool:
    """Return whether a challenge never had an SMS: a sign-in page showed it to a number without a user.

    One as old as ``RETENTION`` lost its SMS to the purge, and was kept for its wrong guesses.
    """
    return not has_sends and challenge.created_at > now - timedelta(days=conf.RETENTION)


def why_not(send: SendLog) -> str:
    """Return the trace code of an SMS that did not arrive, or ""."""
    status = DeliveryStatus(send.status)
    return send.kaleyra_trace if status.is_final and status != DeliveryStatus.DELIVERED else ""


def of_send(
    send: SendLog, updates: Iterable[StatusUpdate], challenge: OTPChallenge | None, now: datetime
) -> list[Event]:
    """Return the timeline of one SMS: handing over, each update, arrival, what became of its challenge."""
    events = [
        Event(title=_("SMS created"), at=send.created_at, notes=_sentences(_made_by(send))),
        *_handing_over(send),
        *map(_told, updates),
    ]
    if send.delivered_at is not None:
        seconds = _("%s to the handset") % elapsed(send.delivered_at - send.created_at)
        events.append(
            Event(title=_("Delivered"), at=send.delivered_at, tone=Tone.GOOD, notes=_sentences(seconds))
        )
    if challenge is not None:
        events += _ends(challenge, now)
    if lacks_receipt(send, now):
        events.append(_silence(send))
    return in_order(events)


def of_challenge(
    challenge: OTPChallenge,
    sends: Iterable[tuple[SendLog, str]],
    now: datetime,
    *,
    decoy: bool = False,
) -> list[Event]:
    """Return the timeline of one challenge; each send comes with the HTML of a link to its page."""
    caller = _("A known caller asked.") if challenge.known else _("A stranger asked.")
    title = _("Started: %s") % challenge.purpose
    notes = _sentences(caller, str(DECOY) if decoy else "")
    events = [Event(title=title, at=challenge.created_at, notes=notes)]
    for number, (send, link) in enumerate(sends, start=1):
        status = DeliveryStatus(send.status)
        title = _("SMS %(number)d: %(status)s") % {"number": number, "status": status.label}
        notes = _sentences(
            _("Accepted by Kaleyra after %s.") % elapsed(send.submitted_at - send.created_at)
            if send.submitted_at
            else "",
            _("No receipt yet.") if lacks_receipt(send, now) else "",
            told_error(send),
            *explain_trace(why_not(send)),
        )
        tone = badges.of_delivery(send.status)
        # the word is the newest one, so the time of its arrival gets a line of its own
        events.append(
            Event(
                title=title,
                at=send.created_at,
                tone=Tone.OPEN if send.delivered_at else tone,
                notes=notes,
                link=link,
            )
        )
        if send.delivered_at is not None:
            title = _("SMS %d is on the handset") % number
            seconds = _("%s after it was created") % elapsed(send.delivered_at - send.created_at)
            events.append(Event(title=title, at=send.delivered_at, tone=Tone.GOOD, notes=_sentences(seconds)))
    return in_order(events + _ends(challenge, now))


def explain_trace(word: str) -> tuple[str, ...]:
    """Return what a trace code means and whose fault it is, or nothing where it is not known."""
    entry = statuses.trace(word)
    return (_(entry.meaning), _fault(entry.fault)) if entry else ()


def explain_error(code: str) -> tuple[str, ...]:
    """Return what an error code means, what mends it and whose fault it is, or nothing."""
    entry = errors.explain(code)
    return (_(entry.meaning), _(entry.mend), _fault(entry.error_class)) if entry else ()


def elapsed(span: timedelta) -> str:
    """Return a length of time for people: ``7.2 s``, ``3 min 5 s``, ``2 h 10 min``, ``4 days``."""
    seconds = max(span.total_seconds(), 0)
    if seconds < 60:
        return _("%s s") % number_format(seconds, 1)
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    return ngettext("%d day", "%d days", hours // 24) % (hours // 24)


def in_order(events: list[Event]) -> list[Event]:
    """Return the events by time, those of no known time after the one they follow."""
    first = events[0].at
    placed, last = [], first
    for event in events:
        last = event.at or last
        placed.append((last, event))
    placed.sort(key=lambda pair: (pair[0] is None, pair[0]))
    return [_counted(event, first) for _at, event in placed]


def _counted(event: Event, first: datetime | None) -> Event:
    since = f"+{elapsed(event.at - first)}" if event.at and first and event.at > first else ""
    return replace(event, since=since)


def _made_by(send: SendLog) -> str:
    if send.claimed_at is None:
        return _("It waits for a worker.")
    return _("It left at once.") if send.claimed_at == send.created_at else _("It waited for a worker.")


def _handing_over(send: SendLog) -> list[Event]:
    """Return what is known of the way to Kaleyra."""
    events = []
    if send.claimed_at is not None and send.claimed_at != send.created_at:
        events.append(Event(title=_("Taken by a worker"), at=send.claimed_at))
    answer = _answer(send)
    if send.route == TEST_ROUTE:
        events.append(Event(title=_("A test number: nothing was sent"), at=send.submitted_at, tone=Tone.OVER))
    elif send.submitted_at is not None:
        notes = (*answer, *_error_notes(send))
        events.append(Event(title=_("Accepted by Kaleyra"), at=send.submitted_at, notes=notes))
    elif send.status == DeliveryStatus.FAILED:
        notes = (*answer, *_error_notes(send))
        events.append(Event(title=_("Not accepted by Kaleyra"), tone=Tone.BAD, notes=notes))
    elif send.status == DeliveryStatus.UNKNOWN:
        lost = _("It may be on its way, so it is not sent again.")
        notes = (lost, *answer, *_error_notes(send))
        events.append(Event(title=_("The answer was lost"), tone=Tone.DOUBT, notes=notes))
    elif send.status == DeliveryStatus.SENDING:
        events.append(Event(title=_("On the way to Kaleyra"), notes=answer))
    return events


def _answer(send: SendLog) -> tuple[str, ...]:
    latency = _("answered in %d ms") % send.latency if send.latency is not None else ""
    status = f"HTTP {send.http_status}" if send.http_status is not None else ""
    return _sentences(", ".join(filter(None, (status, latency))))


def told_error(send: SendLog) -> str:
    """Return the error of a send as it was told."""
    return ": ".join(filter(None, (send.error_code, send.error_message)))


def _error_notes(send: SendLog) -> tuple[str, ...]:
    """Return an error as told, and what it means; of an unknown code, whose fault its class says it is."""
    told = told_error(send)
    known = explain_error(send.error_code)
    if not known:
        known = _own(send)
    return _sentences(told, *known)


def _own(send: SendLog) -> tuple[str, ...]:
    if own := faults.OWN_CODES.get(send.error_code):
        return (str(own.meaning), str(own.mend), _("Whose fault: %s.") % own.fault)
    return (_fault(send.error_class),) if send.error_class else ()


def _told(update: StatusUpdate) -> Event:
    """Return the line of one update: what it says, what that means, what we made of it."""
    word = update.status or _("(no status)")
    by = _("Callback") if update.source == Source.CALLBACK else _("Asked Kaleyra")
    moves = DeliveryStatus(update.delivery_status).label if update.delivery_status else ""
    notes = _sentences(
        _("Read as: %s.") % moves if moves else _("Not a status that is known: it changes nothing."),
        _("Trace: %s") % update.trace if update.trace and update.trace != update.status else "",
        *explain_trace(update.trace),
        _("Error: %s") % update.error_code if update.error_code else "",
        *explain_error(update.error_code),
        update.description if update.description != update.trace else "",
        ", ".join(filter(None, (update.operator, update.circle))),
        _("Time as told, zone not known: %s") % update.occurred if update.occurred else "",
    )
    tone = badges.of_delivery(update.delivery_status)
    return Event(title=f"{by}: {word}", at=update.received_at, tone=tone, notes=notes)


def _ends(challenge: OTPChallenge, now: datetime) -> list[Event]:
    """Return what became of a challenge."""
    events = []
    status = challenge.status_at(now)
    guesses = _("Attempts: %(spent)d of %(allowed)d.") % {
        "spent": challenge.attempts,
        "allowed": challenge.max_attempts,
    }
    if challenge.verified_at is not None:
        events.append(
            Event(title=_("Code given: verified"), at=challenge.verified_at, tone=Tone.GOOD, notes=(guesses,))
        )
    if challenge.redeemed_at is not None:
        events.append(Event(title=_("Proof used"), at=challenge.redeemed_at, tone=Tone.GOOD))
    if challenge.canceled_at is not None:
        events.append(Event(title=_("Canceled"), at=challenge.canceled_at, tone=Tone.OVER, notes=(guesses,)))
    if status == ChallengeStatus.MAX_ATTEMPTS_REACHED:
        closed = Event(
            title=_("Closed after too many wrong codes"),
            at=challenge.last_attempt_at,
            tone=Tone.BAD,
            notes=(guesses,),
        )
        events.append(closed)
    if status == ChallengeStatus.EXPIRED:
        events.append(
            Event(title=_("Challenge expired"), at=challenge.expires_at, tone=Tone.OVER, notes=(guesses,))
        )
    if challenge.failures_cleared_at is not None:
        events.append(Event(title=_("Wrong codes forgiven"), at=challenge.failures_cleared_at))
    return events


def _silence(send: SendLog) -> Event:
    return Event(
        title=_("No receipt"),
        at=send.submitted_at + RECEIPT_DUE if send.submitted_at else None,
        tone=Tone.DOUBT,
        notes=(
            _("Kaleyra accepted it over an hour ago and has not told what became of it."),
            _("It may have arrived. If many lack a receipt, look at the callback profile."),
        ),
    )


def _fault(fault: str) -> str:
    return _("Whose fault: %s.") % faults.FAULTS.get(fault, fault)


def _sentences(*parts: str) -> tuple[str, ...]:
    return tuple(part for part in parts if part)
