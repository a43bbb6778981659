"""Which fault is answered how."""

import json

import pytest
import requests

from django_kaleyra_otp.simulator import API_KEY, DEFAULT_PROFILE_ID, SID
from tests.e2e.simulator.sink import KEY, NUMBER, send

UNAUTHORIZED = (
    b'{"code":"RBC001","message":"Incorrect SID or API Key.","data":{},'
    b'"error":{"error":"Incorrect SID or API Key."}}'
)

ONE_NUMBER = (
    b'{"code":"E404","message":"If Type is OTP then only one mobile number is allowed.",'
    b'"error":{"time":"If Type is OTP then only one mobile number is allowed."}}'
)


def test_the_first_fault_answers_byte_for_byte(kaleyra):
    """Every fault at once, mended one by one."""
    call = {"path": "/v1/HXWRONG/nowhere", "method": "GET", "headers": {}, "data": b"{"}
    body = {
        "type": "SMS",
        "to": f"{NUMBER},{NUMBER}",
        "sender": "?",
        "template_id": "1",
        "callback_profile_id": "IN_x",
    }
    kaleyra.knobs(ip_allowed=False, balance=False)

    def ask(**changes):
        call.update(changes)
        url = kaleyra.base_url + call["path"]
        answer = requests.request(call["method"], url, headers=call["headers"], data=call["data"], timeout=5)
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status_code, answer.content

    def mend(**changes):
        body.update(changes)
        return ask(data=json.dumps(body))

    def invalid(code, name):
        said = f"Invalid {name}."
        return 400, f'{{"code":"{code}","message":"{said}","error":{{"{name}":"{said}"}}}}'.encode()

    assert ask() == (404, b'{"code":"X404","message":"Not Found","error":{}}')
    assert ask(path="/v1/HXWRONG/sms") == (
        405,
        b'{"code":"X405","message":"Method Not Allowed","error":{}}',
    )
    assert ask(method="POST") == (401, UNAUTHORIZED)
    assert ask(headers=KEY) == (401, UNAUTHORIZED)
    assert ask(path=f"/v1/{SID}/sms", headers={}) == (401, UNAUTHORIZED)
    assert ask(headers={"api-key": API_KEY + "0"}) == (401, UNAUTHORIZED)
    assert ask(headers=KEY) == (403, b'{"code":"X403","message":"IP not allowed.","error":{}}')
    kaleyra.knobs(ip_allowed=True)
    unreadable = b'{"code":"X400","message":"Invalid request body.","error":{"body":"Invalid JSON."}}'
    assert ask() == (400, unreadable)
    assert ask(data=b"[1]") == (400, unreadable)
    assert ask(data=b"[" * 100_000) == (400, unreadable)
    assert mend() == invalid("X402", "type")
    assert mend(type="OTP") == (400, ONE_NUMBER)
    assert mend(to="12") == invalid("X601", "to")
    assert mend(to=NUMBER) == invalid("X602", "sender")
    assert mend(sender="KLRHXA", template_id="") == invalid("X603", "body")
    assert mend(template_id="1") == invalid("X604", "template_id")
    assert mend(template_id="1" * 19) == invalid("X605", "callback_profile_id")
    balance = b'{"code":"E110","message":"Insufficient Balance.","error":{}}'
    assert mend(callback_profile_id=DEFAULT_PROFILE_ID) == (400, balance)
    kaleyra.knobs(balance=True)
    assert mend()[0] == 202
    assert [request.http_status for request in kaleyra.requests] == [
        *(404, 405, 401, 401, 401, 401, 403),
        *(400,) * 11,
        202,
    ]
    assert len(kaleyra.messages) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"to": ""}, "X601"),
        ({"to": 919999900001}, "X601"),
        ({"to": " 919999900001"}, "X601"),
        ({"to": "+91 99999 00001"}, "X601"),
        ({"sender": "IFQMID-T"}, "X602"),
        ({"sender": ["KLRHXA"]}, "X602"),
        ({"body": 5}, "X603"),
        ({"template_id": "1" * 11}, "X604"),
        ({"template_id": "1" * 31}, "X604"),
        ({"template_id": 1007160000000012345}, "X604"),
        ({"callback_profile_id": "IN_00000000-0000-4000-8000-000000000009"}, "X605"),
        ({"type": ["OTP"]}, "X402"),
    ],
)
def test_a_malformed_parameter_is_named(kaleyra, given, code):
    answer = send(kaleyra, **given)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert kaleyra.messages == []


@pytest.mark.parametrize("name", ["api-key", "api_key", "apiKey"])
def test_a_key_in_the_query_is_refused_even_beside_the_right_header(kaleyra, name):
    answer = send(kaleyra, path=f"sms?{name}={API_KEY}")

    assert (answer.status_code, answer.content) == (401, UNAUTHORIZED)
    assert API_KEY not in repr(kaleyra.requests)
    assert "api-key" not in kaleyra.requests[0].headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil:80", ""])
def test_a_foreign_host_header_is_misdirected(kaleyra, host):
    for path in ("/", "/_control/messages", f"/v1/{SID}/sms"):
        answer = requests.get(kaleyra.base_url + path, headers={**KEY, "Host": host}, timeout=5)

        assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:9009"])
def test_a_host_header_of_this_machine_is_served(kaleyra, host):
    assert requests.get(kaleyra.base_url, headers={"Host": host}, timeout=5).status_code == 200


def test_a_body_of_no_known_length_and_one_too_long_are_refused(kaleyra):
    url = f"{kaleyra.base_url}/v1/{SID}/sms"

    assert requests.post(url, data=iter([b"{}"]), headers=KEY, timeout=5).status_code == 411
    assert requests.post(url, data=b" " * 1_100_000, headers=KEY, timeout=5).status_code == 413
