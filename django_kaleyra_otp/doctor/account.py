"""What Kaleyra says when it is asked: of SID and key, of the sender, of the callback profile, of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from django.core.exceptions import ImproperlyConfigured

from django_kaleyra_otp import routing
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.doctor.findings import Finding, Health, apart, clock
from django_kaleyra_otp.kaleyra.client import (
    CallbackProfile,
    KaleyraClient,
    KaleyraError,
    NotConnected,
    Refused,
)
from django_kaleyra_otp.shapes.accounts import PODS
from django_kaleyra_otp.types import Route

#: What a callback profile's ``status`` means. Source: Kaleyra, platform API, callback profiles.
ACTIVE, AUTO_DISABLED, DISABLED = 1, 2, 3

PROFILE = "callback_profile"


def examine() -> Iterator[Finding]:
    """Yield what is found of each account in use."""
    for route in _accounts():
        yield from _account(route)


def _accounts() -> Iterator[Route]:
    """Yield one route for each account and callback profile in use."""
    seen = set()
    try:
        routes = [routing.route(entry) for entry in (routing.DEFAULT, *conf.ROUTES)]
    except ImproperlyConfigured:
        return  # told by the system checks
    for route in routes:
        account = (route.base_url, route.sid, route.api_key.reveal(), route.callback_profile_id)
        if route.base_url and route.sid and account not in seen:
            seen.add(account)
            yield route


def _account(route: Route) -> Iterator[Finding]:
    kaleyra = KaleyraClient(route.sid, route.api_key, route.base_url, route.timeout)
    before = time.time()
    try:
        senders = kaleyra.identifiers()
    except NotConnected as failure:
        mend = "Look at the network and BASE_URL."
        yield Finding("account", Health.ERROR, f"Kaleyra was not reached: {failure}", mend, route.name)
        return
    except Refused as refusal:
        if _is_silent(route, refusal):
            told = f"The host of North America tells nothing of accounts ({refusal})."
            mend = "See by manage.py kaleyra_otp_send_test whether it takes SID, API_KEY and SENDER."
            yield Finding("account", Health.WARNING, told, mend, route.name)
            yield from _clock(kaleyra, before, route)
            yield _profile(kaleyra, route)
            return
        mend = "SID and API_KEY go together. A key dies with its maker's account, and may be tied to IPs."
        yield Finding("account", Health.ERROR, f"Kaleyra refused the account: {refusal}", mend, route.name)
        yield from _clock(kaleyra, before, route)
        return
    except KaleyraError as error:
        told = f"Kaleyra gave no clear answer: {error}"
        yield Finding("account", Health.WARNING, told, "Try again.", route.name)
        return
    yield Finding("account", Health.OK, "Kaleyra accepts SID and API_KEY.", about=route.name)
    yield from _clock(kaleyra, before, route)
    if senders and route.sender not in senders:
        told = f"The account does not list the sender {route.sender}."
        yield Finding("sender", Health.WARNING, told, "Have it approved.", route.name)
    yield _profile(kaleyra, route)


def _is_silent(route: Route, refusal: Refused) -> bool:
    """Return whether a host lacks what was asked for: in North America there are ``/sms`` endpoints alone."""
    return route.base_url == PODS["na"] and refusal.http_status in (404, 405)


def _clock(kaleyra: KaleyraClient, before: float, route: Route) -> Iterator[Finding]:
    """Yield how far the clock of Kaleyra, as its last answer told it in whole seconds, is off."""
    try:
        told = parsedate_to_datetime(kaleyra.date).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return  # not told
    yield clock("kaleyra_clock", "Kaleyra's clock", apart(told, before - 1, time.time()), about=route.name)


def _profile(kaleyra: KaleyraClient, route: Route) -> Finding:
    make = "Make one: manage.py kaleyra_otp_callback_profile SITE, with this site's address."
    if not route.callback_profile_id:
        return Finding(PROFILE, Health.ERROR, "CALLBACK_PROFILE_ID is not set.", make, route.name)
    try:
        profile = kaleyra.callback_profile(route.callback_profile_id)
    except Refused as refusal:
        if _is_silent(route, refusal):
            told = f"The host of North America tells nothing of callback profiles ({refusal})."
            mend = "See in Kaleyra's console that it is on."
            return Finding(PROFILE, Health.WARNING, told, mend, route.name)
        told = f"Kaleyra does not know the profile: {refusal}"
        return Finding(PROFILE, Health.ERROR, told, make, route.name)
    except KaleyraError as error:
        told = f"The profile could not be read: {error}"
        return Finding(PROFILE, Health.WARNING, told, "Try again.", route.name)
    return _standing(profile, route.name)


def _standing(profile: CallbackProfile, about: str) -> Finding:
    on = "See to it that the webhook answers 204, then switch the profile on in Kaleyra's console."
    if profile.status == AUTO_DISABLED:
        told = "Kaleyra has switched the profile off, for its calls failed."
        return Finding(PROFILE, Health.ERROR, told, on, about)
    if profile.status == DISABLED:
        return Finding(PROFILE, Health.ERROR, "The profile is switched off.", on, about)
    if profile.url and not profile.url.startswith("https://"):
        told = "The profile calls back without TLS."
        return Finding(PROFILE, Health.WARNING, told, "Give it an https address.", about)
    return Finding(PROFILE, Health.OK, f"The profile {profile.title!r} is on.", about=about)
