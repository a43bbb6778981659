"""The example project held to its own schema, by schemathesis: no failure, whoever asks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.demo import running

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("schemathesis")


@pytest.fixture
def demo(tmp_path_factory):
    with running(tmp_path_factory.mktemp("schemathesis")) as demo:
        yield demo


def session(demo) -> list[str]:
    """Return the headers of a browser in which the demo's user is signed in."""
    browser, url = requests.Session(), f"{demo.site}/admin/login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(url, timeout=10).text)[1]
    form = {"username": "demo", "password": "demo", "csrfmiddlewaretoken": token}
    assert browser.post(url, form, allow_redirects=False, timeout=10).status_code == 302
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    token = next(cookie.value for cookie in browser.cookies if "csrf" in cookie.name)
    return ["-H", f"Cookie: {cookies}", "-H", f"X-CSRFToken: {token}"]


CALLERS = {
    "a stranger": lambda demo: [],
    "a user by session": session,
}


@pytest.mark.skipif(not PROGRAM.exists(), reason="schemathesis is not installed")
@pytest.mark.parametrize("caller", CALLERS)
def test_the_api_keeps_to_its_schema(demo, caller, tmp_path):
    """R-034, R-035, R-038, R-041."""
    ended = subprocess.run(
        [
            *(PROGRAM, "--config-file", ROOT / "tests/e2e/schemathesis/schemathesis.toml"),
            *("run", f"{demo.site}/api/schema/", "--seed", "1", "--no-color"),
            *("--include-path-regex", "^/otp/", "--checks", "all", *CALLERS[caller](demo)),
            # a challenge that was given up can still be looked at: its status says so
            *("--exclude-checks", "use_after_free"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SIMULATOR_URL": demo.handsets},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    # and it was no talk with closed doors
    assert requests.get(f"{demo.handsets}/_control/messages", timeout=10).json()
