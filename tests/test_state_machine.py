"""Random histories of challenges and their SMS, beside a model that knows what each call answers.

``STATE_MACHINE_SEQUENCES`` says how many histories; they are the same in every run, and a failure is
shrunk and printed as the calls that lead to it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_kaleyra_otp import breaker, challenges, delivery, recovery, retention
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog, StatusUpdate
from tests.conftest import wrong
from tests.history import (
    COOLDOWN,
    DAY,
    FATES,
    FIRST_PULL,
    LEASE,
    MAX_ATTEMPTS,
    MAX_SENDS,
    RANKS,
    TTL,
    WORDS,
    Asked,
    Killed,
    Provider,
    Sent,
    call_back,
)
from tests.playing import later

PROFILE = settings(
    max_examples=int(os.environ.get("STATE_MACHINE_SEQUENCES", "200")),
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

NUMBERS = ("+919876543210", "+919876501234")
#: Seconds that pass at once: multiples of 32, whose sums come near no bound, so that a test may take a while.
WAITS = (32, 32, 32, 64, 64, 160, 320, 32 * 2813)


def hold(send_log_id):
    """A queue whose workers come when the machine says so."""


def word_of(call):
    """Return what a call answered: None, or the word it refused with."""
    try:
        call()
    except KaleyraOTPError as error:
        return error.code
    except Killed:
        return "killed"
    return None


class History(RuleBasedStateMachine):
    """What may be asked for, in any order."""

    asked, verified = Bundle("asked"), Bundle("verified")

    def __init__(self, conf):
        super().__init__()
        for model in (StatusUpdate, SendLog, OTPChallenge, RateLimit):
            model.objects.all().delete()
        self.now, self.last_sent, self.all = 0, dict.fromkeys(NUMBERS, -DAY), []
        self.conf = conf
        self.before: tuple[dict, dict] = {}, {}
        Provider.truths, Provider.by_row = {}, {}

    # what the model expects of one SMS

    def hand_over(self, sent, fate):
        """Move the model of an SMS that is handed over; returns the word that its sender is told."""
        sent.status, sent.claimed = "sending", self.now
        if fate in ("refuse", "away"):
            sent.status = "failed"
            return "delivery_failed" if fate == "refuse" else "delivery_unavailable"
        if fate == "kill":
            return "killed"
        sent.named = fate in ("accept", "accept early", "lose but name")
        sent.status = "submitted" if fate.startswith("accept") else "unknown"
        if fate == "accept early":
            sent.told("sent")
        return None

    def send(self, asked, call, fate, truth):
        """Make a call that sends an SMS of a challenge, and see that it answers as it should."""
        sent = Sent(asked.number, self.now, truth=truth)
        self.last_sent[asked.number] = self.now
        asked.sends.append(sent)
        Provider.of, Provider.fate = sent, fate
        breaker.reset()
        expected = None if self.queued else self.hand_over(sent, fate)
        assert word_of(call) == expected
        sent.pk = SendLog.objects.latest("pk").pk
        Provider.by_row[str(sent.pk)] = sent

    @initialize(queued=st.booleans())
    def dispatch(self, queued):
        self.queued = queued
        self.conf["DISPATCH"] = "tests.test_state_machine.hold" if queued else "inline"

    # what people do

    @rule(
        target=asked,
        number=st.sampled_from(NUMBERS),
        fate=st.sampled_from(FATES),
        truth=st.sampled_from([*WORDS]),
    )
    def start(self, number, fate, truth):
        if self.now - self.last_sent[number] < COOLDOWN:
            assert word_of(lambda: challenges.start(number)) == "cooldown"
            return multiple()
        asked = Asked(number, self.now)
        self.send(asked, lambda: challenges.start(number), fate, truth)
        row = OTPChallenge.objects.latest("created_at")
        asked.pk, asked.code = row.pk, delivery.code_of(row).reveal()
        self.all.append(asked)
        return asked

    @rule(asked=asked, fate=st.sampled_from(FATES), truth=st.sampled_from([*WORDS]))
    def resend(self, asked, fate, truth):
        expected = asked.refusal(self.now)
        if expected is None and len(asked.sends) == MAX_SENDS:
            expected = "max_sends_reached"
        elif expected is None and self.now - self.last_sent[asked.number] < COOLDOWN:
            expected = "cooldown"
        if expected:
            assert word_of(lambda: challenges.resend(asked.pk)) == expected
        else:
            self.send(asked, lambda: challenges.resend(asked.pk), fate, truth)

    @rule(target=verified, asked=asked)
    def type_the_code(self, asked):
        return self.guess(asked, "right")

    @rule(asked=asked, guess=st.sampled_from(["wrong", "wrong", "none"]))
    def type_something_else(self, asked, guess):
        self.guess(asked, guess)

    def guess(self, asked, guess):
        given = {"right": asked.code, "wrong": wrong(asked.code), "none": "12a"}[guess]
        expected = asked.refusal(self.now)
        if guess == "none" and not asked.gone:
            expected = "invalid"
        result = challenges.verify(asked.pk, given)

        if expected is None:
            asked.attempts += 1
            expected = None if guess == "right" else "invalid_code"
            if guess == "right":
                asked.status, asked.verified, asked.token = "verified", self.now, result.token
            elif asked.attempts == MAX_ATTEMPTS:
                asked.status = "max_attempts_reached"
        assert (result.ok, result.error) == (expected is None, expected)
        if expected == "invalid_code":
            assert result.attempts_left == MAX_ATTEMPTS - asked.attempts
        return asked if result.ok else multiple()

    @rule(asked=asked)
    def cancel(self, asked):
        expected = asked.refusal(self.now)
        told = word_of(lambda: challenges.cancel(asked.pk))
        assert told == (None if expected == "canceled" else expected)
        if expected is None:
            asked.status = "canceled"

    @rule(asked=verified)
    def redeem(self, asked):
        good = not (asked.gone or asked.redeemed or self.now - asked.verified >= 300)
        told = word_of(lambda: challenges.redeem(asked.token, purpose="verify"))
        assert told == (None if good else "invalid_token")
        asked.redeemed = asked.redeemed or good

    @precondition(lambda self: self.all)
    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds):
        later(seconds)
        self.now += seconds

    # what Kaleyra does

    @rule(
        asked=asked,
        which=st.integers(0, MAX_SENDS - 1),
        word=st.sampled_from([*WORDS, "WHATEVER"]),
        number=st.sampled_from([None, None, None, "+919876500000"]),
    )
    def tell(self, asked, which, word, number):
        """In any order, more than once, now and then of another number.

        Also of an SMS whose answer was lost, but then within 20 minutes: nobody could tell it from the next.
        """
        sent = asked.sends[which % len(asked.sends)]
        if asked.gone or not sent.taken or not (sent.named or self.now - sent.since <= 1200):
            return
        call_back(sent, word, number)
        if word in WORDS and number is None:
            sent.heard.append(WORDS[word])
            if sent.named:
                sent.told(WORDS[word])

    # what the project's own processes do

    @rule(asked=asked, which=st.integers(0, MAX_SENDS - 1), fate=st.sampled_from(FATES))
    def work(self, asked, which, fate):
        """A worker is given a send, for the first time or again."""
        sent = asked.sends[which % len(asked.sends)]
        waits = sent.status == "queued" and not asked.gone
        Provider.of, Provider.fate = sent, fate
        breaker.reset()
        killed = word_of(lambda: delivery.deliver(sent.pk)) == "killed"
        if waits:
            self.worked(asked, sent, fate)
        assert killed == (waits and sent.status == "sending")

    def worked(self, asked, sent, fate):
        if asked.stands(self.now) == "pending":
            self.hand_over(sent, fate)
        else:
            sent.status = "failed"

    @precondition(lambda self: any(not asked.gone for asked in self.all))
    @rule()
    def reconcile(self):
        """With a provider that accepts, and knows what became of whatever it took."""
        Provider.fate, Provider.of = "accept", None
        here = [(asked, sent) for asked in self.all for sent in asked.sends if not asked.gone]
        for asked, sent in here:
            self.expect_of_reconcile(asked, sent)
        recovery.reconcile()
        for _, sent in here:
            row = SendLog.objects.get(pk=sent.pk)
            if sent.status == "unknown" and sent.taken and not sent.named and row.message_id:
                # healed by the updates that waited
                sent.named, sent.status = True, max([sent.status, *sent.heard], key=RANKS.index)
                self.expect_of_pull(sent)
            if sent.perhaps and row.status == sent.perhaps:
                sent.status = row.status
            sent.perhaps = ""

    def expect_of_reconcile(self, asked, sent):
        age = self.now - sent.since
        if sent.status == "queued" and age > LEASE:
            if (self.now - asked.since) * 2 > TTL:
                sent.status = "failed"
            else:
                self.worked(asked, sent, "accept")
        elif sent.status == "sending" and self.now - sent.claimed > LEASE:
            sent.status = "unknown"
        self.expect_of_pull(sent)

    def expect_of_pull(self, sent):
        age, due = self.now - sent.since, sent.next_pull
        if sent.status in ("submitted", "sent") and sent.named and FIRST_PULL < age < DAY:
            told = max(sent.status, WORDS[sent.truth], key=RANKS.index)
            if due is None or due < self.now:
                sent.status, sent.next_pull = told, self.now + age
            elif due == self.now:  # the time that the test took says whether it is due
                sent.perhaps = told

    @precondition(lambda self: sum(not asked.gone for asked in self.all) >= 3)
    @rule()
    def purge(self):
        """A hundred days later."""
        self.wait(32 * 270_000)
        retention.purge()
        for asked in self.all:
            asked.gone = asked.gone or self.now - asked.since > 90 * DAY

    @invariant()
    def every_row_is_where_the_model_has_it(self):
        columns = ("pk", "status", "attempts", "sends", "redeemed_at")
        rows = {row["pk"]: row for row in OTPChallenge.objects.values(*columns)}
        sends = {row["pk"]: row for row in SendLog.objects.values("pk", "status", "rank", "message_id")}
        here = [asked for asked in self.all if not asked.gone]
        assert set(rows) == {asked.pk for asked in here}
        assert set(sends) == {sent.pk for asked in here for sent in asked.sends}
        for asked in here:
            row = rows[asked.pk]
            found = (row["status"], row["attempts"], row["sends"], row["redeemed_at"] is not None)
            assert found == (asked.status, asked.attempts, len(asked.sends), asked.redeemed)
            for sent in asked.sends:
                row = sends[sent.pk]
                assert (row["status"], row["rank"]) == (sent.status, RANKS.index(sent.status))
                assert row["message_id"] == (sent.true_id if sent.named else "")
        self.nothing_moved_back(rows, sends)

    def nothing_moved_back(self, rows, sends):
        """Whatever the model says."""
        (old_rows, old_sends), self.before = self.before, (rows, sends)
        for pk in old_rows.keys() & rows.keys():
            old, new = old_rows[pk], rows[pk]
            assert new["status"] == old["status"] or old["status"] == "pending"
            assert old["attempts"] <= new["attempts"] <= MAX_ATTEMPTS
            assert old["sends"] <= new["sends"] <= MAX_SENDS
            assert not old["redeemed_at"] or new["redeemed_at"]
        for pk in old_sends.keys() & sends.keys():
            old, new = old_sends[pk], sends[pk]
            assert new["rank"] >= old["rank"]
            assert not old["message_id"] or new["message_id"] == old["message_id"]


def test_no_history_makes_an_illegal_move(db, settings, configure):
    """R-031: each call answers what its state says, and no row moves back or is sent twice."""
    configure(
        BACKEND="tests.history.Provider",
        LIMITS=[],
        RESEND_COOLDOWN=COOLDOWN,
        CODE_TTL=TTL,
        MAX_ATTEMPTS=MAX_ATTEMPTS,
        MAX_SENDS=MAX_SENDS,
        MAX_FAILURES=None,
        RETRIES=0,
        GUARD={"MODE": "off"},
    )
    run_state_machine_as_test(lambda: History(settings.KALEYRA_OTP), settings=PROFILE)
