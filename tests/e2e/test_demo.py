"""``make demo``, as a newcomer meets it: what it starts, what it says, how it ends, where it leads."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest
import requests
from bs4 import BeautifulSoup

from tests.e2e.demo import ASHA, MORE, Demo, running


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def processes_about(port):
    """Return the processes of this machine whose command line names a port."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(re.fullmatch(rb"(127\.0\.0\.1:)?%d" % port, word) for word in words):
            found.append(int(entry.parent.name))
    return found


@pytest.fixture
def start_demo(tmp_path):
    """``start_demo(SITE_PORT=…)``: a demonstration; it is ended with the test."""
    started = []

    def start(**environment):
        started.append(Demo(tmp_path, **environment))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One demonstration for all tests that only walk through it."""
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


# How it starts and ends


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_says_where_to_click_and_ends_without_a_trace(start_demo, signum):
    began = time.monotonic()
    demo = start_demo()

    said = demo.wait_until_ready()

    assert time.monotonic() - began < 90
    for url in (f"{demo.site}/", f"{demo.handsets}/", f"{demo.site}/api/docs/"):
        assert url in said
        assert requests.get(url, timeout=10).status_code == 200
    assert "user name demo, password demo" in said
    assert len(processes_about(demo.site_port)) == len(processes_about(demo.simulator_port)) == 1

    assert demo.end(signum) == 0

    assert is_free(demo.site_port)
    assert is_free(demo.simulator_port)
    assert processes_about(demo.site_port) == processes_about(demo.simulator_port) == []


def test_a_stop_while_it_starts_is_heeded(start_demo):
    demo = start_demo()
    assert demo.process.stdout.readline() == "Preparing the database\n"

    assert demo.end() == 0

    assert is_free(demo.site_port)
    assert is_free(demo.simulator_port)


@pytest.mark.parametrize("name", ["SITE_PORT", "SIMULATOR_PORT"])
def test_a_taken_port_is_named_with_the_way_out(name, start_demo):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = start_demo(**{name: str(port)})

        assert demo.wait() == 1

    assert (
        f"Port {port}, for the {'site' if name == 'SITE_PORT' else 'simulator'}, cannot be used"
        in demo.complaint
    )
    assert re.search(rf"choose another: {name}=\d+ make demo", demo.complaint)


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_what_is_no_port_is_refused(port, start_demo):
    demo = start_demo(SITE_PORT=port)

    assert demo.wait() == 1

    assert f"SITE_PORT is {port!r}" in demo.complaint
    assert "Traceback" not in demo.complaint


@pytest.mark.parametrize("name", ["site", "simulator"])
def test_where_one_part_dies_the_whole_ends_and_says_which(name, start_demo):
    demo = start_demo()
    demo.wait_until_ready()
    (victim,) = processes_about(demo.site_port if name == "site" else demo.simulator_port)

    os.kill(victim, signal.SIGKILL)

    assert demo.wait() == 1
    assert f"The {name} ended by itself" in demo.complaint
    assert is_free(demo.site_port)
    assert is_free(demo.simulator_port)


def test_a_database_that_cannot_be_used_is_told(start_demo, tmp_path):
    demo = start_demo(DATABASE_URL=f"sqlite:///{tmp_path / 'nowhere' / 'demo.sqlite3'}")

    assert demo.wait() == 1

    assert "The migration failed" in demo.complaint
    assert "unable to open database file" in demo.complaint


# The way through it, by plain HTTP


class Caller:
    """A person whose browser has no scripts: follows links and sends forms."""

    def __init__(self, demo):
        self.demo, self.session = demo, requests.Session()

    def go(self, path):
        self.answer = self.session.get(self.demo.site + path, timeout=10)
        return self

    def send(self, **fields):
        """Send the page's form that has these fields."""
        (form,) = [
            form for form in self.page.find_all("form") if form.find(attrs={"name": next(iter(fields))})
        ]
        hidden = {field["name"]: field["value"] for field in form.find_all("input", type="hidden")}
        url = requests.compat.urljoin(self.answer.url, form.get("action", ""))
        self.answer = self.session.post(url, {**hidden, **fields}, timeout=20)
        return self

    @property
    def page(self):
        return BeautifulSoup(self.answer.text, "html.parser")

    @property
    def text(self):
        return " ".join(self.page.get_text(" ").split())


def test_from_the_number_to_the_account_without_a_script(demo):
    visitor = Caller(demo).go("/")
    assert "+91 99999 00000" in visitor.text
    visitor.go("/account/")
    assert "/login/" in visitor.answer.url

    visitor.send(phone_number=ASHA)
    visitor.send(code=demo.newest(ASHA)["code"])

    assert visitor.answer.url == f"{demo.site}/account/"
    assert "Hello, Asha" in visitor.text


def test_the_admin_follows_the_sms_to_the_handset(demo):
    Caller(demo).go("/login/").send(phone_number=MORE["ben"])
    demo.newest(MORE["ben"], lambda sms: sms["callbacks"] and sms["callbacks"][-1]["status"] == "DELIVRD")
    staff = (
        Caller(demo)
        .go("/admin/login/?next=/admin/kaleyra_otp/sendlog/")
        .send(username="demo", password="demo")
    )

    (row,) = [row for row in staff.page.select("#result_list tbody tr") if MORE["ben"] in row.get_text()]

    assert "delivered" in row.get_text().lower()
    assert re.search(r"\d+\.\d s", row.get_text())


def test_the_api_has_its_page_and_no_address_of_elsewhere(demo):
    page = Caller(demo).go("/api/docs/").page

    for tag in [*page.find_all("script", src=True), *page.find_all("link")]:
        url = tag.get("src") or tag["href"]
        assert url.startswith("/static/")
        assert requests.get(demo.site + url, timeout=10).status_code == 200
    assert (
        "/otp/challenges/" in requests.get(f"{demo.site}/api/schema/?format=json", timeout=10).json()["paths"]
    )
