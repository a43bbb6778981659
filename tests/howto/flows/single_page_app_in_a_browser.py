"""The script of the page, in Chromium."""

import shutil

import pytest
from conftest import NUMBER
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from django_kaleyra_otp.testing import last_code


@pytest.fixture
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def test_the_script_signs_in(transactional_db, live_server, django_user_model, browser):
    django_user_model.objects.create_user("asha", phone_number=NUMBER)
    browser.get(live_server.url)

    def run(script, *given):
        return browser.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"({script}).then((said) => done({{said}}), (refused) => done({{refused}}))",
            *given,
        )

    challenge = run("sendCode(arguments[0])", NUMBER)["said"]
    code = last_code(NUMBER)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    refused = run("signIn(arguments[0], arguments[1])", challenge, wrong)["refused"]
    assert (refused["code"], refused["attempts_left"]) == ("invalid_code", 4)
    assert run("signIn(arguments[0], arguments[1])", challenge, code)["said"] == {"user": "asha"}

    # signed in, and with the new cookie of the sign-in
    assert run("sendCode(arguments[0])", "+971501234568")["said"]["status"] == "pending"
