"""A person before the demonstration, with a phone, a password and a browser."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import field, wait_for_one, wait_for_path, wait_for_text
from tests.e2e.demo import PATIENCE, Demo, running

#: One customer a test, so that none waits for another's cool-down.
NUMBERS = {f"c{n:02}": f"+9198765431{n:02}" for n in range(30)}
PEOPLE = f"""
from django.contrib.auth.hashers import make_password
from shop.models import Customer
password = make_password("demo")
Customer.objects.bulk_create(
    Customer(username=name, phone_number=number, password=password) for name, number in {NUMBERS!r}.items()
)
"""


@contextmanager
def running_with_people(folder) -> Iterator[Demo]:
    """A demonstration that ``Person`` can walk through, until the block ends."""
    with running(folder) as demo:
        demo.manage("shell", "-c", PEOPLE)
        demo.names = iter(NUMBERS)
        yield demo


class Person:
    """Somebody with a phone, a password and a browser."""

    def __init__(self, demo, browser):
        self.demo, self.browser = demo, browser
        self.name = next(demo.names)
        self.number = NUMBERS[self.name]

    def go(self, path):
        self.browser.get(self.demo.site + path)

    def type(self, **fields):
        """Fill fields in, and press Enter in the last."""
        for name, text in fields.items():
            found = field(self.browser, name)
            found.clear()
            found.send_keys(text)
        found.send_keys(Keys.ENTER)

    def press(self, text):
        wait_for_one(self.browser, By.XPATH, f"//button[normalize-space()='{text}']").click()

    def follow(self, text):
        wait_for_one(self.browser, By.LINK_TEXT, text).click()

    @property
    def texts(self):
        """The SMS that his phone got."""
        return self.demo.messages(self.number)

    def code(self, count=1):
        """Wait for so many SMS, and for the form that asks for it; returns the newest's code."""
        code = self.demo.newest(self.number, lambda sms: len(self.texts) >= count)["code"]
        field(self.browser, "code")  # the SMS may be there before the page is
        return code

    def sign_in(self):
        """With the number, by code."""
        self.go("/login/")
        self.type(phone_number=self.number)
        self.type(code=self.code())
        wait_for_path(self.browser, "/account/")

    def ask_to_pay(self, payee="Asha Stores", amount="500"):
        """Fill in the form on the account page; ends where a code is offered."""
        self.type(payee=payee, amount=amount)
        wait_for_path(self.browser, "/login/confirm/")

    def forget_limits(self):
        """Let the cool-down and all limits be over."""
        self.execute("DELETE FROM kaleyra_otp_ratelimit")

    def expire(self):
        """Let the time of his codes be over."""
        self.execute(
            "UPDATE kaleyra_otp_otpchallenge SET expires_at = '2020-01-01 00:00' WHERE phone_number = ?",
            self.number,
        )

    def execute(self, sql, *parameters):
        """Change the demonstration's database behind its back."""
        path = self.demo.environment["DATABASE_URL"].removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as database, database:
            database.execute(sql, parameters)

    def says(self, text):
        wait_for_text(self.browser, text)
