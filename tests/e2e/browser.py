"""Headless Chromium, and what a person does with it."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.demo import PATIENCE

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium with its chromedriver"),
]


def start_chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in FLAGS.split():
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(DRIVER))


def wait_for(browser, condition, message=""):
    """Wait until a condition holds, and return what it gave.

    A page that is just being left may answer with any error, and that is a no like another.
    """
    wait = WebDriverWait(browser, PATIENCE, 0.1, ignored_exceptions=[WebDriverException])
    return wait.until(lambda driver: condition(), message)


def wait_for_one(browser, by, selector):
    """Wait for an element."""
    return wait_for(browser, lambda: browser.find_element(by, selector), f"no page has {selector!r}")


def field(browser, name):
    """Wait for a field of this name."""
    return wait_for_one(browser, By.NAME, name)


def wait_for_focus(browser, name):
    """Wait until the field of this name has the focus, and return it."""
    wait_for(
        browser,
        lambda: browser.switch_to.active_element.get_attribute("name") == name,
        f"{name} has no focus",
    )
    return field(browser, name)


def wait_for_text(browser, text):
    """Wait until a page says this."""
    wait_for(
        browser, lambda: text in browser.find_element(By.TAG_NAME, "body").text, f"no page says {text!r}"
    )


def wait_for_path(browser, path):
    """Wait until the address is of this path."""
    wait_for(browser, lambda: urlsplit(browser.current_url).path == path, f"no page is at {path}")


def axe_source() -> str | None:
    """Return axe-core, which axe-selenium-python carries, or None where that is not installed."""
    spec = importlib.util.find_spec("axe_selenium_python")
    found = Path(spec.origin).parent.glob("node_modules/axe-core/axe.min.js") if spec and spec.origin else ()
    return next((path.read_text() for path in found), None)
