"""``.. kaleyra-words::``: the words of the catalogues, one a line, in each language that there is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.utils import translation
from from_the_code import FromTheCode, table
from sphinx.application import Sphinx

import django_kaleyra_otp

LOCALE = Path(django_kaleyra_otp.__file__).parent / "locale"


class Words(FromTheCode):
    """A table with a row for each line of the content; a word that no catalogue has ends the build."""

    has_content = True

    def lines(self) -> Iterable[str]:
        """Return the table."""
        words, self.content = list(self.content), type(self.content)()
        languages = sorted(path.name for path in LOCALE.iterdir() if path.name != "en")
        columns = [words]
        for language in languages:
            with translation.override(language):
                columns.append([translation.gettext(word) for word in words])
        for word, *said in zip(*columns, strict=True):
            if all(each == word for each in said):
                raise self.severe(f"No catalogue has the word {word!r}.")
        rows = [list(row) for row in zip(*columns, strict=True)]
        return table(["en", *languages], rows, " ".join(["1"] * len(columns)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("kaleyra-words", Words)
    return {"parallel_read_safe": True}
