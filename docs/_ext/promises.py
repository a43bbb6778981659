"""``.. kaleyra-promises::``: the table of what is promised, made from the tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from from_the_code import FromTheCode, table
from sphinx.application import Sphinx

from tests.promises import named_by_tests, promises


class Promises(FromTheCode):
    """Every promise under its heading, with the files whose tests name it."""

    def lines(self) -> Iterator[str]:
        """Return a section for each heading; a promise without a test ends the build."""
        named = named_by_tests()
        for heading, under in itertools.groupby(promises(), lambda promise: promise.heading):
            yield from [heading, "=" * len(heading), ""]
            rows = []
            for promise in under:
                if promise.id not in named:
                    raise self.severe(f"No test names {promise.id}.")
                files = sorted({test.partition("::")[0].removesuffix(".py") for test in named[promise.id]})
                rows.append([promise.id, promise.text, "\n".join(f"| ``{file}``" for file in files)])
            yield from table(["Id", "Promise", "Tested in"], rows, "10 55 35")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("kaleyra-promises", Promises)
    return {"parallel_read_safe": False}
