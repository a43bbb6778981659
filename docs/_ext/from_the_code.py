"""Directives that write the reference from the code itself.

A page that names something the code does not have ends the build, and so does a setting of the code
that no page shows.
"""

from __future__ import annotations

import inspect
import logging as levels
import os
import pprint
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

from django.core.management import BaseCommand, load_command_class
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from django_kaleyra_otp import checks, conf, events, exceptions, models
from django_kaleyra_otp.api import errors, schema
from django_kaleyra_otp.kaleyra import errors as kaleyra_errors
from django_kaleyra_otp.kaleyra import statuses
from django_kaleyra_otp.simulator import fates

logger = logging.getLogger(__name__)

#: Characters of a default that a cell of a table still holds.
LONGEST_CELL = 20


def written(value: Any) -> list[str]:
    """Return a default as a project would write it, over several lines where it is long."""
    return pprint.pformat(value, width=88, sort_dicts=False).replace("'", '"').splitlines()


def summary(thing: Any) -> str:
    """Return the first paragraph of a docstring on one line; its absence is an error."""
    text = inspect.getdoc(thing)
    if not text:
        raise ExtensionError(f"{thing!r} has no docstring to show.")
    return " ".join(text.split("\n\n")[0].split())


def table(header: list[str], rows: Iterable[list[str]], widths: str) -> list[str]:
    """Return the lines of a list-table; a cell may have several lines."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        for column, cell in enumerate(row):
            first, *rest = cell.split("\n")
            lines.append((("   * - " if column == 0 else "     - ") + first).rstrip())
            lines.extend("       " + line if line else "" for line in rest)
    return [*lines, ""]


def python_block(code: list[str]) -> list[str]:
    """Return the lines of a block of Python."""
    return [".. code-block:: python", "", *("   " + line for line in code)]


class FromTheCode(SphinxDirective):
    """A directive that writes reStructuredText and has it read in its place, before its own content."""

    def lines(self) -> Iterable[str]:
        """Return the lines that stand for the directive."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return what the lines say."""
        source, line = self.get_source_info()
        text = StringList()
        for written_line in self.lines():
            text.append(written_line, source, line)
        text.extend(self.content)
        self.content = text
        return self.parse_content_to_nodes(allow_section_headings=True)


class SettingEntry(FromTheCode):
    """``.. kaleyra-setting:: NAME``: its default and its line, then whatever the page adds."""

    required_arguments = 1
    has_content = True

    def lines(self) -> Iterator[str]:
        """Return a section for one key."""
        name = self.arguments[0]
        setting = conf.known().get(name)
        if setting is None:
            raise self.severe(f"There is no setting {name}.")
        self.env.kaleyra_settings.add(name)
        yield from [f".. setting:: {name}", "", f"``{name}``", "-" * (len(name) + 4), ""]
        default = written(setting.default)
        if len(default) > 1:
            yield from ["Default:", "", *python_block(default)]
        else:
            yield f"Default: ``{default[0]}``"
        yield from ["", setting.doc, ""]


class SettingsTable(FromTheCode):
    """``.. kaleyra-settings-table::``: every key, its default and its line."""

    def lines(self) -> list[str]:
        """Return the table."""
        rows = []
        for name, setting in conf.known().items():
            default = written(setting.default)
            short = len(default) == 1 and len(default[0]) <= LONGEST_CELL
            shown = f"``{default[0]}``" if short else f"see :setting:`{name}`"
            rows.append([f":setting:`{name}`", shown, setting.doc])
        return table(["Key", "Default", "Meaning"], rows, "24 26 50")


def below(parent: type[exceptions.KaleyraOTPError]) -> Iterator[type[exceptions.KaleyraOTPError]]:
    """Yield the exceptions made from one, in the order of the source."""
    for child in sorted(parent.__subclasses__(), key=lambda cls: inspect.getsourcelines(cls)[1]):
        yield child
        yield from below(child)


class Exceptions(FromTheCode):
    """``.. kaleyra-exceptions::``: every exception as autodoc has it."""

    def lines(self) -> Iterator[str]:
        """Return an entry for each."""
        for cls in (exceptions.KaleyraOTPError, *below(exceptions.KaleyraOTPError)):
            yield from [f".. autoexception:: {cls.__module__}.{cls.__name__}", "   :show-inheritance:", ""]


class Errors(FromTheCode):
    """``.. kaleyra-errors::``: every exception's word, HTTP status and sentence."""

    def lines(self) -> list[str]:
        """Return the table, in the order of the source."""
        rows = []
        for cls in below(exceptions.KaleyraOTPError):
            status = errors.STATUS.get(cls.code)
            rows.append(
                [
                    f"``{cls.code}``",
                    str(status) if status else "none",
                    f":exc:`~django_kaleyra_otp.exceptions.{cls.__name__}`",
                    f"{summary(cls)}\n\n*{cls.default_detail}*",
                ]
            )
        return table(["Code", "HTTP", "Exception", "When, and what a person is told"], rows, "22 8 25 45")


class Operations(FromTheCode):
    """``.. kaleyra-operations::``: which words each call of the HTTP API may answer."""

    def lines(self) -> list[str]:
        """Return the table."""
        rows = []
        for verb, (_, answers, words) in schema.OPERATIONS.items():
            told = "; ".join(
                f"{status} " + ", ".join(f"``{word}``" for word in errors.STATUS if word in own)
                for status in sorted({errors.STATUS[word] for word in words})
                if (own := {word for word in words if errors.STATUS[word] == status})
            )
            rows.append([verb, ", ".join(map(str, answers)), told])
        return table(["Call", "Answer", "Errors"], rows, "12 12 76")


class Checks(FromTheCode):
    """``.. kaleyra-checks::``: every system check."""

    def lines(self) -> list[str]:
        """Return the table."""
        rows = [[f"``{name}``", text] for name, text in checks.CHECKS.items()]
        return table(["Id", "What it says"], rows, "22 78")


class Events(FromTheCode):
    """``.. kaleyra-events::``: every event of the log."""

    def lines(self) -> list[str]:
        """Return the table, in the order of the source."""
        rows = []
        for event in events.EVENTS.values():
            fields = ", ".join(f"``{field}``" for field in event.fields)
            rows.append(
                [
                    f"``{event.name}``",
                    levels.getLevelName(event.level),
                    event.outcome,
                    f"{event.meaning}\n\n{fields}",
                ]
            )
        return table(["Event", "Level", "Outcome", "What happened, and its fields"], rows, "22 10 10 58")


class Choices(FromTheCode):
    """``.. kaleyra-choices:: Class``: the values of a TextChoices of the models, with their labels."""

    required_arguments = 1

    def lines(self) -> list[str]:
        """Return the table."""
        choices = getattr(models, self.arguments[0])
        rows = ([f"``{value}``", str(label)] for value, label in choices.choices)
        return table(["Value", "In the admin"], rows, "40 60")


class Model(FromTheCode):
    """``.. kaleyra-model:: Class``: a model's docstring and its columns."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        """Return a section for one model."""
        name = self.arguments[0]
        model = getattr(models, name)
        yield from [f"``{name}``", "=" * (len(name) + 4), ""]
        doc = inspect.getdoc(model).splitlines()
        yield from [f".. class:: {name}", "", *("   " + line for line in doc), ""]
        yield from [f"Table ``{model._meta.db_table}``.", ""]
        rows = []
        for field in model._meta.get_fields():
            if field.auto_created and not field.concrete:
                continue
            kind = field.get_internal_type()
            if field.is_relation:
                kind += f" to {field.related_model._meta.object_name}"
            elif kind == "CharField":
                kind += f"({field.max_length})"
            rows.append([f"``{field.name}``", kind + (", may be NULL" if field.null else "")])
        yield from table(["Column", "Kind"], rows, "40 60")


class Traces(FromTheCode):
    """``.. kaleyra-traces::``: Kaleyra's trace codes, what each means and whose fault it is."""

    def lines(self) -> list[str]:
        """Return the table."""
        rows = [[f"``{entry.code}``", entry.meaning, str(entry.fault)] for entry in statuses.ENTRIES]
        return table(["Trace", "Meaning", "Whose fault"], rows, "26 54 20")


class ErrorCodes(FromTheCode):
    """``.. kaleyra-error-codes::``: Kaleyra's error codes, what each means and what mends it."""

    def lines(self) -> list[str]:
        """Return the table."""
        rows = [[f"``{e.code}``", e.meaning, str(e.error_class), e.mend] for e in kaleyra_errors.ENTRIES]
        return table(["Code", "Meaning", "Whose fault", "What mends it"], rows, "12 36 16 36")


class TemplateNotes(FromTheCode):
    """``.. kaleyra-template:: NAME``: a template's comment, which names its blocks and context."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        """Return the comment as it stands."""
        name = self.arguments[0]
        source = resources.files("django_kaleyra_otp").joinpath("templates", name).read_text()
        note = re.search(r"{% comment %}\n(.*?){% endcomment %}", source, re.DOTALL)
        if note is None:
            raise ExtensionError(f"The template {name} says nothing of itself.")
        yield from [f"``{name}``", "", ".. code-block:: text", ""]
        yield from ("   " + line for line in note[1].splitlines())
        yield ""


class SimulatorOptions(FromTheCode):
    """``.. kaleyra-simulator-options::``: what the simulator's command takes."""

    def lines(self) -> list[str]:
        """Return what ``--help`` says before its table of fates, which stands elsewhere."""
        told = subprocess.run(
            [sys.executable, "-m", "django_kaleyra_otp.simulator", "--help"],
            env={**os.environ, "COLUMNS": "100", "PYTHON_COLORS": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        options, found, _ = told.partition("\nThe last four digits")
        if not found:
            raise ExtensionError("The simulator's --help does not end with the table of fates.")
        return [".. code-block:: text", "", *("   " + line for line in options.splitlines()), ""]


class CommandOptions(FromTheCode):
    """``.. kaleyra-command:: NAME``: what a command of ours says of itself, and its own options."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        """Return its help text and a table of the options that not every command has."""
        name = self.arguments[0]
        command = load_command_class("django_kaleyra_otp", name)
        shared = {action.dest for action in BaseCommand().create_parser("manage.py", name)._actions}
        own = [
            action
            for action in command.create_parser("manage.py", name)._actions
            if action.dest not in shared
        ]
        yield from [str(command.help), ""]
        if own:
            rows = [
                [f"``{', '.join(action.option_strings) or action.dest}``", str(action.help)] for action in own
            ]
            yield from table(["Option", "Meaning"], rows, "30 70")


class Fates(FromTheCode):
    """``.. kaleyra-fates::``: every fate of the simulator."""

    def lines(self) -> list[str]:
        """Return the table."""
        rows = []
        for fate in fates.TABLE:
            word = f"{fate.word}={fate.default}" if fate.default else fate.word
            rows.append([f"``{fate.suffix}``", f"``{word}``", fate.part, fate.meaning])
        return table(["Digits", "Word", "Changes the", "What happens"], rows, "10 25 15 50")


def read_all_again(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> set[str]:
    """Have every page read again, since no page tells which code it is made from."""
    env.kaleyra_settings = set()
    return set(env.found_docs)


def nothing_is_missing(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of a setting that no page shows."""
    for name in conf.known().keys() - env.kaleyra_settings:
        logger.warning("The setting %s is documented on no page.", name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_crossref_type("setting", "setting", "pair: %s; setting")
    app.add_directive("kaleyra-setting", SettingEntry)
    app.add_directive("kaleyra-settings-table", SettingsTable)
    app.add_directive("kaleyra-errors", Errors)
    app.add_directive("kaleyra-exceptions", Exceptions)
    app.add_directive("kaleyra-operations", Operations)
    app.add_directive("kaleyra-checks", Checks)
    app.add_directive("kaleyra-events", Events)
    app.add_directive("kaleyra-choices", Choices)
    app.add_directive("kaleyra-model", Model)
    app.add_directive("kaleyra-traces", Traces)
    app.add_directive("kaleyra-error-codes", ErrorCodes)
    app.add_directive("kaleyra-simulator-options", SimulatorOptions)
    app.add_directive("kaleyra-command", CommandOptions)
    app.add_directive("kaleyra-fates", Fates)
    app.add_directive("kaleyra-template", TemplateNotes)
    app.connect("env-get-outdated", read_all_again)
    app.connect("env-check-consistency", nothing_is_missing)
    return {"parallel_read_safe": False}
