"""A guess, wrong and right; and a look at the challenge."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.utils import timezone

from benchmarks import start
from benchmarks.floor import digest
from benchmarks.measure import Call, Case
from django_kaleyra_otp import codes, delivery
from django_kaleyra_otp.models import OTPChallenge, SendLog


def challenges(n: int, *, age: timedelta = timedelta()) -> list[OTPChallenge]:
    """Store and return n challenges, their SMS accepted; open, where they are young."""
    now, key = timezone.now() - age, codes.keys()[0]
    made = [
        OTPChallenge(
            phone_number=start.number(),
            purpose="verify",
            language="en-us",
            nonce=codes.new_nonce(),
            key_fingerprint=codes.fingerprint(key),
            code_length=6,
            max_attempts=5,
            max_sends=5,
            idempotency_digest=secrets.token_hex(32),
            created_at=now,
            last_sent_at=now,
            expires_at=now + timedelta(seconds=300),
        )
        for _ in range(n)
    ]
    sends = [
        SendLog(
            challenge=challenge,
            phone_number=challenge.phone_number,
            country="IN",
            block=challenge.phone_number[:-4],
            body="Your verification code is {code}.",
            status="submitted",
            rank=3,
            message_id=f"{challenge.pk}:1",
            submitted_at=now,
            created_at=now,
        )
        for challenge in made
    ]
    OTPChallenge.objects.bulk_create(made)
    SendLog.objects.bulk_create(sends)
    return made


def code_of(challenge: OTPChallenge) -> str:
    """Return the code of a challenge of ours."""
    code = delivery.code_of(challenge)
    assert code is not None
    return code.reveal()


def guess(root: str, challenge: OTPChallenge, code: str, *, right: bool) -> Call:
    """Return the request that gives a code."""
    return Call(
        method="POST",
        path=f"/{root}/challenges/{challenge.pk}/verify/",
        body={"code": code},
        status=200 if right else 400,
        says=b"verified" if right else b"invalid_code",
    )


def ours(n: int, *, right: bool) -> list[Call]:
    """Return n guesses at challenges whose codes are derived."""
    return [
        guess("otp", challenge, code_of(challenge) if right else another(code_of(challenge)), right=right)
        for challenge in challenges(n)
    ]


def floor(n: int, *, right: bool) -> list[Call]:
    """Return n guesses at challenges that keep a digest of the code."""
    made = challenges(n)
    OTPChallenge.objects.filter(pk__in=[challenge.pk for challenge in made]).update(
        bind_digest=digest("123456")
    )
    return [
        guess("floor", challenge, "123456" if right else another("123456"), right=right) for challenge in made
    ]


def another(code: str) -> str:
    """Return another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def look(root: str, n: int) -> list[Call]:
    """Return n looks, each at a challenge of its own."""
    return [
        Call(
            method="GET",
            path=f"/{root}/challenges/{challenge.pk}/",
            status=200,
            says=str(challenge.pk).encode(),
        )
        for challenge in challenges(n)
    ]


CASES = [
    Case(
        name="verify, wrong code",
        ours=lambda n: ours(n, right=False),
        floor=lambda n: floor(n, right=False),
        budget=1.10,
        statements=2,
    ),
    Case(
        name="verify, right code",
        ours=lambda n: ours(n, right=True),
        floor=lambda n: floor(n, right=True),
        budget=1.15,
        statements=2,
    ),
    Case(
        name="GET challenge",
        ours=lambda n: look("otp", n),
        floor=lambda n: look("floor", n),
        budget=None,
        statements=1,
    ),
]
