"""The control API and the files of the page."""

import re
import threading
import time

import pytest
import requests

from django_kaleyra_otp.simulator import API_KEY, CALLBACK_SECRET, DEFAULT_PROFILE_ID, SID
from tests.e2e.simulator.sink import KEY, NUMBER, send, sent

HEADER = {"X-Simulator": "1"}


def look(kaleyra, path):
    """GET from the control API."""
    return requests.get(f"{kaleyra.base_url}/_control/{path}", timeout=5).json()


def order(kaleyra, path, body):
    """POST to the control API."""
    return requests.post(f"{kaleyra.base_url}/_control/{path}", json=body, headers=HEADER, timeout=5)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "fates"), ("POST", "knobs"), ("POST", "fire"), ("POST", "profiles"), ("DELETE", "state")],
)
def test_a_page_elsewhere_cannot_drive_it(kaleyra, method, path):
    message = sent(kaleyra)
    url = f"{kaleyra.base_url}/_control/{path}"
    body = {"number": None, "fate": ["hang"], "balance": False, "status": 3, "message_id": message.message_id}
    body["profile_id"] = DEFAULT_PROFILE_ID

    answer = requests.request(method, url, json=body, headers={"X-Simulator": "0"}, timeout=5)

    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert (kaleyra.messages, len(message.callbacks), kaleyra.knobs().balance) == ([message], 2, True)
    assert kaleyra.profiles[DEFAULT_PROFILE_ID].status == 1
    assert requests.options(url, headers={"Origin": "http://evil.example"}, timeout=5).status_code == 405


def test_what_was_seen_can_be_read(kaleyra):
    message = sent(kaleyra)

    (shown,) = look(kaleyra, "messages")
    callbacks = look(kaleyra, "callbacks")

    assert (shown["number"], shown["code"], shown["status"]) == (NUMBER, "482913", "DELIVRD")
    assert [step["status"] for step in shown["history"]] == ["SENT", "DELIVRD"]
    assert [(one["message_id"], one["http_status"]) for one in callbacks] == [(message.message_id, 204)] * 2
    assert look(kaleyra, "requests")[0]["http_status"] == 202
    assert look(kaleyra, "fates")["series"] == "+91999990"


def test_a_message_shows_the_references_that_it_came_with(kaleyra):
    sent(kaleyra, ref_custom=["send-17"])
    sent(kaleyra)

    assert [shown["references"] for shown in look(kaleyra, "messages")] == [["send-17"], []]


def test_fates_and_knobs_can_be_set(kaleyra):
    assert order(kaleyra, "fates", {"number": NUMBER, "fate": ["429"], "times": 1}).status_code == 200
    assert look(kaleyra, "fates")["rules"] == [{"number": NUMBER, "fate": ["429"], "left": 1}]
    assert order(kaleyra, "knobs", {"balance": False}).json()["balance"] is False
    assert send(kaleyra).status_code == 400
    order(kaleyra, "knobs", {"balance": True})
    assert [send(kaleyra).status_code for _ in range(2)] == [429, 202]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("fates", {"fate": ["nonsense"]}),
        ("fates", {"fate": "hang"}),
        ("fates", {"number": 5}),
        ("fates", {"fate": ["hang"], "times": 0}),
        ("fates", {"fate": ["hang"], "times": True}),
        ("fates", ["hang"]),
        ("knobs", {"retries": "many"}),
        ("profiles", {"profile_id": DEFAULT_PROFILE_ID, "status": 9}),
    ],
)
def test_orders_that_mean_nothing_are_refused(kaleyra, path, body):
    assert order(kaleyra, path, body).status_code == 400


def test_a_status_can_be_fired_and_a_profile_switched(kaleyra, sink):
    message = sent(kaleyra)
    fire = {"message_id": message.message_id, "status": "FAILED", "fate": ["no-auth"]}

    fired = order(kaleyra, "fire", fire).json()
    order(kaleyra, "profiles", {"profile_id": DEFAULT_PROFILE_ID, "status": 3})
    refused = order(kaleyra, "fire", fire)
    unknown = order(kaleyra, "fire", {"message_id": "x"})

    assert (fired["status"], fired["http_status"], message.status) == ("FAILED", 204, "FAILED")
    assert "X-Kaleyra-Otp-Secret" not in sink.seen[2].headers
    assert (refused.status_code, unknown.status_code, len(sink.seen)) == (400, 404, 3)


def test_a_change_wakes_who_waits_and_only_what_changed_is_told(kaleyra):
    first = sent(kaleyra)
    state = look(kaleyra, "state")
    news = f"state?after={state['version']}&epoch={state['epoch']}"
    assert [message["message_id"] for message in state["messages"]] == [first.message_id]
    assert look(kaleyra, news)["messages"] == []

    began = time.monotonic()
    timer = threading.Timer(0.2, send, [kaleyra, "+919999900002"])
    timer.start()
    changed = look(kaleyra, f"{news}&wait=20")
    timer.join()

    assert time.monotonic() - began < 5
    assert changed["version"] > state["version"]
    assert first.message_id not in [message["message_id"] for message in changed["messages"]]


def test_a_reset_begins_a_new_epoch(kaleyra):
    send(kaleyra)
    state = look(kaleyra, "state")
    answer = requests.delete(f"{kaleyra.base_url}/_control/state", headers=HEADER, timeout=5)
    after = look(kaleyra, f"state?after={state['version']}&epoch={state['epoch']}&wait=20")

    assert answer.status_code == 204
    assert (after["messages"], after["count"]) == ([], 0)
    assert after["epoch"] != state["epoch"]


def test_neither_key_nor_secret_is_shown(kaleyra):
    """R-104."""
    sent(kaleyra)
    for path in ("state", "messages", "callbacks", "requests", "fates", "knobs"):
        shown = requests.get(f"{kaleyra.base_url}/_control/{path}", timeout=5).text
        assert API_KEY not in shown
        assert CALLBACK_SECRET not in shown


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(kaleyra):
    page = requests.get(kaleyra.base_url, timeout=5)
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.text)

    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?! src)|<style| style=| on[a-z]+=", page.text)
    assert sorted(links) == ["/_static/icon.svg", "/_static/page.css", "/_static/page.js"]
    for link in links:
        answer = requests.get(kaleyra.base_url + link, timeout=5)
        assert answer.status_code == 200
        assert not re.search(r"url\(|@import|innerHTML|insertAdjacentHTML|eval\(", answer.text)
    assert requests.get(f"{kaleyra.base_url}/_static/../server.py", timeout=5).status_code == 404


class TestPlatform:
    """The calls on callback profiles and sender ids."""

    @pytest.fixture
    def url(self, kaleyra):
        return f"{kaleyra.base_url}/v1/{SID}/callback/profiles"

    def test_a_profile_is_made_and_called(self, kaleyra, sink, url):
        new = {"title": "My profile", "http_method": "post", "url": sink.url, "headers": {"X-Mine": "s"}}
        made = requests.post(url, json={**new, "body": '{"id":"<id>"}'}, headers=KEY, timeout=5).json()
        profile_id = made["data"]["profile_id"]

        message = sent(kaleyra, callback_profile_id=profile_id)

        assert (made["code"], made["error"], made["status"]) == ("RBC103", {}, 200)
        assert sink.seen[0].body == f'{{"id":"{message.id}"}}'.encode()
        assert sink.seen[0].headers["X-Mine"] == "s"
        fetched = requests.get(f"{url}/{profile_id}", headers=KEY, timeout=5).json()
        assert (fetched["code"], fetched["data"]["body"]) == ("RBC024", '{"id":"<id>"}')

    def test_profiles_are_listed_changed_and_deleted(self, url):
        def ask(method, path="", **more):
            return requests.request(method, url + path, headers=KEY, timeout=5, **more)

        assert len(ask("GET").json()["data"]) == 3
        assert [one["title"] for one in ask("GET", "?limit=1&offset=1").json()["data"]] == ["Shape 2 JSON"]
        assert [one["title"] for one in ask("GET", "?title=form").json()["data"]] == ["Shape 1 form"]
        path = f"/{DEFAULT_PROFILE_ID}"
        changed = ask("PATCH", path, json={"title": "Other"}).json()["data"]
        assert (changed["title"], changed["http_method"]) == ("Other", "POST")
        assert ask("DELETE", path).content == (
            b'{"code":"RBC024","message":"Profile deleted successfully",'
            b'"data":{"profileId":"IN_00000000-0000-4000-8000-000000000001"},"error":{},"status":200}'
        )
        for method in ("GET", "PATCH", "DELETE"):
            answer = ask(method, path, json={})
            assert answer.status_code == 404
            assert answer.content == (
                b'{"code":"RBC302","message":"No profile exists with this id","data":{},'
                b'"error":[{"params":"No profile exists with id: IN_00000000-0000-4000-8000-000000000001"}],'
                b'"status":404}'
            )

    @pytest.mark.parametrize(
        "wrong",
        [
            {"title": "ab"},
            {"title": "no/slash"},
            {"http_method": "HEAD"},
            {"url": "ftp://x/"},
            {"url": None},
            {"body": "<id>"},
            {"headers": {"X": "a\r\nY: b"}},
            {"headers": ["X"]},
            {"status": 0},
        ],
    )
    def test_a_profile_that_is_no_good_is_refused(self, kaleyra, url, wrong):
        new = {"title": "Mine", "http_method": "POST", "url": "https://example.com/", "body": {}, **wrong}

        assert requests.post(url, json=new, headers=KEY, timeout=5).status_code == 400
        answer = requests.patch(f"{url}/{DEFAULT_PROFILE_ID}", json=wrong, headers=KEY, timeout=5)
        assert (answer.status_code, len(kaleyra.profiles)) == (400, 3)

    def test_sender_ids_are_told_to_who_knows_the_key(self, kaleyra):
        sent(kaleyra, sender="OTHERS")
        url = f"{kaleyra.base_url}/v1/{SID}/messages/identifier"

        told = requests.get(url, headers=KEY, timeout=5).json()

        assert told["data"] == [{"identifier": "KLRHXA"}, {"identifier": "OTHERS"}]
        assert requests.get(url, headers={"api-key": "A" + 32 * "1"}, timeout=5).status_code == 401
