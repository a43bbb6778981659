"""Find a number as staff use it: its pages, and what stands on them."""

from __future__ import annotations

import re
from html import unescape

from bs4 import BeautifulSoup
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from django_kaleyra_otp.backends.locmem import LocMemBackend
from django_kaleyra_otp.exceptions import DeliveryUnknown
from django_kaleyra_otp.types import Pulled
from tests.staff import NUMBER, visit


class Telling(LocMemBackend):
    """Says of every message that it arrived."""

    def pull(self, message_ids, route):
        return [Pulled(message_id=each, status="DELIVRD", trace="") for each in message_ids]


class Mute(LocMemBackend):
    """Gives no answer."""

    def pull(self, message_ids, route):
        raise DeliveryUnknown


FIND = "/admin/kaleyra_otp/otpchallenge/find/"


def find(client, number=NUMBER, **row):
    return client.post(FIND, row or {"phone_number": number})


def act(client, name, **row):
    return client.post(f"{FIND}{name}/", row)


def confirm(client, name, **row):
    """Confirm an action, and return the page that it leads to."""
    return client.post(f"{FIND}{name}/", {**row, "confirmed": "yes"}, follow=True)


def press(client, response, words):
    """Press the button with these words on a page, and return the page that it leads to."""
    for form in BeautifulSoup(response.content, "html.parser").find_all("form"):
        for button in form.find_all("button"):
            if words in button.get_text():
                fields = {
                    each["name"]: each.get("value", "")
                    for each in form.find_all("input", attrs={"name": True})
                }
                if button.get("name"):
                    fields[button["name"]] = button["value"]
                url = form.get("action") or response.request["PATH_INFO"]
                return client.post(url, fields, follow=True)
    raise AssertionError(f"no button {words!r}")


def allow(*codenames):
    """A client signed in as staff with these permissions alone."""
    client = visit("nobody")
    user = get_user_model().objects.get(username="nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return client


def offered(response) -> list[str]:
    return [action.name for action, _kind, _pk in response.context["actions"]]


def verdict(response) -> str:
    """The box at the top, as a person reads it."""
    html = response.content.decode()
    box = html[html.index("kaleyra-verdict") :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", box[: box.index("</section>")]))).strip()
