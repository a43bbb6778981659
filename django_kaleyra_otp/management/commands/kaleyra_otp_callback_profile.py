"""``manage.py kaleyra_otp_callback_profile``."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import NoReverseMatch, reverse

from django_kaleyra_otp import routing
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.kaleyra.callbacks import profile_template
from django_kaleyra_otp.kaleyra.client import AnswerLost, KaleyraClient, KaleyraError
from django_kaleyra_otp.shapes.accounts import DEFAULT_ROUTE, RouteEntry, is_loopback

HEADER = "X-Kaleyra-Otp-Secret"


class Command(BaseCommand):
    """Says what to paste into Kaleyra's form, or has Kaleyra make the profile."""

    help = "Print what to paste into Kaleyra's form for a callback profile, or --create it."
    requires_system_checks = []  # CALLBACK_PROFILE_ID is not known yet

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the site's address, a title, a route, ``--create`` and ``--show-secret``."""
        parser.add_argument(
            "site",
            nargs="?",
            help="the site's address as Kaleyra sees it, such as https://shop.example; --create needs it",
        )
        parser.add_argument("--title", default="django-kaleyra-otp", help="the profile's name at Kaleyra")
        parser.add_argument(
            "--route",
            default=DEFAULT_ROUTE,
            metavar="NAME",
            help="for the account of this route, by its NAME in ROUTES; default %(default)s",
        )
        parser.add_argument("--create", action="store_true", help="have Kaleyra make it now")
        parser.add_argument("--show-secret", action="store_true", help="print WEBHOOK_SECRET in clear")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print or create."""
        try:
            self._print_or_create(**options)
        except ImproperlyConfigured as wrong:
            raise CommandError(str(wrong)) from None

    def _print_or_create(self, **options: Any) -> None:
        if options["create"] and not options["site"]:
            raise CommandError("Give the site's address, such as https://shop.example.")
        url = self._url(options["site"] or "https://your-site.example")
        entry = self._entry(options["route"])
        if not conf.WEBHOOK_SECRET:
            raise CommandError("KALEYRA_OTP['WEBHOOK_SECRET'] is not set: 32 characters or more.")
        if options["create"]:
            self._create(url, options["title"], entry)
            return
        secret = conf.WEBHOOK_SECRET[0].reveal() if options["show_secret"] else "<your WEBHOOK_SECRET>"
        self.stdout.write(
            "In Kaleyra's console: profile menu, Callback Profiles, Add New.\n\n"
            f"Title:    {options['title']}\n"
            "Channel:  SMS\n"
            "Method:   POST\n"
            f"URL:      {url}\n"
            f"Header:   {HEADER}: {secret}\n"
            "Body:\n"
            f"{json.dumps(profile_template(), indent=2)}\n\n"
            "Do not add <message> to the body: it is the text of the SMS, with the code in it.\n"
            f"Then set {self._setting(entry)} to the id that Kaleyra shows."
        )

    def _url(self, site: str) -> str:
        parts = urlsplit(site)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise CommandError("Give the site's address, such as https://shop.example.")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            self.stderr.write("By http:// the secret of each callback can be read on its way: use https://.")
        for name in ("kaleyra_otp:webhook", "kaleyra_otp_webhook:webhook"):
            try:
                return f"{parts.scheme}://{parts.netloc}{reverse(name)}"
            except NoReverseMatch:
                continue
        raise CommandError(
            "The webhook is in no URLconf, or in a namespace: include django_kaleyra_otp.urls."
        )

    def _entry(self, name: str) -> RouteEntry:
        entries = {entry.name: entry for entry in (routing.DEFAULT, *conf.ROUTES)}
        if name not in entries:
            raise CommandError(f"There is no route {name!r}; there are: {', '.join(entries)}.")
        return entries[name]

    def _setting(self, entry: RouteEntry) -> str:
        if entry is routing.DEFAULT:
            return "KALEYRA_OTP['CALLBACK_PROFILE_ID']"
        return f"CALLBACK_PROFILE_ID of the route {entry.name!r} in KALEYRA_OTP['ROUTES']"

    def _create(self, url: str, title: str, entry: RouteEntry) -> None:
        route = routing.route(entry)
        kaleyra = KaleyraClient(route.sid, route.api_key, route.base_url, route.timeout)
        try:
            profile = kaleyra.create_callback_profile(
                title=title, url=url, headers={HEADER: conf.WEBHOOK_SECRET[0]}, channel="sms"
            )
        except AnswerLost as loss:
            raise CommandError(
                f"Kaleyra gave no clear answer ({loss}). It may exist: look in the console."
            ) from None
        except KaleyraError as error:
            raise CommandError(f"Kaleyra did not make the profile: {error}") from None
        self.stdout.write(f"Made. Set {self._setting(entry)} = {profile.id!r}")
