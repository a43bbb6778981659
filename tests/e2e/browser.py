"""Headless Chromium, and what a person does with it."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
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


def field(browser, name):
    """Wait for a field of this name."""
    return WebDriverWait(browser, PATIENCE).until(lambda driver: driver.find_element(By.NAME, name))


def wait_for_text(browser, text):
    """Wait until a page says this."""
    WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException]).until(
        lambda driver: text in driver.find_element(By.TAG_NAME, "body").text, f"no page says {text!r}"
    )


def wait_for_path(browser, path):
    """Wait until the address is of this path."""
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.current_url.split("/", 3)[3].split("?")[0] == path.lstrip("/")
    )


def axe_source() -> str | None:
    """Return axe-core, which axe-selenium-python carries, or None where that is not installed."""
    spec = importlib.util.find_spec("axe_selenium_python")
    found = Path(spec.origin).parent.glob("node_modules/axe-core/axe.min.js") if spec and spec.origin else ()
    return next((path.read_text() for path in found), None)
