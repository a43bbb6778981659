import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_kaleyra_otp.kaleyra.callbacks import Callback, parse, profile_template, spellings

UUID = "0b0e1ae5-5b0c-4a6e-9a57-3d1a8c1b7f10"
CAPS = {
    "message_id": 100,
    "status": 64,
    "trace": 64,
    "number": 20,
    "occurred": 40,
    "operator": 64,
    "circle": 64,
    "description": 200,
    "error_code": 64,
}
UNREADABLE = Callback(readable=False)


def said(**fields):
    return parse(json.dumps(fields).encode())


def test_the_shape_of_the_template_we_print_is_read():
    callback = parse(
        b'{"description":"Message has been sent","id":"%s","kid":"other","recipient":"+919876543210",'
        b'"source":"KLRHXA","status":"SENT","status_trace":"SENT","operator":"Airtel","circle":"Delhi",'
        b'"timestamp":"2025-04-17 18:35:20"}' % UUID.encode(),
        "application/json",
    )

    assert callback == Callback(
        message_id=UUID,
        status="SENT",
        trace="SENT",
        number="919876543210",
        occurred="2025-04-17 18:35:20",
        operator="Airtel",
        circle="Delhi",
        description="Message has been sent",
    )


def test_the_shape_of_a_live_profile_is_read():
    callback = said(
        message_id=f"{UUID}:1",
        status="DELIVRD",
        to="919876543210",
        sent_time="2025-04-17 18:35:20",
        delivered_time="2025-04-17 18:35:24",
    )

    assert callback == Callback(f"{UUID}:1", "DELIVRD", "", "919876543210", "2025-04-17 18:35:24")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json", ""])
def test_a_form_is_read_whatever_its_header_says(content_type):
    body = (
        f"id={UUID}%3A1&status=DELIVRD&status_trace=DELIVRD&recipient=+919876543210"
        "&timestamp=2025-04-17+18%3A35%3A24"
    )

    callback = parse(body.encode(), content_type)

    assert callback == Callback(f"{UUID}:1", "DELIVRD", "DELIVRD", "919876543210", "2025-04-17 18:35:24")


def test_json_is_read_though_its_header_says_form():
    assert parse(b' \r\n{"id": "a"}', "application/x-www-form-urlencoded").message_id == "a"


def test_json_with_a_byte_order_mark_is_read():
    assert parse(b'\xef\xbb\xbf{"id": "a"}').message_id == "a"


def test_a_list_of_one_object_is_read_as_that_object():
    assert parse(b'[{"id": "a", "status": "SENT"}]') == Callback("a", "SENT")


def test_keys_are_alike_in_any_case_with_hyphen_or_underscore():
    assert said(**{"Message-Id": "a", "STATUS": "SENT", "Status-Trace": "X"}) == Callback("a", "SENT", "X")


def test_of_several_names_the_first_with_a_value_counts():
    assert said(kid="c", id="b", message_id="a").message_id == "a"
    assert said(kid="c", id="b", message_id=None).message_id == "b"
    assert said(kid="c", id="<id>", message_id=" ").message_id == "c"
    assert said(mobile="3", recipient="2", to="1").number == "1"
    assert said(sent_time="c", timestamp="b", delivered_time="a").occurred == "a"
    assert said(error="b", error_code="a").error_code == "a"


@pytest.mark.parametrize("value", ["<status>", "{status}", "<status_trace>", "{ref id}"])
def test_a_placeholder_that_was_not_filled_in_is_a_missing_value(value):
    assert said(status=value) == Callback()


@pytest.mark.parametrize("value", ["<b>SENT</b>", "<>", "a <b>", "{", "{}"])
def test_what_only_resembles_a_placeholder_is_kept_as_told(value):
    assert said(status=value).status == value


@pytest.mark.parametrize("value", [None, True, False, 1.5, [], ["a"], {}, {"a": "b"}, "", " \t"])
def test_a_value_that_is_no_text_or_whole_number_is_missing(value):
    """R-097."""
    assert said(**dict.fromkeys(["id", "status", "to", "timestamp", "error"], value)) == Callback()


def test_a_whole_number_is_read_as_its_digits():
    assert said(id=17, to=919876543210) == Callback("17", number="919876543210")


def test_a_number_is_its_ascii_digits_alone():
    assert said(to="+91 (98765) 432-10").number == "919876543210"
    assert said(to="٣٤٥").number == ""


def test_every_field_is_cut_at_its_cap():
    """R-097, R-098."""
    callback = said(
        message_id="a" * 500,
        status="b" * 500,
        status_trace="c" * 500,
        to="1" * 500,
        timestamp="d" * 500,
        operator="e" * 500,
        circle="f" * 500,
        description="g" * 500,
        error_code="h" * 500,
    )

    assert {name: len(getattr(callback, name)) for name in CAPS} == CAPS


def test_the_text_of_the_sms_is_kept_nowhere():
    """R-097."""
    text = "Your code is 482913"

    callback = said(id="a", message=text, body=text, text=text, description=text, status=text, error=text)

    assert "482913" not in repr(callback)


def test_digits_in_a_description_are_hidden_also_where_it_stands_in_for_the_trace():
    callback = said(description="Sent 482913 at 12:30")

    assert callback.description == "Sent •••• at 12:30"
    assert callback.trace == "Sent •••• at 12:30"


def test_digits_on_the_edge_of_a_cap_are_hidden_too():
    assert "48" not in said(description="x" * 197 + "482913").description


def test_control_characters_and_lone_surrogates_are_dropped():
    """R-107."""
    assert parse(rb'{"status": "SE\u0000N\ud800T\u001b\u2028", "id": "a\nb"}') == Callback("a b", "SENT")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"hello",
        b"null",
        b"true",
        b"17",
        b'"text"',
        b"[]",
        b"[1]",
        b'[{"id": "a"}, {"id": "b"}]',
        b'{"id": "a"',
        b'{"id": "a"} {"id": "b"}',
        b'{"id": "\xff"}',
        b"id=%ff",
        b"\xff\xfe{\x00}\x00",
        b"{" * 100_000,
        b'{"a":' * 60_000,
        b"[" * 60_000 + b"]" * 60_000,
        b'{"id": ' + b"9" * 10_000 + b"}",
        b'{"id": -' + b"9" * 10_000 + b"}",
        b'{"id":1,"a":' + b'{"a":' * 10 + b"1" + b"}" * 11,
        json.dumps({f"k{n}": n for n in range(201)}).encode(),
        json.dumps({"a": {f"k{n}": n for n in range(150)}, "b": {f"k{n}": n for n in range(150)}}).encode(),
        b'{"id":"a",' + b",".join(b'"id":"a"' for _ in range(201)) + b"}",
        "&".join(f"k{n}=1" for n in range(201)).encode(),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_hostile_or_odd_body_is_not_readable_and_raises_nothing(body):
    """R-090."""
    started = time.perf_counter()

    callback = parse(body)

    assert callback == UNREADABLE
    assert time.perf_counter() - started < 0.2


def test_a_multipart_body_is_not_read():
    body = b'--x\r\nContent-Disposition: form-data; name="id"\r\n\r\na\r\n--x--'

    assert parse(body, "multipart/form-data; boundary=x") == UNREADABLE


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"a","x":' + b'{"a":' * 9 + b"1" + b"}" * 10,
        json.dumps({"id": "a"} | {f"k{n}": n for n in range(199)}).encode(),
        ("id=a&" + "&".join(f"k{n}=1" for n in range(199))).encode(),
        b'{"id":"a","x":NaN,"y":-Infinity,"z":1e999}',
        b'{"id":"z","id":"a"}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_within_the_bounds_is_read(body):
    """R-090."""
    assert parse(body) == Callback("a")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEYS = st.sampled_from(
    [
        "id",
        "kid",
        "message_id",
        "status",
        "status_trace",
        "to",
        "timestamp",
        "description",
        "error",
        "operator",
    ]
)
LIKELY = st.dictionaries(KEYS, JSON | st.text(max_size=300) | st.just("<id>"))


def holds(callback):
    assert isinstance(callback, Callback)
    for name, cap in CAPS.items():
        value = getattr(callback, name)
        assert len(value) <= cap
        assert value.isprintable()
        value.encode()  # no lone surrogate: a database would refuse it
    if not callback.readable:
        assert callback == UNREADABLE


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000), st.text(max_size=60))
def test_no_bytes_make_parse_raise(body, content_type):
    """R-090."""
    holds(parse(body, content_type))


@settings(max_examples=200, deadline=None)
@given(LIKELY | JSON)
def test_no_json_makes_parse_raise(document):
    """R-090."""
    holds(parse(json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (UUID, (UUID, f"{UUID}:1", f"{UUID}:0")),
        (f"{UUID}:1", (f"{UUID}:1", UUID, f"{UUID}:0")),
        (f"{UUID}:0", (f"{UUID}:0", UUID, f"{UUID}:1")),
        (f"{UUID}:2", (f"{UUID}:2",)),
        (f"{UUID}:1:1", (f"{UUID}:1:1",)),
        (":1", (":1",)),
        ("", ()),
    ],
)
def test_a_message_has_its_names_the_one_told_first(told, names):
    assert spellings(told) == names


def test_the_template_to_paste_never_asks_for_the_text_of_the_sms():
    """R-097."""
    template = profile_template()

    assert "<message>" not in template.values()
    assert template["id"] == "<id>"
    assert list(template) == [
        "id",
        "kid",
        "recipient",
        "status",
        "status_trace",
        "description",
        "source",
        "operator",
        "circle",
        "timestamp",
    ]


def test_an_unfilled_template_says_nothing():
    assert parse(json.dumps(profile_template()).encode()) == Callback()


def test_a_filled_template_is_read_whole():
    filled = {name: value.strip("<>").replace("_", " ") for name, value in profile_template().items()}
    filled["recipient"] = "+919876543210"

    callback = parse(json.dumps(filled).encode())

    assert callback == Callback(
        message_id="id",
        status="status",
        trace="status trace",
        number="919876543210",
        occurred="timestamp",
        operator="operator",
        circle="circle",
        description="description",
    )
