"""The code of a page of docs/howto, put into a small project as a reader would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
HOWTO = HERE.parents[1] / "docs" / "howto"

#: A block with the name of a file as its caption.
BLOCK = re.compile(
    r"^( *)\.\. code-block:: \w+\n\1   :caption: (\S+)\n\n((?:\1   .*\n|\n)+)", flags=re.MULTILINE
)
#: What a page adds to; any other file it shows whole.
BEGUN = ("settings.py", "urls.py")


def files(page: str) -> dict[str, str]:
    """Return the code of a page by file; blocks of one file follow each other."""
    found: dict[str, str] = {}
    for _, name, code in BLOCK.findall((HOWTO / f"{page}.rst").read_text()):
        found[name] = found.get(name, "") + textwrap.dedent(code)
    assert found, f"{page}.rst has no block with a caption"
    return found


def make_project(folder: Path, page: str) -> Path:
    """Make a project with what a page shows, and return its folder."""
    project = folder / "project"
    shutil.copytree(HERE / "project", project)
    for name, code in files(page).items():
        outside = name == "conftest.py" or name.startswith("test_")
        path = project / name if outside else project / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.read_text()}\n\n{code}" if name in BEGUN else code)
    return project


def run(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Python in a project, warnings as errors, and return how it ended."""
    ours = ("DJANGO_SETTINGS_MODULE", "PYTEST_", "COV_")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=project,
        env={**outside, "DJANGO_SETTINGS_MODULE": "shop.settings", "PYTHONPATH": str(project), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def pytest_in(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a project's tests by pytest, with no plugin but pytest-django."""
    options = ("-q", "--tb=short", "-p", "pytest_django.plugin", "-p", "no:cacheprovider", "-W", "error")
    return run(project, "-m", "pytest", *options, *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
