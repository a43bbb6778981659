"""Somebody before two-factor's pages."""

from __future__ import annotations

from bs4 import BeautifulSoup
from django.contrib.messages import get_messages
from django.test import Client

LOGIN, SETUP = "/account/login/", "/account/two_factor/setup/"
FURTHER = "/account/two_factor/phone/register/"


class Person:
    """One browser, and what it shows."""

    def __init__(self, user=None):
        self.client = Client()
        if user:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def look(self, url):
        self.answer = self.client.get(url)
        return self

    def give(self, url, view, step, **fields):
        """Fill in one step of a wizard."""
        given = {f"{step}-{name}": value for name, value in fields.items()}
        self.answer = self.client.post(url, {f"{view}-current_step": step, **given})
        return self

    def sign_in(self, password="a password"):
        return self.look(LOGIN).give(LOGIN, "login_view", "auth", username="asha", password=password)

    def give_code(self, code):
        return self.give(LOGIN, "login_view", "token", otp_token=code)

    def set_up(self, step, **number):
        """Go through the set-up up to the code; ``step`` is the one that asks for the number."""
        self.look(SETUP).give(SETUP, "setup_view", "welcome")
        self.give(SETUP, "setup_view", "method", method="sms")
        return self.give(SETUP, "setup_view", step, **number)

    def validate(self, code):
        return self.give(SETUP, "setup_view", "validation", token=code)

    @property
    def step(self):
        return self.answer.context["wizard"]["steps"].current

    @property
    def text(self):
        return " ".join(BeautifulSoup(self.answer.content, "html.parser").get_text(" ").split())

    @property
    def told(self):
        return [str(message) for message in get_messages(self.answer.wsgi_request)]

    @property
    def may_see_the_secret(self):
        return self.client.get("/secret/").status_code == 200
