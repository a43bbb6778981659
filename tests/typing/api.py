"""The public types, pinned: read by mypy, never run."""

from __future__ import annotations

from typing import assert_type

from django_kaleyra_otp import challenges, delivery
from django_kaleyra_otp.backends.base import BaseBackend
from django_kaleyra_otp.challenges import VerifyResult
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.models import OTPChallenge, SendLog
from django_kaleyra_otp.types import SMS, Receipt, Route, Secret

assert_type(challenges.start("+919876543210", purpose="login"), OTPChallenge)
result = challenges.verify("id", "123456", purpose="login", bind={"amount": "10.00"})
assert_type(result, VerifyResult)
assert_type(result.ok, bool)
assert_type(result.error, str | None)
assert_type(result.attempts_left, int)
assert_type(result.challenge, OTPChallenge | None)
assert_type(result.token, str | None)
assert_type(challenges.resend("id", request=None), OTPChallenge)
assert_type(challenges.cancel("id"), OTPChallenge)
assert_type(challenges.redeem("token", purpose="login", max_age=300), OTPChallenge)
assert_type(delivery.send_code("+919876543210", "123456"), SendLog)
assert_type(conf.CODE_TTL, int)
assert_type(conf.API_KEY, Secret)


async def twins() -> None:
    assert_type(await challenges.astart("+919876543210"), OTPChallenge)
    assert_type(await challenges.averify("id", "123456"), VerifyResult)
    assert_type(await challenges.aresend("id"), OTPChallenge)
    assert_type(await challenges.acancel("id"), OTPChallenge)
    assert_type(await challenges.aredeem("token", purpose="login"), OTPChallenge)


class Mine(BaseBackend):
    def send(self, sms: SMS, route: Route) -> Receipt:
        return Receipt(message_id=sms.reference)
