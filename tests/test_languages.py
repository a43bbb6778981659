"""The catalogues: complete, compiled, in step with the code; and what each face makes of a language."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from bs4 import BeautifulSoup
from django.core import checks
from django.utils import timezone, translation

import django_kaleyra_otp
from django_kaleyra_otp import challenges
from django_kaleyra_otp.kaleyra import errors, statuses
from django_kaleyra_otp.models import BlockedPrefix, DeliveryStatus, SendLog
from tests.conftest import NUMBER, code_in
from tests.playing import NO_LIMITS
from tests.staff import sent
from tests.visitor import Visitor

PACKAGE = Path(django_kaleyra_otp.__file__).parent
SOURCE = "en"
TRANSLATED = ("ar", "de", "es", "fr", "hi", "it")

#: What is the same in a language: names, units, and words that it shares with English.
SAME = {
    "SMS", "SMS %s", "CSV", "p50", "p95", "%d ms", "%s s", "%(seconds)s s", "%(share)s %%",
    "%(minutes)d min %(seconds)d s", "%(hours)d h %(minutes)d min", "SMS %(number)d: %(status)s",
}  # fmt: skip
SAME_IN = {
    "ar": set(),
    "de": {"Alarm", "Callback", "Code", "Route", "Trace: %s"},
    "es": {"Callback", "Error", "Error:", "Error: %s", "callback"},
    "fr": {"Action", "Callback", "Code", "Route", "callback", "description", "route", "segments", "source"},
    "hi": set(),
    "it": {"Callback", "callback"},
}

FIND = "/admin/kaleyra_otp/otpchallenge/find/"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w+\}|</?\w+[^>]*>")
POSITIONAL = {"%s", "%d"}


@cache
def catalogue(language: str) -> Catalog:
    with (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language)


def messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def keys(catalog: Catalog) -> set:
    return {(message.context, message.id) for message in messages(catalog)}


def forms(words: str | tuple[str, ...]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


@pytest.fixture
def speak(settings):
    """Have LocaleMiddleware answer in the language that a request accepts."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    with translation.override(settings.LANGUAGE_CODE):  # the middleware leaves its language to the thread
        yield lambda language: {"Accept-Language": language}


# The catalogues


def test_there_is_a_catalogue_for_each_language():
    assert {path.name for path in (PACKAGE / "locale").iterdir()} == {SOURCE, *TRANSLATED}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_message_and_no_other(language):
    assert keys(catalogue(language)) == keys(catalogue(SOURCE))


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated_in_each_of_its_forms(language):
    catalog = catalogue(language)
    plural = {message.id: forms(message.string) for message in messages(catalog) if message.pluralizable}
    missing = [message.id for message in messages(catalog) if not all(forms(message.string))]

    assert not missing
    assert {len(each) for each in plural.values()} == {catalog.num_plurals}


@pytest.mark.parametrize("language", [SOURCE, *TRANSLATED])
def test_no_translation_is_a_guess_or_a_leftover(language):
    catalog = catalogue(language)

    assert not catalog.fuzzy
    assert not [message.id for message in messages(catalog) if message.fuzzy]
    assert not catalog.obsolete


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_keeps_the_placeholders_and_tags(language):
    """A form for one number alone may leave that number out, if it has a name."""
    for message in messages(catalogue(language)):
        english = Counter(PLACEHOLDER.findall(forms(message.id)[-1]))
        said = [Counter(PLACEHOLDER.findall(form)) for form in forms(message.string)]

        assert said[-1] == english, message.id
        for form in said[:-1]:
            assert not form - english, message.id
            left_out = english - form
            assert left_out.total() <= 1, message.id
            assert not POSITIONAL & set(left_out), message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_begins_and_ends_as_the_message(language):
    """What is put together, a sentence after a sentence or a word in a sentence, still fits."""
    ends = {".": ".।", ":": ":", "?": "?؟", " ": " "}
    for message in messages(catalogue(language)):
        for form in forms(message.string):
            english = forms(message.id)[-1]
            assert form[:1].isspace() == english[:1].isspace(), english
            assert form[-1:] in ends.get(english[-1], form[-1:]), english
            assert english[-1] in ".।:?؟" or form[-1:] not in ".।:?؟", english


def test_a_number_in_an_arabic_sentence_keeps_its_order():
    """Its plus sign stays before it: the number stands in an isolate, or in a bdi of its own."""
    apart = re.compile('\u2066[^\u2066\u2069]*\u2069|<bdi dir="ltr">.*?</bdi>')
    for message in messages(catalogue("ar")):
        for form in forms(message.string):
            left = apart.sub("", form)
            assert not re.search(r"\+|%\(number\)s|\{number\}|\u2066", left), form


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_message_is_left_in_english(language):
    same = {message.id for message in messages(catalogue(language)) if message.id == message.string}

    assert same <= SAME | SAME_IN[language]


@pytest.mark.parametrize("language", [SOURCE, *TRANSLATED])
def test_a_catalogue_is_compiled_as_it_stands(language):
    with (PACKAGE / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = read_mo(file)
    written = messages(catalogue(language))

    assert {(each.context, forms(each.id)): forms(each.string) for each in messages(compiled)} == {
        (each.context, forms(each.id)): forms(each.string) for each in written if any(forms(each.string))
    }


# The code


def translatable(tree: ast.AST) -> list[ast.expr]:
    """Return the first argument of each call of a gettext function that does not look up a variable."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(("translation", "kaleyra.text")):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
    gettexts = {name: real for name, real in names.items() if "gettext" in real}
    unheard = {name for name, real in gettexts.items() if name not in ("_", real)}
    assert not unheard, f"makemessages knows no function called {unheard}"
    return [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in gettexts
    ]


def test_each_text_of_the_code_is_in_the_catalogue():
    known = {forms(message.id)[0] for message in messages(catalogue(SOURCE))}
    for path in PACKAGE.rglob("*.py"):
        for text in translatable(ast.parse(path.read_text())):
            assert not isinstance(text, (ast.JoinedStr, ast.BinOp)), ast.unparse(text)
            if isinstance(text, ast.Constant):
                assert text.value in known, "make messages"


def test_each_sentence_about_kaleyra_is_in_the_catalogue():
    known = {message.id for message in messages(catalogue(SOURCE))}
    sentences = {entry.meaning for entry in (*errors.ENTRIES, *statuses.ENTRIES)}

    assert sentences | {entry.mend for entry in errors.ENTRIES} <= known


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="needs GNU gettext")
def test_the_catalogues_are_those_that_the_code_makes(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("locale", "__pycache__"))
    (tmp_path / "package" / "locale").mkdir()
    command = ["makemessages", "--locale", SOURCE, "--no-wrap", "--no-location", "--ignore", "simulator"]
    subprocess.run(
        [sys.executable, "-P", "-m", "django", *command],
        cwd=tmp_path / "package",
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        check=True,
        capture_output=True,
    )
    with (tmp_path / "package" / "locale" / SOURCE / "LC_MESSAGES" / "django.po").open("rb") as file:
        fresh = keys(read_po(file))

    assert fresh == keys(catalogue(SOURCE)), "make messages"


# The faces


@pytest.mark.parametrize(
    ("language", "direction", "heading"),
    [("ar", "rtl", "تسجيل الدخول"), ("de", "ltr", "Anmelden"), ("en", "ltr", "Sign in")],
)
def test_a_sign_in_page_speaks_the_language_that_the_browser_accepts(db, speak, language, direction, heading):
    page = Visitor(headers=speak(language)).look().page

    assert (page.html["lang"], page.html["dir"]) == (language, direction)
    assert page.h1.get_text() == heading


def test_numbers_and_codes_run_left_to_right_in_arabic(user, speak):
    visitor = Visitor(headers=speak("ar"))

    assert visitor.look().page.find("input", {"name": "phone_number"})["dir"] == "ltr"
    page = visitor.give_number(NUMBER).follow().page
    assert page.html["dir"] == "rtl"
    assert page.find("input", {"name": "code"})["dir"] == "ltr"
    assert page.find("bdi", dir="ltr").get_text().endswith("3210")


def test_numbers_and_times_run_left_to_right_on_the_arabic_page_about_a_number(admin_client, speak):
    BlockedPrefix.objects.create(prefix="+919876")
    sent(delivered_at=timezone.now() + timedelta(seconds=7))
    answer = admin_client.post(FIND, {"phone_number": NUMBER}, headers=speak("ar"))
    page = BeautifulSoup(answer.content, "html.parser")

    assert page.html["dir"] == "rtl"
    assert page.find("input", {"name": "phone_number"})["dir"] == "ltr"
    assert [each.get_text() for each in page.find_all("bdi", dir="ltr")] == [NUMBER, "+919876"]
    assert page.find(class_="kaleyra-since").get_text().startswith("\u200e+")


def test_every_sign_in_page_has_no_word_of_english_left(user, speak):
    """As far as a visitor comes: first page, a refused number, the code, a wrong code."""
    visitor = Visitor(headers=speak("de"))
    seen = [visitor.look().text, visitor.give_number("nonsense").text]
    seen += [visitor.give_number(NUMBER).follow().text, visitor.give_code("000000").follow().text]

    for text in seen:
        assert not re.search(r"\b(the|you|sign|enter|send|again|text message)\b", text, re.IGNORECASE), text


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        ({"phone_number": "nonsense"}, 400, "invalid_phone_number", "Geben Sie eine Handynummer"),
        ({"purpose": "step_up"}, 404, "not_found", "Diese Anforderung gibt es nicht."),
        ({"phone_number": "+393123456789"}, 403, "country_not_allowed", "An Nummern aus diesem Land"),
    ],
)
def test_an_error_is_told_in_the_language_that_the_caller_accepts(api, speak, body, status, code, detail):
    """The sentence is for people and follows; the word is for programs and stays."""
    answer = api.start(headers=speak("de"), **body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"].startswith(detail)


def test_an_sms_speaks_the_language_of_its_challenge_whatever_the_caller_accepts(
    api, speak, configure, outbox
):
    """R-070."""
    configure(
        MESSAGES=[
            {"language": "de", "BODY": "Ihr Code: {code}"},
            {"language": "fr", "BODY": "Votre code : {code}"},
            {"BODY": "Your code: {code}"},
        ],
        **NO_LIMITS,
    )
    started = api.start(headers=speak("fr"), language="de").json()
    api.client.post(f"/otp/challenges/{started['id']}/resend/", headers=speak("fr"))
    api.start(headers=speak("fr"))

    assert [sms.body.partition(":")[0] for sms in outbox] == ["Ihr Code", "Ihr Code", "Your code"]


def test_the_usual_sms_is_the_same_text_in_every_active_language(db, outbox, configure):
    """R-070."""
    configure(**NO_LIMITS)
    for language in (SOURCE, *TRANSLATED):
        with translation.override(language):
            challenges.start(NUMBER)

    assert len({sms.body.replace(code_in(sms), "") for sms in outbox}) == 1


def test_the_texts_of_the_documentation_are_one_sms_in_every_language(db, outbox, configure):
    page = Path(__file__).parent.parent / "docs" / "howto" / "languages.rst"
    block = re.search(r'^   "MESSAGES": (\[.*?^   \]),', page.read_text(), re.MULTILINE | re.DOTALL)
    configure(MESSAGES=ast.literal_eval(block[1]), SERVICE_NAME="Acme Shops", CODE_TTL=600, **NO_LIMITS)
    for language in (SOURCE, *TRANSLATED):
        challenges.start(NUMBER, language=language)

    assert not checks.run_checks(tags=["kaleyra_otp"])
    assert [send.segments for send in SendLog.objects.all()] == [1] * 7
    assert len({sms.body[:8] for sms in outbox}) == 7


def test_the_admin_explains_kaleyras_errors_in_the_language_of_who_looks(admin_client, speak):
    send = sent(DeliveryStatus.FAILED, error_code="E110")
    answer = admin_client.get(f"/admin/kaleyra_otp/sendlog/{send.pk}/change/", headers=speak("de"))
    page = BeautifulSoup(answer.content, "html.parser").get_text(" ")

    assert "Das Guthaben des Kontos reicht nicht aus." in page
    assert "Laden Sie das Konto auf" in page
