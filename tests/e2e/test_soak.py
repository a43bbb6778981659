"""A minute under fire: processes are killed while customers ask and guess; then every row is reckoned up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy

ADDRESSES = [os.environ.get("DATABASE_URL", ""), *os.environ.get("TEST_DATABASE_URLS", "").split()]
POSTGRES = next((url for url in ADDRESSES if url.startswith("postgres")), "")


@pytest.mark.skipif(not POSTGRES, reason="neither DATABASE_URL nor TEST_DATABASE_URLS names a PostgreSQL")
def test_nothing_is_lost_and_nothing_done_twice_while_processes_are_killed():
    """R-013, R-079, R-080, R-092, R-099, R-127."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--seconds", "60"],
        env={**os.environ, "DATABASE_URL": POSTGRES},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
