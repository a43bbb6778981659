"""What the package promises (requirements.txt), and which tests name each promise."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Promise:
    """One row: its id, what is promised, and the heading it stands under."""

    id: str
    text: str
    heading: str


def promises() -> list[Promise]:
    """Return every promise, in the order of the file."""
    found, heading = [], ""
    for line in (TESTS / "requirements.txt").read_text().splitlines():
        if named := re.fullmatch(r"\[(.+)\]", line):
            heading = named[1]
        elif row := re.fullmatch(r"(R-\d{3}) (\S.*\.)", line):
            found.append(Promise(row[1], row[2], heading))
    return found


def named_by_tests(ids: str = r"R-\d{3}", folder: Path = TESTS) -> dict[str, list[str]]:
    """Return, for each id that the docstring of a test names, those tests as ``file::name``."""
    found = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for name in sorted(set(re.findall(rf"\b{ids}\b", ast.get_docstring(node) or ""))):
                    found[name].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found
