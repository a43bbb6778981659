"""What keeps codes from arriving: settings, credentials, the callback profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from django_kaleyra_otp import routing
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.kaleyra.client import (
    CallbackProfile,
    KaleyraClient,
    KaleyraError,
    NotConnected,
    Refused,
)
from django_kaleyra_otp.types import Route

KALEYRA_BACKEND = "django_kaleyra_otp.backends.kaleyra.KaleyraBackend"

#: What a callback profile's ``status`` means. Source: Kaleyra, platform API, callback profiles.
ACTIVE, AUTO_DISABLED, DISABLED = 1, 2, 3


class Health(StrEnum):
    """How a finding is: ``ok``, worth a look, or in the way of codes."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``mend`` is what to do, or ""."""

    name: str
    health: Health
    detail: str
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        return asdict(self)


def examine(*, deploy: bool = True, offline: bool = False) -> Iterator[Finding]:
    """Yield every finding; ``offline`` leaves Kaleyra alone, ``deploy`` asks the checks for production too.

    Nothing is sent: Kaleyra is asked for the list of sender ids and for the callback profile.
    """
    yield from _settings(deploy)
    if conf.BACKEND != KALEYRA_BACKEND:
        yield Finding("backend", Health.WARNING, f"{conf.BACKEND} does not send through Kaleyra.")
    elif not offline:
        for route in _accounts():
            yield from _account(route)


def _settings(deploy: bool) -> Iterator[Finding]:
    found = checks.run_checks(tags=["kaleyra_otp"], include_deployment_checks=deploy)
    for message in found:
        health = Health.ERROR if message.level >= checks.ERROR else Health.WARNING
        yield Finding("settings", health, f"{message.id}: {message.msg}", message.hint or "")
    if not found:
        yield Finding("settings", Health.OK, "The system checks find nothing.")


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
    name = f"account {route.name}"
    try:
        senders = kaleyra.identifiers()
    except NotConnected as failure:
        yield Finding(
            name, Health.ERROR, f"Kaleyra was not reached: {failure}", "Look at the network and BASE_URL."
        )
        return
    except Refused as refusal:
        mend = "SID and API_KEY go together. A key dies with its maker's account, and may be tied to IPs."
        yield Finding(name, Health.ERROR, f"Kaleyra refused the account: {refusal}", mend)
        return
    except KaleyraError as error:
        yield Finding(name, Health.WARNING, f"Kaleyra gave no clear answer: {error}", "Try again.")
        return
    yield Finding(name, Health.OK, "Kaleyra accepts SID and API_KEY.")
    if senders and route.sender not in senders:
        yield Finding(
            name, Health.WARNING, f"The account does not list the sender {route.sender}.", "Have it approved."
        )
    yield _profile(kaleyra, route)


def _profile(kaleyra: KaleyraClient, route: Route) -> Finding:
    name = f"callback profile {route.name}"
    make = "Make one: manage.py kaleyra_otp_callback_profile."
    if not route.callback_profile_id:
        return Finding(name, Health.ERROR, "CALLBACK_PROFILE_ID is not set.", make)
    try:
        profile = kaleyra.callback_profile(route.callback_profile_id)
    except Refused as refusal:
        return Finding(name, Health.ERROR, f"Kaleyra does not know the profile: {refusal}", make)
    except KaleyraError as error:
        return Finding(name, Health.WARNING, f"The profile could not be read: {error}", "Try again.")
    return _standing(name, profile)


def _standing(name: str, profile: CallbackProfile) -> Finding:
    mend = "See to it that the webhook answers 204, then switch the profile on in Kaleyra's console."
    if profile.status == AUTO_DISABLED:
        return Finding(
            name, Health.ERROR, "Kaleyra has switched the profile off, for its calls failed.", mend
        )
    if profile.status == DISABLED:
        return Finding(name, Health.ERROR, "The profile is switched off.", mend)
    if profile.url and not profile.url.startswith("https://"):
        return Finding(
            name, Health.WARNING, "The profile calls back without TLS.", "Give it an https address."
        )
    return Finding(name, Health.OK, f"The profile {profile.title!r} is on.")
