"""The OpenAPI schema, as the example project serves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from django_kaleyra_otp.api import errors

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """The schema, valid and made without a warning."""
    file = tmp_path_factory.mktemp("schema") / "schema.json"
    made = subprocess.run(
        [
            *(sys.executable, "example_project/manage.py", "spectacular", "--fail-on-warn", "--validate"),
            *("--format", "openapi-json", "--file", str(file)),
        ],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "DATABASE_URL": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return json.loads(file.read_text())


def operations(schema):
    return {
        call["operationId"]: call
        for path in schema["paths"].values()
        for verb, call in path.items()
        if verb in ("get", "post", "delete")
    }


def test_every_verb_is_stated_and_the_webhook_is_not(schema):
    assert set(operations(schema)) == {
        "challenge_start",
        "challenge_retrieve",
        "challenge_verify",
        "challenge_resend",
        "challenge_cancel",
    }


def test_each_word_of_an_error_is_stated_at_its_status(schema):
    """R-041."""
    stated = {
        (word.strip("`"), int(status))
        for call in operations(schema).values()
        for status, answer in call["responses"].items()
        if int(status) >= 400
        for word in answer["description"].split(", ")
    }

    assert stated == set(errors.STATUS.items()) - {("method_not_allowed", 405), ("invalid_token", 400)}


def test_a_challenge_has_the_promised_fields_and_no_context_can_be_sent(schema):
    """R-027, R-034."""
    shapes = schema["components"]["schemas"]

    assert set(shapes["Challenge"]["properties"]) == {
        *("id", "status", "purpose", "phone_number", "code_length", "attempts_left", "sends_left"),
        *("created_at", "expires_at", "resend_at", "delivery"),
    }
    assert set(shapes["Start"]["properties"]) == {"phone_number", "purpose", "language"}


def test_only_json_is_stated_as_a_body(schema):
    """R-035."""
    bodies = [call["requestBody"]["content"] for call in operations(schema).values() if "requestBody" in call]

    assert [set(body) for body in bodies] == [{"application/json"}] * 2
