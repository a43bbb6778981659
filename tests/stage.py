"""What a scene of the log may use: the fixtures, and short ways to say what somebody does."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import (
    KaleyraOTPError,
)
from tests.conftest import NUMBER, code_in
from tests.playing import SCRIPTED, SECRET, Scripted


class Stage:
    """What a scene may use: the fixtures, and short ways to say what somebody does."""

    def __init__(self, api, configure, told, outbox, django_user_model):
        self.api, self.configure, self.told, self.outbox = api, configure, told, outbox
        self.users = django_user_model

    def begin(self):
        """Forget what led here."""
        self.told.clear()

    def started(self, **more):
        challenge = challenges.start(NUMBER, **more)
        self.begin()
        return challenge

    def code(self):
        return code_in(self.outbox[-1])

    def refused(self, call=lambda: challenges.start(NUMBER)):
        with pytest.raises(KaleyraOTPError):
            call()

    def script(self, *steps):
        self.configure(**SCRIPTED)
        Scripted.script[:] = steps
        Scripted.seen.clear()

    def call_back(self, body, headers=SECRET, **more):
        body = json.dumps(body) if isinstance(body, dict) else body
        client = Client(raise_request_exception=False)
        return client.generic("POST", "/otp/webhook/", body, "application/json", headers=headers, **more)
