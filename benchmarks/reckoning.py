"""Holds the rows against what the customers were told and what Kaleyra says that it accepted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from benchmarks.clients import Story
from django_kaleyra_otp import recovery
from django_kaleyra_otp.kaleyra import statuses
from django_kaleyra_otp.kaleyra.callbacks import spellings
from django_kaleyra_otp.models import DeliveryStatus, OTPChallenge, SendLog, Source, StatusUpdate

#: Pulls that are due for less than this may still be under way.
SLACK = timedelta(seconds=30)


class Reckoning:
    """``violations`` by name, each with what it was seen at; ``figures`` by name."""

    def __init__(self, stories: Iterable[Story], messages: Iterable[dict[str, Any]]) -> None:
        self.stories, self.messages = list(stories), list(messages)
        self.violations: dict[str, list[str]] = defaultdict(list)
        self.figures: dict[str, object] = {}
        self.challenges: dict[str, list[OTPChallenge]] = defaultdict(list)
        for challenge in OTPChallenge.objects.all():
            self.challenges[challenge.phone_number].append(challenge)
        self.sends = {send.pk: send for send in SendLog.objects.all()}
        self.sends_of = Counter(send.challenge_id for send in self.sends.values())
        self.updates: dict[str, list[StatusUpdate]] = defaultdict(list)
        for update in StatusUpdate.objects.all():
            self.updates[bare(update.message_id)].append(update)

    def reckon(self) -> bool:
        """Look at everything; returns whether nothing is wrong."""
        for story in self.stories:
            self._challenge_of(story)
        self._sends()
        self._callbacks()
        self._count()
        return not self.violations

    def wrong(self, rule: str, where: object) -> None:
        """Note one breach of a rule."""
        self.violations[rule].append(str(where))

    # Challenges against what the customers were told

    def _challenge_of(self, story: Story) -> None:
        found = self.challenges[story.number]
        if len(found) > 1:
            self.wrong("two challenges for one idempotency key", found[0].pk)
        if missing := story.challenge_ids - {str(challenge.pk) for challenge in found}:
            self.wrong("a challenge that was answered 201 does not exist", missing)
        if not found or not story.challenge_ids:
            return
        challenge = found[0]
        self._guesses(story, challenge)
        self._success(story, challenge)
        self._token(story, challenge)
        canceled = challenge.status == "canceled"
        if story.count("cancel", "") and not canceled:
            self.wrong("a cancel that was answered 204 is not kept", challenge.pk)
        if canceled and not story.said.get("cancel"):
            self.wrong("canceled, though nobody asked for it", challenge.pk)
        if self.sends_of[challenge.pk] != challenge.sends:
            self.wrong("a challenge that counts other sends than there are", challenge.pk)
        if challenge.sends < 1 + story.count("resend", "pending"):
            self.wrong("a resend that was answered 200 is not counted", challenge.pk)

    def _guesses(self, story: Story, challenge: OTPChallenge) -> None:
        evaluated = sum(story.count(verb, "invalid_code", "verified") for verb in ("wrong", "right"))
        lost = sum(story.count(verb, "lost") for verb in ("wrong", "right"))
        refused = story.count("wrong", "invalid_code") + story.count("right", "invalid_code")
        if refused > challenge.max_attempts or challenge.attempts > challenge.max_attempts:
            self.wrong("guesses beyond the cap", challenge.pk)
        if not evaluated <= challenge.attempts <= evaluated + lost:
            self.wrong("attempts counted are not the guesses that were looked at", challenge.pk)

    def _success(self, story: Story, challenge: OTPChallenge) -> None:
        told = story.count("right", "verified")
        verified = challenge.status == "verified"
        if told > 1:
            self.wrong("two successes of one challenge", challenge.pk)
        if told and not verified:
            self.wrong("a success that was answered is not kept", challenge.pk)
        if verified and not told and not story.count("right", "lost"):
            self.wrong("verified, though nobody was told", challenge.pk)
        if story.count("wrong", "verified"):
            self.wrong("a wrong code was right", challenge.pk)

    def _token(self, story: Story, challenge: OTPChallenge) -> None:
        used = Counter(token for token, answer in story.redeemed if answer.status == 200)
        lost = any(answer.status == 0 for _, answer in story.redeemed)
        if any(times > 1 for times in used.values()):
            self.wrong("a token was redeemed twice", challenge.pk)
        if bool(used) > bool(challenge.redeemed_at):
            self.wrong("a token that was redeemed is not marked", challenge.pk)
        if challenge.redeemed_at and not used and not lost:
            self.wrong("redeemed, though nobody was told", challenge.pk)

    # Sends against what Kaleyra accepted

    def _sends(self) -> None:
        accepted: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for message in self.messages:
            (reference,) = message["references"]
            accepted[int(reference)].append(message)
        for pk, messages in accepted.items():
            if len(messages) > 1:
                self.wrong("two SMS for one send", pk)
            if pk not in self.sends:
                self.wrong("an SMS without a send", messages[0]["message_id"])
        for pk, send in self.sends.items():
            self._send(send, accepted.get(pk, []))

    def _send(self, send: SendLog, messages: list[dict[str, Any]]) -> None:
        status = DeliveryStatus(send.status)
        if status in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING):
            self.wrong("a row that is still queued or sending", f"{send.pk} {status}")
        elif not messages:
            if send.message_id:
                self.wrong("a send with an id that Kaleyra never gave", send.pk)
            if status not in (DeliveryStatus.UNKNOWN, DeliveryStatus.FAILED):
                self.wrong("a send that Kaleyra never accepted, and that says it did", f"{send.pk} {status}")
        else:
            message = messages[0]
            if send.message_id and bare(send.message_id) != bare(message["message_id"]):
                self.wrong("a send with another's message id", send.pk)
            happened = [told(step["status"]) for step in message["history"]]
            if status == DeliveryStatus.FAILED and DeliveryStatus.FAILED not in happened:
                self.wrong(
                    "a send that Kaleyra accepted, and that says it did not", f"{send.pk} {send.error_code}"
                )
            elif status.rank > DeliveryStatus.SUBMITTED.rank and status not in self._allowed(message):
                self.wrong("a status that nobody told", f"{send.pk} {status}")
            elif send.message_id and self._overdue(send, status, happened):
                self.wrong("a final status that was not asked for", f"{send.pk} {status}")

    def _allowed(self, message: dict[str, Any]) -> set[DeliveryStatus | None]:
        words = [step["status"] for step in message["history"]]
        words += [callback["status"] for callback in message["callbacks"]]
        return {told(word) for word in words}

    def _overdue(self, send: SendLog, status: DeliveryStatus, happened: list[DeliveryStatus | None]) -> bool:
        """Whether Kaleyra knows a final status that a pull should have brought by now."""
        if status.is_final or not any(one is not None and one.is_final for one in happened):
            return False
        due: datetime = send.next_pull_at or send.created_at + recovery.FIRST_PULL
        return due < timezone.now() - SLACK

    # Callbacks that were answered 2xx

    def _callbacks(self) -> None:
        by_id = {bare(send.message_id): send for send in self.sends.values() if send.message_id}
        stored = joined = waiting = 0
        for message in self.messages:
            name = bare(message["message_id"])
            send = by_id.get(name)
            rows = [update for update in self.updates[name] if update.source == Source.CALLBACK]
            for callback in message["callbacks"]:
                if not callback["succeeded"]:
                    continue
                stored += 1
                row = next((row for row in rows if told(row.status) == told(callback["status"])), None)
                if row is None:
                    self.wrong("a callback that was answered 2xx has no row", name)
                elif send is None:
                    waiting += 1
                    self._may_wait(int(message["references"][0]), name)
                elif row.send_log_id != send.pk:
                    self.wrong("a callback that did not find its send", name)
                else:
                    joined += 1
                    status = told(callback["status"])
                    if status is not None and DeliveryStatus(send.status).rank < status.rank:
                        self.wrong("a callback that did not move its send", f"{send.pk} {send.status}")
        self.figures["callbacks answered 2xx"] = stored
        self.figures["  joined to their send"] = joined
        self.figures["  of a send whose answer was lost, and that two sends could mean"] = waiting

    def _may_wait(self, pk: int, name: str) -> None:
        """Of a send whose answer was lost, an update waits where another send to that number is lost too."""
        send = self.sends[pk]
        lost = [
            other
            for other in self.sends.values()
            if other.phone_number == send.phone_number and other.status == DeliveryStatus.UNKNOWN
        ]
        if len(lost) < 2:
            self.wrong("callbacks of a lost answer that could name their send, and did not", f"{pk} {name}")

    def _count(self) -> None:
        self.figures["stories"] = len(self.stories)
        self.figures["challenges"] = sum(map(len, self.challenges.values()))
        self.figures["sends"] = len(self.sends)
        for (status, code), count in sorted(
            Counter((send.status, send.error_code) for send in self.sends.values()).items()
        ):
            self.figures[f"  {status} {code}".rstrip()] = count
        self.figures["SMS that Kaleyra accepted"] = len(self.messages)
        self.figures["status updates"] = sum(map(len, self.updates.values()))


def told(word: str) -> DeliveryStatus | None:
    """Return our word for one of Kaleyra's."""
    known = statuses.read(word)
    return DeliveryStatus(known.value) if known else None


def bare(message_id: str) -> str:
    """Return a message id without its index."""
    return spellings(message_id)[-1].partition(":")[0] if message_id else ""
