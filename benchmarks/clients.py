"""Customers who ask for codes and type them, well and badly, and remember each answer they got."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

#: Fates of one send in ten: what its answer, its callbacks or its delivery does wrong.
ANSWERS = (
    *("delay=0.8", "hang", "close", "close-mid-answer", "truncated-json", "html-502", "500-unsent"),
    *("500-sent", "429", "503-retry-after=1", "no-id", "error-list", "status=400"),
)
CALLBACKS = ("no-callback", "before-answer", "duplicate", "out-of-order", "two-finals", "bare-uuid")
DELIVERIES = ("undelivered", "late", "lost", "not-sent", "straight")

#: Seconds to wait for an SMS, and between two tries of a call whose answer was lost.
SMS_PATIENCE, PAUSE = 6.0, 0.3


@dataclass
class Answer:
    """What a call was answered; ``status`` 0: the answer, or the call, was lost."""

    status: int
    word: str = ""
    body: dict[str, Any] = field(default_factory=dict)


@dataclass
class Story:
    """One number, everything that was asked for it and everything that was answered."""

    number: str
    key: str
    fate: tuple[str, ...] = ()
    challenge_ids: set[str] = field(default_factory=set)
    said: dict[str, list[Answer]] = field(default_factory=dict)
    redeemed: list[tuple[str, Answer]] = field(default_factory=list)

    def count(self, verb: str, *words: str) -> int:
        """Return how many calls of a verb were answered with one of these words; lost ones are ``lost``."""
        return sum(answer.word in words for answer in self.said.get(verb, []))


class Handsets:
    """Follows the simulator and keeps every message that it ever showed, as last seen."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.messages: dict[str, dict[str, Any]] = {}
        self._codes: dict[str, str] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="handsets", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        version, epoch = 0, ""
        with requests.Session() as session:
            while not self._stop.is_set():
                seen = {"after": version, "epoch": epoch, "wait": 1}
                state = session.get(f"{self.url}/_control/state", params=seen, timeout=30).json()
                version, epoch = state["version"], state["epoch"]
                with self._changed:
                    for message in state["messages"]:
                        self.messages[message["message_id"]] = message
                        self._codes[message["number"]] = message["code"]
                    self._changed.notify_all()
                self._stop.wait(0.02)

    def code(self, number: str, patience: float = SMS_PATIENCE) -> str:
        """Wait for an SMS to a number and return its code, or "" where none came."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._codes, patience)
            return self._codes.get(number, "")

    def set_fate(self, number: str, words: tuple[str, ...]) -> None:
        """Choose what becomes of the next SMS to a number."""
        answer = requests.post(
            f"{self.url}/_control/fates",
            json={"number": number, "fate": words, "times": 1},
            headers={"X-Simulator": "1"},
            timeout=10,
        )
        answer.raise_for_status()

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join()


class Customers:
    """A crowd on some servers. ``stories`` has what each was told, ``statuses`` a count of the answers."""

    def __init__(self, urls: list[str], handsets: Handsets, seed: int) -> None:
        self.urls, self.handsets, self.seed = urls, handsets, seed
        self.stories: list[Story] = []
        self.statuses: Counter[tuple[str, int, str]] = Counter()
        self.seconds: list[float] = []
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._numbers = iter(range(1_000_000))
        self._local = threading.local()
        self._threads: list[threading.Thread] = []
        self.failures: list[str] = []

    def start(self, crowd: int) -> None:
        """Let so many customers at once begin."""
        for index in range(crowd):
            thread = threading.Thread(target=self._live, args=(index,), name=f"customer-{index}")
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait until each has ended the story he is in."""
        for thread in self._threads:
            thread.join()

    def _live(self, index: int) -> None:
        chance = random.Random(f"{self.seed}-{index}")
        acts = [self._sign_in, self._guess, self._all_at_once, self._again, self._give_up]
        with ThreadPoolExecutor(6) as hands:
            while not self.stop.is_set():
                story = self._story(chance)
                try:
                    act = chance.choices(acts, weights=[4, 2, 2, 2, 1])[0]
                    if self._begin(story, chance):
                        act(story, chance, hands)
                except Exception as error:
                    self.failures.append(f"{type(error).__name__}: {error}")
                self.stop.wait(chance.uniform(0.1, 0.6))

    def _story(self, chance: random.Random) -> Story:
        with self._lock:
            story = Story(f"+919876{next(self._numbers):06d}", uuid.uuid4().hex)
            self.stories.append(story)
        if chance.random() < 0.1:
            part = chance.choice([ANSWERS, ANSWERS, CALLBACKS, DELIVERIES])
            story.fate = (chance.choice(part),)
            self.handsets.set_fate(story.number, story.fate)
        return story

    # What they do

    def _begin(self, story: Story, chance: random.Random) -> bool:
        """Ask for a code, again with the same key where no answer came; returns whether one is on its way."""
        body = {"phone_number": story.number}
        if chance.random() < 0.05:
            self._hang_up("/otp/challenges/", body, story, "start")
        for _ in range(20):
            answer = self._call(story, "start", "POST", "/otp/challenges/", body, key=story.key)
            if answer.status == 201:
                story.challenge_ids.add(answer.body["id"])
                return True
            if answer.status not in (0, 502, 503) or self.stop.wait(PAUSE):
                return False
        return False

    def _sign_in(self, story: Story, chance: random.Random, hands: ThreadPoolExecutor) -> None:
        """Type the code, at times wrong first, and use the proof up twice at once."""
        code = self.handsets.code(story.number)
        if not code:
            return
        for _ in range(chance.choice([0, 0, 1, 2])):
            self._verify(story, wrong(code, chance))
        if chance.random() < 0.1:
            self._hang_up(f"/otp/challenges/{one(story)}/verify/", {"code": code}, story, "right")
        for _ in range(10):
            answer = self._verify(story, code, right=True)
            if answer.status not in (0, 503):
                break
            time.sleep(PAUSE)
        if answer.word == "verified":
            self._redeem(story, answer.body["token"], hands)

    def _guess(self, story: Story, chance: random.Random, hands: ThreadPoolExecutor) -> None:
        """Guess more often than is allowed, several at once, then type the right code."""
        code = self.handsets.code(story.number) or "123456"
        if chance.random() < 0.3:
            path = f"/otp/challenges/{one(story)}/verify/"
            self._hang_up(path, {"code": wrong(code, chance)}, story, "wrong")
        guesses = [wrong(code, chance) for _ in range(chance.choice([4, 8, 12]))]
        list(hands.map(lambda guess: self._verify(story, guess), guesses))
        self._verify(story, code, right=True)

    def _all_at_once(self, story: Story, chance: random.Random, hands: ThreadPoolExecutor) -> None:
        """Type the right code several times at once."""
        code = self.handsets.code(story.number)
        if not code:
            return
        answers = list(hands.map(lambda _: self._verify(story, code, right=True), range(6)))
        for answer in answers:
            if answer.word == "verified":
                self._redeem(story, answer.body["token"], hands)

    def _again(self, story: Story, chance: random.Random, hands: ThreadPoolExecutor) -> None:
        """Ask for the code again, then sign in."""
        time.sleep(1.1)
        path = f"/otp/challenges/{one(story)}/resend/"
        if chance.random() < 0.2:
            self._hang_up(path, {}, story, "resend")
        self._call(story, "resend", "POST", path)
        self._sign_in(story, chance, hands)

    def _give_up(self, story: Story, chance: random.Random, hands: ThreadPoolExecutor) -> None:
        """Cancel, and try the code all the same."""
        self._call(story, "cancel", "DELETE", f"/otp/challenges/{one(story)}/")
        if code := self.handsets.code(story.number, 1):
            self._verify(story, code, right=True)

    def _verify(self, story: Story, code: str, *, right: bool = False) -> Answer:
        path = f"/otp/challenges/{one(story)}/verify/"
        return self._call(story, "right" if right else "wrong", "POST", path, {"code": code})

    def _redeem(self, story: Story, token: str, hands: ThreadPoolExecutor) -> None:
        def use(_: int) -> Answer:
            return self._call(story, "redeem", "POST", "/redeem/", {"token": token})

        for _ in range(10):
            answers = list(hands.map(use, range(2)))
            story.redeemed += [(token, answer) for answer in answers]
            if all(answer.status not in (0, 503) for answer in answers):
                return
            time.sleep(PAUSE)

    # How they ask

    def _call(
        self, story: Story, verb: str, method: str, path: str, body: Any = None, key: str = ""
    ) -> Answer:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        headers = {"Idempotency-Key": key} if key else {}
        url, began = random.choice(self.urls), time.monotonic()
        try:
            told = self._local.session.request(method, url + path, json=body, headers=headers, timeout=30)
        except requests.RequestException:
            answer = Answer(0, "lost")
        else:
            self.seconds.append(time.monotonic() - began)
            answer = read(told)
        with self._lock:
            story.said.setdefault(verb, []).append(answer)
            self.statuses[verb, answer.status, answer.word] += 1
        return answer

    def _hang_up(self, path: str, body: Any, story: Story, verb: str) -> None:
        """Send a call and reset the connection without waiting for what it is answered."""
        url = urlsplit(random.choice(self.urls))
        content = json.dumps(body).encode()
        key = f"Idempotency-Key: {story.key}\r\n" if verb == "start" else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
            f"{key}Content-Length: {len(content)}\r\n\r\n"
        )
        try:
            with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(head.encode() + content)
                time.sleep(random.uniform(0, 0.02))
        except OSError:
            pass  # a call that never arrived is as good as one that was given up
        with self._lock:
            story.said.setdefault(verb, []).append(Answer(0, "lost"))
            self.statuses[verb, 0, "hung up"] += 1


def read(told: requests.Response) -> Answer:
    """Return an answer with its word: ``code`` of a refusal, ``status`` of what was done."""
    try:
        body = told.json() if told.content else {}
    except ValueError:
        body = {}
    return Answer(told.status_code, str(body.get("code") or body.get("status") or ""), body)


def one(story: Story) -> str:
    """Return the id of a story's challenge."""
    return next(iter(story.challenge_ids))


def wrong(code: str, chance: random.Random) -> str:
    """Return another code of the same length."""
    while (guess := f"{chance.randrange(10 ** len(code)):0{len(code)}d}") == code:
        pass
    return guess
