"""What a run without the packages says of their tests."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["django_otp", "two_factor", "allauth", "prometheus", "unfold"])
def test_the_package_is_tested_in_an_environment_of_its_own(name):
    pytest.skip(f"run by .ci/contrib {name}")
