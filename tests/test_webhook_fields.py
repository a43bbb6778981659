"""Every field of a callback with every value that it should not have, from somebody who knows the secret."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate
from tests.playing import SECRET

ODD = {
    "missing": None,
    "null": "null",
    "true": "true",
    "number": "9" * 4000,
    "float": "1e400",
    "list": '["DELIVRD"]',
    "dict": '{"id": "DELIVRD"}',
    "empty": '""',
    "10 kB": json.dumps("9x" * 5000),
    "script": json.dumps("<script>alert(1)</script>"),
    "emoji": json.dumps("\U0001f600" * 200, ensure_ascii=False),
    "lone surrogate": '"\\ud800"',
    "NUL": '"\\u0000"',
    "not UTF-8": '"\xff\xfe"',
    "SQL": json.dumps("'; DROP TABLE kaleyra_otp_otpchallenge; --"),
    "placeholder": '"<status>"',
}
FIELDS = (
    "id", "message_id", "kid", "status", "status_trace", "status_details", "to", "recipient", "mobile",
    "timestamp", "delivered_time", "sent_time", "description", "operator", "circle", "error", "error_code",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_no_value_of_a_field_touches_a_challenge(challenge, field):
    """R-095, R-097, R-098, W11, W15."""
    client = Client(raise_request_exception=False)
    before, text = list(OTPChallenge.objects.values()), SendLog.objects.get().body
    good = {"id": SendLog.objects.get().message_id, "status": "SENT", "recipient": "919876543210"}

    for value in ODD.values():
        fields = {name: json.dumps(said) for name, said in good.items() if name != field}
        if value is not None:
            fields[field] = value
        body = "{" + ", ".join(f'"{name}": {said}' for name, said in fields.items()) + "}"
        form = "&".join(f"{name}={said.strip(chr(34))}" for name, said in fields.items())

        for sent, kind in ((body, "application/json"), (form, "application/x-www-form-urlencoded")):
            raw = sent.encode("latin-1" if "\xff" in sent else "utf-8")
            assert client.generic("POST", "/otp/webhook/", raw, kind, headers=SECRET).status_code == 204

    assert list(OTPChallenge.objects.values()) == before
    assert SendLog.objects.get().body == text
    for row in StatusUpdate.objects.values():
        assert max(len(said) for said in row.values() if isinstance(said, str)) <= 200
