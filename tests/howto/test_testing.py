"""``django_kaleyra_otp.testing`` in a project that is not ours."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.howto.pages import HERE, make_project, pytest_in, run


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path, "testing")


def test_the_page_and_a_shops_own_tests_run_with_djangos_own_runner(project):
    shutil.copy(HERE / "flows" / "with_unittest.py", project / "shop" / "test_shop.py")

    ended = run(project, "manage.py", "test")

    assert ended.returncode == 0, ended.stderr
    assert "Ran 13 tests" in ended.stderr


def test_the_page_and_a_shops_own_tests_run_with_pytest(project):
    shutil.copy(HERE / "flows" / "with_pytest.py", project / "test_shop.py")

    ended = pytest_in(project)

    assert ended.returncode == 0, ended.stdout
    assert "12 passed" in ended.stdout


def test_it_needs_no_pytest():
    script = (
        "import sys; sys.modules['pytest'] = None; import django; django.setup();"
        "import django_kaleyra_otp.testing"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
