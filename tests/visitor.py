"""Somebody before the sign-in pages, and a record of all that he can tell."""

import re
from datetime import timedelta

from bs4 import BeautifulSoup
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.utils import timezone

from django_kaleyra_otp import challenges, delivery, phones
from django_kaleyra_otp.login import pending
from django_kaleyra_otp.models import OTPChallenge, RateLimit, SendLog
from tests.conftest import wrong

URL = "/login/"
CODE_URL = "/login/?step=code"
PROFILE = "/accounts/profile/"
#: Nobody's number, written as long as NUMBER.
UNKNOWN = "+919812345678"


class Visitor:
    """Somebody with a browser: one cookie jar, and what he sees."""

    def __init__(self, **extra):
        self.client = Client(**extra)
        self.answer = None

    def look(self, url=URL):
        self.answer = self.client.get(url)
        return self

    def give_number(self, phone_number, **more):
        self.answer = self.client.post(URL, {"phone_number": phone_number, **more})
        return self

    def give_code(self, code, **more):
        self.answer = self.client.post(CODE_URL, {"code": code, **more})
        return self

    def resend(self):
        self.answer = self.client.post(CODE_URL, {"resend": "1"})
        return self

    def follow(self):
        """Go where the last answer sent the browser."""
        self.answer = self.client.get(self.answer.url)
        return self

    @property
    def page(self):
        return BeautifulSoup(self.answer.content, "html.parser")

    @property
    def text(self):
        return " ".join(self.page.main.get_text(" ").split())

    @property
    def signed_in_as(self):
        return self.client.session.get(SESSION_KEY)


def the_challenge():
    return OTPChallenge.objects.latest("created_at")


def expire():
    OTPChallenge.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def forget_limits():
    RateLimit.objects.all().delete()


TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')


def unmarked(content):
    """Return a page without what differs between any two loads of it: the CSRF token, the seconds to wait."""
    return re.sub(rb'data-seconds="\d+"|\d+ seconds?', b"", TOKEN.sub(b"", content))


def attributes(cookie):
    """Return a cookie without its value, and without the moment at which it ends."""
    return {name: value for name, value in cookie.items() if name != "expires"}


class Record:
    """All that one visitor can tell of his answers, the number and its mask taken out."""

    def __init__(self, phone_number):
        forget_limits()
        self.number, self.visitor, self.seen = phone_number, Visitor(), []

    def do(self, *deeds):
        for deed in deeds:
            deed(self)
            self.note()
        return self

    def note(self):
        answer, session = self.visitor.answer, self.visitor.client.session
        content = unmarked(answer.content).replace(phones.mask(self.number).encode(), b"")
        headers = {
            name: value for name, value in answer.headers.items() if name not in ("Content-Length", "Expires")
        }
        kept = dict(session.get(pending.SESSION_KEY, {}))
        self.seen.append(
            {
                "status": answer.status_code,
                "headers": headers,
                "page": content.replace(self.number.encode(), b""),
                "cookies": {name: attributes(cookie) for name, cookie in sorted(answer.cookies.items())},
                "session": sorted(session.keys()),
                "kept": {name: len(value) for name, value in kept.items() if isinstance(value, str)},
                "notice": kept.get("notice"),
                "names": list(kept),
            }
        )
        if answer.status_code == 302:
            self.visitor.follow()
            self.note()

    @property
    def challenge(self):
        return OTPChallenge.objects.filter(phone_number=self.number).latest("created_at")


def number_given(record):
    record.visitor.give_number(record.number)


def number_given_with_next(record):
    record.visitor.give_number(record.number, next="/cart/")


def wrong_code_given(record):
    code = delivery.code_of(record.challenge).reveal()
    sent = SendLog.objects.filter(challenge=record.challenge).exists()
    record.visitor.give_code(wrong(code) if sent else code)  # to a decoy, even what would be its code


def no_code_given(record):
    record.visitor.give_code("12")


def resent(record):
    record.visitor.resend()


def resent_later(record):
    forget_limits()
    record.visitor.resend()


def expired(record):
    expire()
    record.visitor.look(CODE_URL)


def canceled(record):
    challenges.cancel(record.challenge.pk)
    record.visitor.look(CODE_URL)


def looked_at(record):
    record.visitor.look()
