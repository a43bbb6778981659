"""Every promise is named by a test, and the documents say what they must."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_kaleyra_otp.conf import known
from tests.promises import TESTS, named_by_tests, promises

ROOT = Path(__file__).parents[1]


def test_every_promise_is_named_by_a_test():
    """R-140: and no test names one that there is not."""
    ids = [promise.id for promise in promises()]
    named = named_by_tests()

    assert ids == sorted(set(ids))
    assert [each for each in ids if each not in named] == []
    assert {each: tests for each, tests in named.items() if each not in ids} == {}


def test_no_line_of_the_table_is_lost():
    """R-140: a line that cannot be read would be a promise that nothing looks at."""
    lines = (TESTS / "requirements.txt").read_text().splitlines()

    assert len([line for line in lines if line.startswith("R-")]) == len(promises()) > 100
    assert {promise.heading for promise in promises()} == {
        line[1:-1] for line in lines if line.startswith("[")
    }


@pytest.mark.parametrize(
    ("path", "letter", "count"), [("verify", "V", 33), ("send", "S", 20), ("webhook", "W", 17)]
)
def test_what_happened_to_others_is_tried_here(path, letter, count):
    """R-140: each row of what other packages fell to has an attack."""
    tried = {
        name
        for name, tests in named_by_tests(rf"{letter}\d{{1,2}}", TESTS / "attacks").items()
        if any(f"_{path}_path" in test for test in tests)
    }

    assert tried == {f"{letter}{number}" for number in range(1, count + 1)}


def prose(*path: str) -> str:
    """Return a document's text, each run of white space one space."""
    return " ".join(ROOT.joinpath(*path).read_text().split())


def test_the_documents_say_what_a_code_by_sms_cannot_do():
    """R-135: restricted, phishable, no use for the highest level, and what to offer beside it."""
    page = prose("docs", "topics", "security.rst")

    for words in ("restricted authenticator", "not phishing-resistant", "SIM swap", "AAL3", "level 3"):
        assert words in page
    for words in ("at least one alternative", "a plan for the day", "passkeys"):
        assert words in page
    for first in (("docs", "index.rst"), ("docs", "tutorial.rst"), ("README.rst",)):
        assert "topics/security" in prose(*first)


def test_every_setting_is_on_a_page_that_is_made_from_the_code():
    """R-136: default, range and meaning are the code's own, so that they cannot drift."""
    page = prose("docs", "reference", "settings.rst")

    assert ".. kaleyra-settings-table::" in page
    assert set(re.findall(r"\.\. kaleyra-setting:: (\w+)", page)) == set(known())


def test_every_way_to_be_refused_is_on_the_page_of_limits():
    """R-136: its setting and default and the word that the caller is told, in a table made from the code."""
    rows = prose("docs", "_ext", "limits.py")

    assert ".. kaleyra-limits::" in prose("docs", "topics", "limits.rst")
    for setting in ("ALLOWED_COUNTRIES", "SENDING", "RISK", "MAX_FAILURES", "RESEND_COOLDOWN", "LIMITS"):
        assert f'"{setting}"' in rows
    for word in ("country_not_allowed", "prefix_blocked", "refused", "cooldown", "rate_limited"):
        assert f'"{word}"' in rows


def test_there_is_a_security_policy():
    """R-138."""
    policy = prose("SECURITY.md")

    for heading in (
        "## Supported versions",
        "## Releases",
        "## Reporting a vulnerability",
        "## Threat model",
    ):
        assert heading in policy
    assert "SECURITY.md" in prose("docs", "topics", "security.rst")
