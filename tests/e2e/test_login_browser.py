"""The sign-in pages, the step-up and the change of a number in Chromium, for all kinds of people."""

from __future__ import annotations

import django
import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.conftest import wrong
from tests.e2e.browser import NEEDS_CHROMIUM, field, wait_for_focus, wait_for_path

pytestmark = NEEDS_CHROMIUM


#: What a page may complain of: the answer to a step-up that is refused.
COMPLAINTS = "403 (Forbidden)"


def test_a_password_then_a_code(person):
    person.go("/login/password/")
    person.type(username=person.name, password="demo")
    person.says("A text message with a code is on its way to +91")
    person.go("/account/")
    assert "/login/" in person.browser.current_url
    person.go("/login/password/?step=code")

    person.type(code=person.code())

    person.says("You are signed in")


def test_a_payment_says_its_amount_in_the_sms_and_is_done_once(person):
    """R-027: PSD2."""
    person.sign_in()
    person.forget_limits()
    person.ask_to_pay()
    assert "INR 500.00" in person.browser.find_element(By.CLASS_NAME, "details").text
    assert len(person.texts) == 1

    person.press("Send the code")
    code = person.code(2)
    assert f"{code} pays INR 500.00 to Asha Stores." in person.texts[-1]["body"]
    person.type(code=code)
    person.says("Pay INR 500.00 to Asha Stores?")
    person.press("Pay now")

    person.says("You paid INR 500.00 to Asha Stores.")
    person.browser.back()
    person.go("/account/")
    assert person.browser.find_element(By.TAG_NAME, "main").text.count("Asha Stores") == 1


def test_a_payment_by_keyboard_alone(person):
    person.sign_in()
    person.forget_limits()
    press = lambda *keys: person.browser.switch_to.active_element.send_keys(*keys)  # noqa: E731

    def tab_to(name):
        for _ in range(12):
            press(Keys.TAB)
            focused = person.browser.switch_to.active_element
            if name in (focused.get_attribute("name"), focused.text):
                outline = focused.value_of_css_property("outline-style")
                assert outline != "none", name
                return
        raise AssertionError(f"no {name} within reach")

    tab_to("payee")
    press("Asha Stores")
    tab_to("amount")
    press("12.50", Keys.ENTER)
    wait_for_path(person.browser, "/login/confirm/")
    tab_to("Send the code")
    press(Keys.ENTER)
    code = person.code(2)
    wait_for_focus(person.browser, "code")
    press(code)
    tab_to("Confirm")
    press(Keys.SPACE)
    person.says("Pay INR 12.50")
    tab_to("Pay now")
    press(Keys.ENTER)

    person.says("You paid INR 12.50")


def test_another_code_is_offered_when_the_countdown_is_over(person):
    """R-131, R-132."""
    person.go("/login/password/")
    person.type(username=person.name, password="demo")
    first = person.code()
    button = field(person.browser, "resend")
    assert not button.is_enabled()
    assert "You can ask for another in" in person.browser.find_element(By.CLASS_NAME, "resend").text
    person.forget_limits()
    person.browser.execute_script("const now = Date.now; Date.now = () => now() + 31000")
    person.says("You can ask for another code now.")

    button.click()

    person.says("The text message is on its way once more.")
    assert person.code(2) == first
    person.type(code=first)
    person.says("You are signed in")


def test_five_wrong_codes_close_it_and_a_new_one_is_offered(person):
    """V22."""
    person.go("/login/password/")
    person.type(username=person.name, password="demo")
    code = person.code()
    for left in ("4 more times", "3 more times", "2 more times", "once more", "Too many wrong codes"):
        person.type(code=wrong(code))
        person.says(left)
    assert not person.browser.find_elements(By.NAME, "code")
    person.forget_limits()
    person.go("/login/password/?step=code")
    person.browser.execute_script("const now = Date.now; Date.now = () => now() + 31000")
    person.says("You can ask for another code now.")

    person.press("Send a new code")

    person.type(code=person.code(2))
    person.says("You are signed in")


def test_an_expired_code_is_told_and_nothing_is_typed_again(person):
    """R-132."""
    person.sign_in()
    person.forget_limits()
    person.ask_to_pay()
    person.press("Send the code")
    code = person.code(2)
    person.expire()

    person.type(code=code)

    person.says("The code has expired.")
    person.forget_limits()
    person.browser.execute_script("const now = Date.now; Date.now = () => now() + 31000")
    person.says("You can ask for another code now.")
    person.press("Send a new code")
    person.type(code=person.code(3))
    person.says("Pay INR 500.00")


def test_going_back_and_loading_again_neither_send_nor_spend(person):
    """S2."""
    person.sign_in()
    person.forget_limits()
    person.ask_to_pay()
    person.press("Send the code")
    code = person.code(2)
    person.type(code=wrong(code))
    person.says("4 more times")
    at_the_code = person.browser.current_url
    for _ in range(2):
        person.browser.refresh()
    for step in ("back", "back", "back", "forward", "forward"):
        getattr(person.browser, step)()
    person.browser.get(at_the_code)
    assert len(person.texts) == 2
    person.says("4 more times")

    person.type(code=code)
    person.says("Pay INR 500.00")
    person.press("Pay now")
    person.says("You paid")
    person.browser.back()
    person.browser.refresh()
    person.go("/account/")
    assert len(person.texts) == 2
    assert person.browser.find_element(By.TAG_NAME, "main").text.count("Asha Stores") == 1


def test_a_code_may_be_pasted_with_a_space(person):
    """R-129, R-130."""
    person.go("/login/password/")
    person.type(username=person.name, password="demo")
    code = person.code()
    field(person.browser, "code").click()

    person.browser.execute_cdp_cmd("Input.insertText", {"text": f"{code[:3]} {code[3:]}"})
    person.press("Sign in")

    person.says("You are signed in")


def test_all_of_it_works_without_a_script(person):
    person.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        person.go("/login/password/")
        person.type(username=person.name, password="demo")
        field(person.browser, "resend").click()
        person.says("A code was sent a moment ago.")
        person.type(code=wrong(person.code()))
        person.says("4 more times")
        person.type(code=person.code())
        person.says("You are signed in")
        person.forget_limits()
        person.ask_to_pay()
        person.press("Send the code")
        person.type(code=person.code(2))
        person.says("Pay INR 500.00")
        person.press("Pay now")
        person.says("You paid INR 500.00")
    finally:
        person.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_number_is_changed_by_a_code_to_the_old_and_one_to_the_new(person):
    """R-030."""
    new = "+919876543999"
    person.sign_in()
    person.forget_limits()
    person.follow("Change your number")
    person.says("we text a code to +91")
    person.press("Send the code")
    person.type(code=person.code(2))
    person.says("Change your number")
    person.type(phone_number=new)
    person.type(code=person.demo.newest(new)["code"])

    person.says("Your number was changed from")
    assert len(person.texts) == 2


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 6 brought the middleware")
@pytest.mark.parametrize("path", ["/", "/login/", "/login/password/"])
def test_the_pages_live_under_a_strict_policy(path, people):
    """The ``browser`` of every other test fails where a page breaks it."""
    policy = requests.get(people.site + path, timeout=10).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
