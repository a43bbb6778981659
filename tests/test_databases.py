"""The races again on the databases that TEST_DATABASE_URLS names, as addresses with spaces between."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

NAMES = {"postgres": "PostgreSQL", "postgresql": "PostgreSQL", "mysql": "MariaDB", "mariadb": "MariaDB"}
URLS = {NAMES.get(urlsplit(url).scheme, url): url for url in os.environ.get("TEST_DATABASE_URLS", "").split()}
RACES = [
    f"tests/test_{name}.py"
    for name in ("concurrency", "crossing", "recovery", "isolation", "busy", "lock_order")
]


@pytest.mark.parametrize("database", ["PostgreSQL", "MariaDB"])
def test_the_races_have_one_winner_there_too(database):
    """R-118."""
    if database not in URLS:
        pytest.skip(f"TEST_DATABASE_URLS names no {database}")

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *RACES],
        env={**os.environ, "DATABASE_URL": f"{URLS[database]}_races", "TEST_DATABASE_URLS": ""},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
