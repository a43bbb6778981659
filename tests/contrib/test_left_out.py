"""What a run without the packages says of their tests."""

from __future__ import annotations

from pathlib import Path

import pytest

NAMES = sorted(settings.parent.name for settings in Path(__file__).parent.glob("*/settings.py"))


@pytest.mark.parametrize("name", NAMES)
def test_the_package_is_tested_in_an_environment_of_its_own(name):
    pytest.skip(f"run by .ci/contrib {name}")
