"""In one sentence: what happened last, whose fault it was, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from django_kaleyra_otp.admin import timeline
from django_kaleyra_otp.admin.badges import Tone
from django_kaleyra_otp.admin.dossier import Dossier
from django_kaleyra_otp.admin.faults import FAULTS, MENDS, OWN_CODES
from django_kaleyra_otp.kaleyra import errors, statuses
from django_kaleyra_otp.kaleyra.errors import ErrorClass
from django_kaleyra_otp.models import (
    ChallengeStatus,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    Source,
)
from django_kaleyra_otp.shapes.accounts import TEST_ROUTE

#: How long an SMS may wait to leave before nobody seems to take it.
LEAVES_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happened last; ``fault`` and ``mend`` are "" where there is nothing to say."""

    tone: Tone
    sentence: str
    fault: str | Promise = ""
    mend: str | Promise = ""


def of(dossier: Dossier, now: datetime) -> Verdict:
    """Return the verdict on the newest SMS of a number, or on the decoy that came after it."""
    send = dossier.sends[0] if dossier.sends else None
    newest = dossier.challenges[0] if dossier.challenges else None
    if (
        newest is not None
        and newest.pk in dossier.decoys
        and (send is None or newest.created_at > send.created_at)
    ):
        return Verdict(
            Tone.OVER,
            _("Somebody asked for a code to sign in, and the number signs nobody in: no SMS was sent."),
            _("nobody's: this is meant to look like any other number"),
            _("See that exactly one active user, who may sign in by phone, has this number."),
        )
    if send is None:
        return Verdict(
            Tone.OVER,
            _("Nothing was sent to this number, as far back as rows are kept."),
            mend=_("A request that is refused leaves no row: see below what a code would meet now."),
        )
    challenge = next((each for each in dossier.challenges if each.pk == send.challenge_id), None)
    if challenge is not None and challenge.verified_at is not None:
        return Verdict(Tone.GOOD, _("The newest code was typed in and was right."))
    if send.route == TEST_ROUTE:
        return Verdict(
            Tone.OVER,
            _("A test number: nothing is sent to it."),
            mend=_("Its code stands in the setting TEST_NUMBERS."),
        )
    status = DeliveryStatus(send.status)
    if status == DeliveryStatus.DELIVERED:
        return _arrived(challenge, dossier, now)
    standing = challenge.status_at(now) if challenge is not None else None
    if standing == ChallengeStatus.MAX_ATTEMPTS_REACHED and not status.is_final:
        sentence = _("Too many wrong codes were typed in. Whether the newest SMS arrived is not known.")
        return _guessed(sentence, dossier)
    if status == DeliveryStatus.UNKNOWN:
        return _explained(
            Tone.DOUBT, _("Kaleyra's answer to the newest SMS was lost: it may be on its way."), send
        )
    if status.is_final:
        return _missed(send, dossier) if send.was_accepted else _refused(send)
    return _under_way(send, now, can_be_typed=standing in (None, ChallengeStatus.PENDING))


def _arrived(challenge: OTPChallenge | None, dossier: Dossier, now: datetime) -> Verdict:
    standing = challenge.status_at(now) if challenge is not None else None
    if standing == ChallengeStatus.PENDING:
        return Verdict(Tone.GOOD, _("The newest code is on the handset and can still be typed in."))
    if standing == ChallengeStatus.EXPIRED and challenge is not None and _too_late(challenge, dossier):
        return Verdict(
            Tone.DOUBT,
            _("The newest code arrived when its time was over."),
            FAULTS[ErrorClass.HANDSET],
            _("Ask for a new one. If SMS come late for others too, look at the delivery report."),
        )
    if standing == ChallengeStatus.EXPIRED and challenge is not None and challenge.attempts:
        return _guessed(_("The newest code arrived, and only wrong ones were typed in."), dossier)
    if standing == ChallengeStatus.EXPIRED:
        return Verdict(
            Tone.DOUBT,
            _("The newest code arrived and was not typed in in time."),
            _("the person's"),
            _("Ask for a new one. If this repeats, the phone may put such SMS into a folder of its own."),
        )
    if standing == ChallengeStatus.MAX_ATTEMPTS_REACHED:
        return _guessed(_("The newest code arrived, and too many wrong ones were typed in."), dossier)
    if standing == ChallengeStatus.CANCELED:
        return Verdict(Tone.OVER, _("The newest code arrived; the request was given up before it was used."))
    return Verdict(Tone.GOOD, _("The newest SMS is on the handset."))


def _guessed(sentence: str, dossier: Dossier) -> Verdict:
    """Return the verdict on wrong codes; where they closed the number, a new code would be refused."""
    if any(each.closed for each in dossier.failures):
        mend = _("No code is sent until the number is opened. Open it once you know who asks.")
    else:
        mend = _("Ask for a new one. If the person typed none, somebody else is guessing.")
    return Verdict(Tone.DOUBT, sentence, _("the person's"), mend)


def _too_late(challenge: OTPChallenge, dossier: Dossier) -> bool:
    """Return whether every SMS of a challenge that arrived did so past its life.

    By callbacks alone: a status that was asked for tells when we asked.
    """
    sends = {each.pk for each in dossier.sends if each.challenge_id == challenge.pk}
    arrived = [
        update
        for update in dossier.updates
        if update.send_log_id in sends and update.delivery_status == DeliveryStatus.DELIVERED
    ]
    return bool(arrived) and all(
        update.source == Source.CALLBACK and update.received_at > challenge.expires_at for update in arrived
    )


def _refused(send: SendLog) -> Verdict:
    never_left = send.error_code in OWN_CODES
    sentence = _("The newest SMS was not sent.") if never_left else _("Kaleyra did not take the newest SMS.")
    return _explained(Tone.BAD, sentence, send)


def _explained(tone: Tone, sentence: str, send: SendLog) -> Verdict:
    """Return a verdict by the error of a send: what it means, or, unknown, as it was told."""
    if own := OWN_CODES.get(send.error_code):
        return Verdict(tone, f"{sentence} {own.meaning}", own.fault, own.mend)
    if entry := errors.explain(send.error_code):
        return Verdict(tone, f"{sentence} {_(entry.meaning)}", FAULTS[entry.error_class], _(entry.mend))
    return Verdict(
        tone,
        f"{sentence} {timeline.told_error(send)}".strip(),
        FAULTS.get(send.error_class, send.error_class),
        MENDS.get(send.error_class, ""),
    )


def _missed(send: SendLog, dossier: Dossier) -> Verdict:
    """Return the verdict on an SMS that Kaleyra took and that did not arrive, by the newest word on why."""
    sentence = _("The newest SMS did not arrive.")
    told = [send.kaleyra_trace]
    for update in reversed([each for each in dossier.updates if each.send_log_id == send.pk]):
        told += (update.trace, update.error_code)
    for word in filter(None, told):
        if trace := statuses.trace(word):
            return Verdict(
                Tone.BAD, f"{sentence} {_(trace.meaning)}", FAULTS[trace.fault], MENDS[trace.fault]
            )
        if entry := errors.explain(word):
            return Verdict(
                Tone.BAD, f"{sentence} {_(entry.meaning)}", FAULTS[entry.error_class], _(entry.mend)
            )
    # a trace that repeats the status says nothing more
    unknown = [word for word in told if word and statuses.read(word) is None]
    why = _("Kaleyra says: %s.") % unknown[0] if unknown else _("Kaleyra did not say why.")
    return Verdict(Tone.BAD, f"{sentence} {why}", _("not known"), MENDS[ErrorClass.VENDOR])


def _under_way(send: SendLog, now: datetime, *, can_be_typed: bool) -> Verdict:
    """Return the verdict on an SMS that nothing final is known of."""
    if send.status in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING):
        if send.created_at > now - LEAVES_WITHIN:
            return Verdict(Tone.OPEN, _("The newest SMS is about to leave."))
        return Verdict(
            Tone.BAD,
            _("The newest SMS has not left."),
            FAULTS[ErrorClass.CONFIGURATION],
            _("See that a worker runs, and kaleyra_otp_reconcile each minute."),
        )
    if timeline.lacks_receipt(send, now):
        return Verdict(
            Tone.DOUBT,
            _("Kaleyra took the newest SMS over an hour ago, and has not told what became of it."),
            FAULTS[ErrorClass.VENDOR],
            _("It may have arrived. If many lack a receipt, look at the callback profile."),
        )
    sentence = _("Kaleyra took the newest SMS; no receipt yet.")
    if known := statuses.trace(send.kaleyra_trace) or statuses.trace(send.kaleyra_status):
        sentence = f"{sentence} {_(known.meaning)}"
    if can_be_typed:
        mend = _("Wait a minute. If nothing comes, have the code sent again.")
    else:
        mend = _("Its time is over: ask for a new one.")
    return Verdict(Tone.OPEN, sentence, mend=mend)
