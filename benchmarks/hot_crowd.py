"""Workers of one process of ``benchmarks.hot``: each does now this, now that, to one of five numbers.

Run by ``benchmarks.hot``, once a process: ``python -m benchmarks.hot_crowd SECONDS THREADS REPORT``.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import threading
import time
import traceback
import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connections, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.measure import Call, application  # noqa: E402
from benchmarks.settings import SECRET  # noqa: E402
from django_kaleyra_otp import challenges, delivery, recovery, retention  # noqa: E402
from django_kaleyra_otp.backends.base import BaseBackend  # noqa: E402
from django_kaleyra_otp.exceptions import DatabaseBusy, DeliveryFailed, DeliveryUnknown, InvalidToken  # noqa: E402
from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate, database  # noqa: E402
from django_kaleyra_otp.types import Pulled, Receipt  # noqa: E402

NUMBERS = [f"+9198765432{n:02d}" for n in (10, 11, 12, 27, 38)]
WORDS = ["SENT", "DELIVRD", "UNDELIVERED", "FAILED", "EXPIRED", "REJECTED", "BUFFERED"]
#: What a worker does next, by weight.
MIX = {"start": 5, "resend": 3, "wrong": 6, "right": 3, "cancel": 1, "callback": 8, "look": 2, "redeem": 1}

#: Every SMS that was handed over: the row that it is of, and its id.
handed_over: list[tuple[str, str]] = []
#: Sends that wait for a worker of this process.
queued: list[int] = []
answers: dict[str, Counter[str]] = defaultdict(Counter)
times: dict[str, list[float]] = defaultdict(list)
#: What was told of a challenge or an SMS that the rows must agree with.
guesses: list[tuple[str, str]] = []
redeemed: list[str] = []
told: list[tuple[str, str]] = []
tokens: list[str] = []


class Phones(BaseBackend):
    """Keeps the books of what was handed over; refuses one in twenty, loses the answer of one in twenty."""

    def send(self, sms: Any, route: Any) -> Receipt:
        fate, message_id = random.random(), f"{uuid.uuid4()}:1"
        if fate < 0.05:
            raise DeliveryFailed(error_code="E404", error_class="caller", http_status=400)
        handed_over.append((sms.reference, message_id))
        if fate < 0.1:
            raise DeliveryUnknown
        if fate < 0.2:
            call_back(message_id, sms.to, "SENT")
        return Receipt(message_id=message_id, http_status=202)

    def pull(self, message_ids: Sequence[str], route: Any) -> list[Pulled]:
        return [Pulled(message_id=one, status="SENT") for one in message_ids]


def queue(send_log_id: int) -> None:
    """Have a worker deliver it, twice over, as brokers do."""
    queued.extend((send_log_id, send_log_id))


def call(verb: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """Make one call of the WSGI application, and note how it was answered."""
    began: list[str] = []
    request = Call(method=method, path=path, body=body, headers=headers, status=0)
    clock = time.perf_counter()
    response = application(request.environ(), lambda status, headers: began.append(status))
    content = b"".join(response)
    response.close()
    times[verb].append((time.perf_counter() - clock) * 1000)
    answer, status = json.loads(content or b"{}"), int(began[0][:3])
    answers[verb][f"{status} {answer.get('code', '')}".strip()] += 1
    return status, answer


def call_back(message_id: str, number: str, word: str) -> None:
    body = {"id": message_id, "status": word, "recipient": number[1:]}
    status, _ = call("callback", "POST", "/otp/webhook/", body, **{"X-Kaleyra-Otp-Secret": SECRET})
    if status == 204:
        told.append((message_id, word))


@database.retried
def rows(which: Any) -> list[Any]:
    """Read what a worker chooses from, as the project's own code would."""
    return list(which)


def act(verb: str) -> None:
    """Do one thing to one of the numbers."""
    number = random.choice(NUMBERS)
    if verb == "start":
        call("start", "POST", "/otp/challenges/", {"phone_number": number})
        return
    if verb == "callback":
        recent = SendLog.objects.filter(
            phone_number=number, created_at__gt=timezone.now() - timedelta(days=1)
        )
        if found := rows(recent.exclude(message_id="").order_by("-pk")[:6]):
            call_back(random.choice(found).message_id, number, random.choice(WORDS))
        return
    if verb == "redeem":
        redeem()
        return
    if newest := rows(OTPChallenge.objects.filter(phone_number=number).order_by("-created_at")[:3]):
        use(verb, random.choice(newest))


def use(verb: str, challenge: OTPChallenge) -> None:
    path = f"/otp/challenges/{challenge.pk}/"
    if verb in ("wrong", "right"):
        right = delivery.code_of(challenge)
        if right is None:  # an old row of the housekeeping's
            return
        code = right.reveal() if verb == "right" else f"{(int(right.reveal()) + 1) % 1_000_000:06d}"
        status, answer = call(verb, "POST", f"{path}verify/", {"code": code})
        if status == 200:
            guesses.append((str(challenge.pk), "verified"))
            tokens.extend([answer["token"]] * 3)
        elif answer.get("code") == "invalid_code":
            guesses.append((str(challenge.pk), "invalid_code"))
    elif verb == "resend":
        call("resend", "POST", f"{path}resend/", {})
    elif verb == "cancel":
        call("cancel", "DELETE", path)
    else:
        call("look", "GET", path)


def redeem() -> None:
    """Use a proof that other workers may have used."""
    try:
        token = random.choice(tokens)
    except IndexError:
        return
    clock = time.perf_counter()
    try:
        redeemed.append(str(challenges.redeem(token, purpose="verify").pk))
        answers["redeem"]["redeemed"] += 1
    except InvalidToken:
        answers["redeem"]["invalid_token"] += 1
    except DatabaseBusy:
        answers["redeem"]["503"] += 1
    times["redeem"].append((time.perf_counter() - clock) * 1000)


def deliver_queued() -> None:
    while queued:
        try:
            send_log_id = queued.pop(random.randrange(len(queued)))
        except (IndexError, ValueError):
            return
        try:
            delivery.deliver(send_log_id)
            answers["deliver"]["done"] += 1
        except DatabaseBusy:
            answers["deliver"]["busy"] += 1
            queued.append(send_log_id)


def housekeep() -> None:
    """Make rows of the same numbers that are a hundred days old, and purge them; then reconcile."""
    at = timezone.now() - timedelta(days=100)
    with transaction.atomic():  # else another process purges them half made
        for number in NUMBERS:
            old = OTPChallenge.objects.create(
                phone_number=number,
                purpose="verify",
                language="en",
                nonce=os.urandom(16),
                key_fingerprint="f",
                code_length=6,
                max_attempts=5,
                max_sends=5,
                created_at=at,
                last_sent_at=at,
                expires_at=at,
            )
            send = SendLog.objects.create(
                challenge=old,
                phone_number=number,
                country="IN",
                block=number[:-4],
                body="{code}",
                status="delivered",
                rank=9,
                message_id=f"old {uuid.uuid4()}",
                created_at=at,
            )
            StatusUpdate.objects.create(send_log=send, received_at=at, fingerprint=uuid.uuid4().hex)
    for name, run in (("purge", retention.purge), ("reconcile", recovery.reconcile)):
        clock = time.perf_counter()
        try:
            run()
            answers[name]["done"] += 1
        except DatabaseBusy:
            answers[name]["busy"] += 1
        times[name].append((time.perf_counter() - clock) * 1000)


def work(until: float, keeps_house: bool) -> None:
    verbs, weights = list(MIX), list(MIX.values())
    next_house = time.monotonic() + random.uniform(0, 2)
    try:
        while time.monotonic() < until:
            try:
                if keeps_house and time.monotonic() > next_house:
                    next_house = time.monotonic() + 2
                    housekeep()
                deliver_queued()
                act(random.choices(verbs, weights)[0])
            except Exception as error:
                frames = traceback.extract_tb(error.__traceback__)
                where = " > ".join(each.name for each in frames if "site-packages" not in each.filename)
                answers["exceptions"][f"{where}: {type(error).__name__}: {error}"[:300]] += 1
        deliver_queued()
    finally:
        connections.close_all()


class Retries(logging.Handler):
    """Counts what the database module says."""

    def emit(self, record: logging.LogRecord) -> None:
        answers["database"][record.getMessage()] += 1


def main(seconds: str, threads: str, report: str) -> None:
    for name in ("django.request", "django_kaleyra_otp"):
        logging.getLogger(name).setLevel("CRITICAL")  # what a caller is told is counted instead
    logger = logging.getLogger("django_kaleyra_otp.models.database")
    logger.addHandler(Retries())
    logger.setLevel("INFO")
    until = time.monotonic() + float(seconds)
    workers = [threading.Thread(target=work, args=(until, n == 0)) for n in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    books = {
        "answers": answers,
        "times": times,
        "handed_over": handed_over,
        "guesses": guesses,
        "redeemed": redeemed,
        "told": told,
    }
    Path(report).write_text(json.dumps(books))


if __name__ == "__main__":
    # the backend and the queue are reached by their dotted path: one module, not two
    sys.modules["benchmarks.hot_crowd"] = sys.modules["__main__"]
    main(*sys.argv[1:])
