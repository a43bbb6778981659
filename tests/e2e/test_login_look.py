"""Every page of the demonstration at two widths and in both colours: who can read it, who can hit it."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from tests.conftest import wrong
from tests.e2e.browser import NEEDS_CHROMIUM, axe_source, field, wait_for_path

pytestmark = NEEDS_CHROMIUM

#: A folder for a picture of each page, by width and colours: set it to look at them.
PICTURES = os.environ.get("PICTURES")

#: What a page may complain of: the answer to a step-up that is refused.
COMPLAINTS = "403 (Forbidden)"


class Inspector:
    """Holds each page to axe-core's rules, to 360 px and to fingers; takes its picture if one is wanted."""

    SIZES = ((1280, 800), (360, 740))
    COLOURS = ("light", "dark")

    def __init__(self, browser):
        self.browser, self.axe, self.found = browser, axe_source(), []

    def look(self, name):
        for (width, height), colours in itertools.product(self.SIZES, self.COLOURS):
            self.show(width, height, colours)
            if PICTURES:
                Path(PICTURES).mkdir(exist_ok=True)
                self.browser.save_screenshot(f"{PICTURES}/{name}-{width}-{colours}.png")
            where = f"{name}, {width} px, {colours}"
            self.found += [f"{where}: {complaint}" for complaint in self.complaints(width)]
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def show(self, width, height, colours):
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": colours}]}
        )

    def complaints(self, width):
        if self.browser.execute_script("return document.documentElement.scrollWidth") > width:
            yield "it is wider than the screen"
        for target in self.browser.find_elements(By.CSS_SELECTOR, TARGETS):
            if target.is_displayed() and target.size["height"] < 44:
                yield f"{target.get_attribute('outerHTML')[:80]} is {target.size['height']} px high"
        if self.axe:
            self.browser.execute_script(self.axe)
            for violation in self.browser.execute_async_script(RUN_AXE):
                yield f"axe: {violation['id']}: {[node['html'] for node in violation['nodes']]}"


TARGETS = "button, input:not([type=hidden]), nav a, .service a, .links a, .more, .button"
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then((result) => done(result.violations));
"""


@pytest.fixture
def inspector(browser):
    return Inspector(browser)


def test_every_page_is_whole_for_everybody(person, inspector):
    """R-131, R-133: axe-core finds nothing, 360 px show all, a finger hits every target."""
    look = inspector.look
    person.go("/")
    look("home")
    person.go("/login/")
    look("number")
    person.type(phone_number="12345")
    person.says("Enter a mobile number")
    look("number-refused")
    person.type(phone_number=person.number)
    code = person.code()
    look("code")
    person.type(code=wrong(code))
    person.says("4 more times")
    look("code-refused")
    person.expire()
    person.browser.refresh()
    look("code-expired")
    person.go("/login/password/")
    look("password")
    person.type(username=person.name, password="another")
    person.says("Please enter a correct")
    look("password-refused")
    person.type(username="demo", password="demo")
    person.says("No mobile number")
    look("no-number")
    person.go("/login/password/")
    person.type(username=person.name, password="demo")
    field(person.browser, "code")
    look("second-step")
    person.type(code=wrong(person.code(2)))
    person.says("4 more times")
    look("second-step-refused")
    person.type(code=person.code(2))
    person.says("You are signed in")
    look("account")
    person.type(payee="", amount="-1")
    person.says("This field is required.")
    look("account-refused")
    person.forget_limits()
    person.go("/account/")
    person.ask_to_pay("Asha Stores of Thiruvananthapu", "123456.78")
    look("step-up")
    person.press("Send the code")
    code = person.code(3)
    look("step-up-code")
    person.type(code=code)
    person.says("Pay INR 123,456.78")
    look("payment")
    person.press("Pay now")
    person.says("You paid")
    look("account-paid")
    person.follow("Change your number")
    wait_for_path(person.browser, "/login/confirm/")
    person.press("Send the code")
    person.says("A code was sent a moment ago.")
    look("step-up-refused")
    person.forget_limits()
    person.press("Send the code")
    person.type(code=person.code(4))
    person.says("Your old one stays")
    look("change-number")
    person.type(phone_number="+919876543998")
    field(person.browser, "code")
    look("change-number-code")

    assert inspector.found == []
    if not inspector.axe:
        pytest.skip("all but axe-core's rules hold: axe-selenium-python is not installed")
