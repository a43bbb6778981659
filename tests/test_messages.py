"""The words of an SMS: which text, what goes into it, how many parts it takes."""

import logging

import pytest
from django.test import override_settings
from django.utils import translation
from hypothesis import example, given
from hypothesis import strategies as st

from django_kaleyra_otp import messages
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import DeliveryUnavailable, Invalid
from django_kaleyra_otp.shapes import Message
from django_kaleyra_otp.types import Secret

INDIAN = "+919876543210"
AMERICAN = "+12025550123"


def texts(*entries, **others):
    return override_settings(KALEYRA_OTP={"MESSAGES": list(entries), **others})


def render(**given):
    """Render for an Indian number, in English, a code of six digits good for five minutes."""
    asked = {"purpose": "login", "language": "en-us", "phone_number": INDIAN, "code_length": 6, "ttl": 300}
    return messages.render(**{**asked, **given})


def origin_bound(message):
    """Return (host, code) as a browser finds them, or None.

    Source: WICG, Origin-bound one-time codes delivered via SMS, 3.2, step by step.
    """
    line = message.replace("\r\n", "\n").replace("\r", "\n").split("\n")[-1]
    position = 0

    def marked_token(marker):
        nonlocal position
        if line[position : position + 1] != marker:
            return None
        position += 1
        start = position
        while position < len(line) and line[position] not in "\t\n\f\r ":
            position += 1
        return line[start:position] or None

    host = marked_token("@")
    if host is None or line[position : position + 1] != " ":
        return None
    position += 1
    code = marked_token("#")
    return None if code is None else (host, code)


# Which text


def test_the_default_text_names_service_code_validity_and_not_to_share():
    """R-074."""
    with override_settings(KALEYRA_OTP={"SERVICE_NAME": "Kirana"}):
        rendered = render()

    assert rendered.body == (
        "Your Kirana code is {code}. It is good for 5 minutes. Do not share it with anyone."
    )
    assert (rendered.template_id, rendered.segments) == ("", 1)


def test_without_a_service_name_a_text_speaks_of_verification():
    with texts({"BODY": "{service}: {code}"}):
        assert render().body == "verification: {code}"


def test_the_first_text_that_fits_is_taken():
    entries = [
        {"BODY": "login in Hindi {code}", "purpose": "login", "language": "hi"},
        {"BODY": "login {code}", "purpose": "login", "TEMPLATE_ID": "1" * 19},
        {"BODY": "India {code}", "prefixes": ["+91"]},
        {"BODY": "else {code}"},
    ]
    with texts(*entries):
        assert render(language="hi").body == "login in Hindi {code}"
        assert render().body == "login {code}"
        assert render().template_id == "1" * 19
        assert render(purpose="verify").body == "India {code}"
        assert render(purpose="verify", phone_number=AMERICAN).body == "else {code}"


@pytest.mark.parametrize("language", ["hi", "hi-in", "hi-IN", "hi_IN", "HI"])
def test_a_language_fits_its_regions(language):
    with texts({"BODY": "Hindi {code}", "language": "hi"}, {"BODY": "else {code}"}):
        assert render(language=language).body == "Hindi {code}"


@pytest.mark.parametrize("language", ["en", "hif", "hil-ph"])
def test_a_language_fits_no_other_that_begins_alike(language):
    with texts({"BODY": "Hindi {code}", "language": "hi"}, {"BODY": "else {code}"}):
        assert render(language=language).body == "else {code}"


def test_a_region_does_not_fit_the_language_alone():
    with texts({"BODY": "Brazil {code}", "language": "pt-br"}, {"BODY": "Portugal {code}", "language": "pt"}):
        assert render(language="pt-BR").body == "Brazil {code}"
        assert render(language="pt").body == "Portugal {code}"


def test_where_no_text_fits_the_language_the_first_for_the_purpose_and_number_is_taken():
    entries = [
        {"BODY": "other purpose {code}", "purpose": "step_up"},
        {"BODY": "other country {code}", "prefixes": ["+1"]},
        {"BODY": "Hindi {code}", "language": "hi"},
        {"BODY": "Tamil {code}", "language": "ta"},
    ]
    with texts(*entries):
        assert render(language="fr").body == "Hindi {code}"


def test_where_no_text_fits_at_all_nothing_can_be_sent_and_the_log_says_so(caplog):
    """R-106: and not to whom."""
    with texts({"BODY": "{code}", "prefixes": ["+1"]}), pytest.raises(DeliveryUnavailable):
        render()

    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "login" in caplog.text
    assert "9876" not in caplog.text


def test_without_a_wish_a_text_is_in_the_language_of_the_project():
    with override_settings(LANGUAGE_CODE="hi"):
        assert messages.default_language() == "hi"


# What goes into it


@pytest.mark.parametrize(("ttl", "minutes"), [(600, "10"), (299, "4"), (120, "2"), (119, "1"), (30, "1")])
def test_minutes_are_rounded_down(ttl, minutes):
    with texts({"BODY": "{code} {minutes}"}):
        assert render(ttl=ttl).body == f"{{code}} {minutes}"


def test_names_of_bind_are_filled_in():
    """R-027."""
    with texts({"BODY": "{code}: pay {amount} to {payee} ({n})"}):
        rendered = render(bind={"amount": 4999.5, "payee": "Asha & Söhne", "n": -3, "unused": object()})

    assert rendered.body == "{code}: pay 4999.5 to Asha & Söhne (-3)"


def test_a_value_of_thirty_characters_is_taken_and_one_of_thirty_one_is_not():
    with texts({"BODY": "{code} {payee}"}):
        assert render(bind={"payee": "x" * 30}).body.endswith("x" * 30)
        with pytest.raises(Invalid):
            render(bind={"payee": "x" * 31})


HOSTILE = [
    "{code.__class__}",
    "{code}",
    "{{ 7*7 }}",
    "{",
    "}",
    "\r\n@evil.com #000000",
    "a\nb",
    "a\x0bb",
    "a\x85b",
    "a\u2028b",
    "\u202eecivres",
    "zero\u200bwidth",
    "no\u00a0break",
    "\ud800",
    "x" * 5000,
    "",
    10**40,
    10**5000,
    float("nan"),
    float("inf"),
    True,
    None,
    ["x"],
    {"x": "y"},
    b"x",
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_a_value_that_is_not_one_plain_line_is_refused_by_name_and_not_shown(value):
    """R-069."""
    with texts({"BODY": "{code} for {payee}\n@example.com #{code}"}), pytest.raises(Invalid) as caught:
        render(bind={"payee": value})

    assert list(caught.value.errors) == ["bind"]
    (sentence,) = caught.value.errors["bind"]
    assert "payee" in sentence
    if isinstance(value, str) and len(value) > 1:
        assert value not in sentence


@pytest.mark.parametrize("bind", [None, {}, {"other": "x"}, [], "payee", ["payee"], 5])
def test_a_name_that_bind_lacks_is_refused(bind):
    with texts({"BODY": "{code} {payee}"}), pytest.raises(Invalid) as caught:
        render(bind=bind)

    assert "payee" in caught.value.errors["bind"][0]


@pytest.mark.parametrize("value", ["%(x)s", "$code", "%s %d", "code", "#000000", "a@b.example", "@shop"])
def test_what_only_looks_like_a_placeholder_is_plain_text(value):
    """R-069."""
    with texts({"BODY": "{code} for {payee}\n@example.com #{code}"}):
        body = render(bind={"payee": value}).body

    assert body == f"{{code}} for {value}\n@example.com #{{code}}"


@pytest.mark.parametrize(
    ("body", "bind"),
    [
        ("{code} {payee}", {"payee": "@evil.com #000000"}),
        ("{payee} {code}", {"payee": "@evil.com #000000"}),
        ("{payee} #{code}", {"payee": "@evil.com"}),
        ("Code {code}\n{payee}", {"payee": "@evil.com #000000"}),
        ("Code {code}\n{payee}{n}", {"payee": "@evil.com ", "n": "#1"}),
        ("{payee} {n} {code}", {"payee": "@evil.com", "n": "#000000"}),
        ("{code} {payee}\n@example.com #{code}", {"payee": "@evil.com #000000"}),
        ("{code} {payee}\n@example.com #{code}", {"payee": "x @evil.com #000000"}),
    ],
)
def test_values_cannot_tie_the_code_to_another_site(body, bind):
    """R-069, R-071: Chromium looks after any white space, WICG at the last line alone."""
    with texts({"BODY": body}), pytest.raises(Invalid) as caught:
        render(bind=bind)

    assert "evil" not in caught.value.errors["bind"][0]


def test_bind_cannot_stand_in_for_the_names_that_are_ours():
    with texts({"BODY": "{service} {code} {minutes}"}, SERVICE_NAME="Kirana"):
        rendered = render(bind={"service": "Evil", "code": "000000", "minutes": "99"})

    assert rendered.body == "Kirana {code} 5"


@given(value=st.text(max_size=40))
@example("{code}")
@example("@evil.com #1")
@example("x\n@evil.com #1")
def test_whatever_is_bound_the_last_line_and_the_number_of_codes_stay(value):
    """R-069, R-071."""
    with texts({"BODY": "{payee} {code} {payee}\n@example.com #{code}"}):
        try:
            body = render(bind={"payee": value}).body
        except Invalid:
            return

    assert body.split("\n") == [f"{value} {{code}} {value}", "@example.com #{code}"]
    assert body.count("{code}") == 2
    assert origin_bound(messages.fill(body, Secret("012345")).reveal()) == ("example.com", "012345")


@pytest.mark.parametrize("language", ["en", "hi", "ar"])
@pytest.mark.parametrize("code", ["000000", "012345", "9876543210"])
def test_a_browser_finds_host_and_code_in_every_language(language, code):
    """R-071."""
    entries = [
        {"BODY": "आपका {service} कोड {code} है।\n\n@login.example.co.in #{code}", "language": "hi"},
        {"BODY": "رمز {service} هو {code}\n@login.example.co.in #{code}", "language": "ar"},
        {"BODY": "{service} code: {code}\n\n@login.example.co.in #{code} @pay.example"},
    ]
    with texts(*entries):
        rendered = render(language=language, code_length=len(code))
    text = messages.fill(rendered.body, Secret(code)).reveal()

    assert origin_bound(text) == ("login.example.co.in", code)
    assert not text.endswith("\n")


def test_a_text_without_an_origin_line_ties_the_code_to_no_site():
    """R-071."""
    assert origin_bound(messages.fill(render().body, Secret("012345")).reveal()) is None


def test_the_code_fills_every_place_and_comes_out_redacted():
    """R-004."""
    filled = messages.fill("{code}\n@example.com #{code}", Secret("012345"))

    assert filled.reveal() == "012345\n@example.com #012345"
    assert "012345" not in repr(filled)


def test_the_language_that_a_browser_asked_for_changes_no_text():
    """R-070: what Accept-Language makes the active language stays out of the body."""
    before = render()

    with translation.override("de"):
        assert render() == before


def test_a_rendered_text_holds_no_code_and_its_segments_count_one():
    with texts({"BODY": "{code}" + "x" * 151}):
        assert "0" not in render(code_length=9).body
        assert render(code_length=9).segments == 1
        assert render(code_length=10).segments == 2


# What a DLT portal sees


def test_placeholders_come_in_their_order_as_often_as_they_stand():
    assert messages.placeholders("{code} {payee} {code}") == ["code", "payee", "code"]


def test_each_name_is_a_variable_to_a_dlt_portal():
    """R-072."""
    assert messages.as_registered("{code} is for {payee}.") == "{#var#} is for {#var#}."


@given(
    values=st.dictionaries(
        st.sampled_from(["amount", "payee"]), st.from_regex(r"[a-z0-9]{1,30}", fullmatch=True)
    )
)
def test_a_body_without_its_values_is_the_registered_text(values):
    """R-072."""
    body = "{code}: pay {amount} to {payee}"
    bound = {"amount": "1", "payee": "x", **values}
    with texts({"BODY": body}):
        rendered = render(bind=bound).body

    registered = messages.as_registered(body)
    for value in ("{code}", bound["amount"], bound["payee"]):
        registered = registered.replace("{#var#}", value, 1)
    assert rendered == registered


# Which texts can be reached


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        ({}, {}, True),
        ({}, {"purpose": "login", "language": "hi", "prefixes": ("+91",)}, True),
        ({"purpose": "login"}, {}, False),
        ({"language": "hi"}, {"language": "hi-in"}, True),
        ({"language": "hi-in"}, {"language": "hi"}, False),
        ({"language": "hi"}, {}, False),
        ({"prefixes": ("+91",)}, {"prefixes": ("+9198", "+91")}, True),
        ({"prefixes": ("+91",)}, {"prefixes": ("+9198", "+1")}, False),
        ({"prefixes": ("+91",)}, {}, False),
    ],
)
def test_one_text_covers_another_where_it_fits_whatever_that_fits(one, other, covers):
    assert messages.covers(Message("{code}", **one), Message("{code}", **other)) is covers


def test_the_texts_that_numbers_of_a_prefix_may_get():
    entries = [
        {"BODY": "0 {code}", "purpose": "login", "prefixes": ["+91"]},
        {"BODY": "1 {code}", "prefixes": ["+9198", "+1"]},
        {"BODY": "2 {code}", "language": "hi"},
        {"BODY": "3 {code}"},
        {"BODY": "4 {code}"},
    ]
    with texts(*entries):
        assert len(conf.MESSAGES) == 5
        assert [number for number, _ in messages.candidates("login", "+91")] == [0]
        assert [number for number, _ in messages.candidates("verify", "+91")] == [1, 2, 3]
        assert [number for number, _ in messages.candidates("verify", "+1")] == [1]
        assert [number for number, _ in messages.candidates("verify", "+44")] == [2, 3]


def test_a_text_for_a_wider_prefix_is_hidden_by_an_earlier_one_for_the_whole_of_this():
    with texts({"BODY": "{code}", "prefixes": ["+91"]}, {"BODY": "{code}", "prefixes": ["+9"]}):
        assert [number for number, _ in messages.candidates("login", "+91")] == [0]
        assert [number for number, _ in messages.candidates("login", "+92")] == [1]
