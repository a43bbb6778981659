"""The demonstration in Chromium: from the number to the signed-in page, by day and by night."""

from __future__ import annotations

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.conftest import wrong
from tests.e2e.browser import (
    NEEDS_CHROMIUM,
    field,
    wait_for,
    wait_for_focus,
    wait_for_one,
    wait_for_path,
    wait_for_text,
)
from tests.e2e.demo import MORE, running

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def give_number(browser, demo, number):
    browser.get(f"{demo.site}/login/")
    field(browser, "phone_number").send_keys(number, Keys.ENTER)
    return field(browser, "code")


def test_a_person_signs_in_and_finds_the_sms_in_the_admin(demo, browser):
    """R-130: the code is pasted with a space in it."""
    browser.get(f"{demo.site}/")
    wait_for_one(browser, By.LINK_TEXT, "Sign in").click()
    field(browser, "phone_number").send_keys(MORE["cleo"][:3] + " " + MORE["cleo"][3:], Keys.ENTER)
    code = wait_for_focus(browser, "code")
    digits = demo.newest(MORE["cleo"], lambda sms: sms["delivered"])["code"]

    browser.execute_cdp_cmd("Input.insertText", {"text": f"{digits[:3]} {digits[3:]}"})
    code.send_keys(Keys.ENTER)

    wait_for_path(browser, "/account/")
    assert "You are signed in" in wait_for_one(browser, By.TAG_NAME, "main").text
    browser.get(f"{demo.site}/admin/login/?next=/admin/kaleyra_otp/sendlog/")
    field(browser, "username").send_keys("demo")
    field(browser, "password").send_keys("demo", Keys.ENTER)
    wait_for_one(browser, By.ID, "result_list")
    rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#result_list tbody tr")]
    (row,) = [row for row in rows if MORE["cleo"] in row]
    assert "delivered" in row.lower()
    assert re.search(r"\d+\.\d s", row)


def test_going_back_and_loading_again_neither_send_nor_spend(demo, browser):
    """S2."""
    number = MORE["dev"]
    code = give_number(browser, demo, number)
    right = demo.newest(number)["code"]
    code.send_keys(wrong(right), Keys.ENTER)
    wait_for_text(browser, "4 more times")

    for _ in range(2):
        browser.refresh()
    browser.back()
    browser.back()
    browser.forward()
    browser.get(f"{demo.site}/login/?step=code")

    assert "4 more times" in browser.page_source
    assert len(demo.messages(number)) == 1


def test_enter_twice_is_one_guess_and_the_wait_is_counted_down(demo, browser):
    """R-131, R-134."""
    number = MORE["esha"]
    code = give_number(browser, demo, number)
    button = field(browser, "resend")
    assert not button.is_enabled()
    status = browser.find_element(By.CSS_SELECTOR, ".resend [role=status]")
    assert status.text == ""

    browser.execute_script("const now = Date.now; Date.now = () => now() + 31000")
    wait_for(browser, button.is_enabled)
    assert status.text == "You can ask for another code now."

    code.send_keys(wrong(demo.newest(number)["code"]))
    browser.execute_script("const form = arguments[0].form; form.requestSubmit(); form.requestSubmit()", code)
    wait_for_text(browser, "more times")
    assert "4 more times" in browser.page_source


@pytest.mark.parametrize("path", ["/", "/login/", "/login/?step=code", "/account/"])
def test_a_narrow_screen_shows_all_and_fingers_hit_what_they_aim_at(path, demo, browser):
    """R-133."""
    if "step" in path:
        give_number(browser, demo, "+971501234567")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        browser.get(demo.site + path)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
        for target in browser.find_elements(
            By.CSS_SELECTOR, "button, input:not([type=hidden]), nav a, .service a, .links a, .button"
        ):
            assert target.size["height"] >= 44, target.get_attribute("outerHTML")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def luminance(colour):
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_by_day_and_by_night(scheme, demo, browser):
    """WCAG 2.2, 1.4.3: text has 4.5:1 on its ground."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(f"{demo.site}/login/")
    field(browser, "phone_number").send_keys("12345", Keys.ENTER)
    wait_for_one(browser, By.CLASS_NAME, "error")

    found = browser.execute_script(COLOURS)

    assert len(found) > 5
    for text, ink, ground in found:
        high, low = sorted([luminance(ink), luminance(ground)], reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ink, ground)


COLOURS = """
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)") return colour;
  }
  return "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("main *")]
  .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
  .map((element) => [element.textContent.trim(), getComputedStyle(element).color, ground(element)]);
"""
