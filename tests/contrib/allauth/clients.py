"""Somebody before allauth: with a browser, and with an app that calls the headless API."""

from __future__ import annotations

from django.test import Client


class Browser:
    """allauth's own pages."""

    def __init__(self):
        self.client = Client()

    def post(self, path, **fields):
        self.answer = self.client.post(f"/accounts/{path}/", fields)
        return self.answer

    def sign_up(self, phone):
        return self.post("signup", phone=phone)

    def verify(self, code):
        return self.post("phone/verify", code=code)

    def ask_for_code(self, phone):
        return self.post("login/code", phone=phone)

    def sign_in(self, code):
        return self.post("login/code/confirm", code=code)

    def change(self, phone):
        return self.post("phone/change", phone=phone)

    @property
    def signed_in_as(self):
        return self.client.get("/accounts/profile/").content.decode()

    @property
    def refused(self):
        """Whether the last answer was the page again, with an error."""
        return self.answer.status_code == 200 and bool(self.answer.context["form"].errors)


class App:
    """The headless API, with its session token."""

    def __init__(self):
        self.client, self.headers = Client(), {}

    def call(self, method, path, **body):
        self.answer = getattr(self.client, method)(
            f"/_allauth/app/v1/{path}", body or None, "application/json", headers=self.headers
        )
        token = self.answer.json().get("meta", {}).get("session_token")
        if token:
            self.headers = {"X-Session-Token": token}
        return self.answer

    def sign_up(self, phone):
        return self.call("post", "auth/signup", phone=phone)

    def verify(self, code):
        return self.call("post", "auth/phone/verify", code=code)

    def ask_for_code(self, phone):
        return self.call("post", "auth/code/request", phone=phone)

    def sign_in(self, code):
        return self.call("post", "auth/code/confirm", code=code)

    def change(self, phone):
        return self.call("post", "account/phone", phone=phone)

    @property
    def signed_in_as(self):
        session = self.client.get("/_allauth/app/v1/auth/session", headers=self.headers).json()
        user = session.get("data", {}).get("user") if session["meta"]["is_authenticated"] else None
        return str(user["id"]) if user else "None"

    @property
    def refused(self):
        return self.answer.status_code == 400
