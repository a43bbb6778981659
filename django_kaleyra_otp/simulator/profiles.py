"""Callback profiles: whom Kaleyra calls, how, and with which words; and the platform calls on them.

The owner of a profile writes its request; Kaleyra fills in ``<variable>``. Sources: Kaleyra's pages on
callback profiles ("Create", "Get", "Update", "Delete a Callback Profile by ID"), whose answers these are;
the answers to create, update and list were not printed there and follow the others.
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django_kaleyra_otp.simulator.wire import FORM, JSON, Answer, as_json

ACTIVE, AUTO_DISABLED, DISABLED = 1, 2, 3
METHODS = ("GET", "POST", "PUT", "DELETE")
TITLE = re.compile(r"[A-Za-z0-9 _-]{3,}")
LINE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
SECRET_HEADER = "X-Kaleyra-Otp-Secret"  # noqa: S105  the header's name

# "Create an SMS Callback Profile …", the fields of use to a sender of SMS.
SHAPE_1 = {
    "description": "<description>",
    "id": "<id>",
    "kid": "<kid>",
    "recipient": "<recipient>",
    "source": "<source>",
    "status": "<status>",
    "status_trace": "<status_trace>",
    "timestamp": "<timestamp>",
}
# As a live profile for outgoing SMS posts them.
SHAPE_2 = {
    "message_id": "<message_id>",
    "status": "<status>",
    "to": "<to>",
    "sent_time": "<sent_time>",
    "delivered_time": "<delivered_time>",
}
SHAPE_3 = "id=<message_id>&status=<status>&status_trace=<status_trace>&recipient=<to>&timestamp=<timestamp>"

DEFAULT_PROFILE_ID = "IN_00000000-0000-4000-8000-000000000001"
SHAPE_2_PROFILE_ID = "IN_00000000-0000-4000-8000-000000000002"
FORM_PROFILE_ID = "IN_00000000-0000-4000-8000-000000000003"


@dataclass(slots=True, kw_only=True)
class Profile:
    """One callback profile.

    For GET and DELETE the placeholders stand in the query of ``url``, for POST and PUT in ``body``, which
    goes out as a form where the profile's own Content-Type header says so. ``failures`` counts callbacks
    given up in a row. ``token_url``, ``client_id`` and ``client_secret`` are for the Bearer flow.
    """

    profile_id: str
    title: str
    url: str
    http_method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: Any = field(default_factory=lambda: dict(SHAPE_1))
    response_message: str = ""
    enc: dict[str, str] = field(default_factory=dict, repr=False)
    channel: str = "sms"
    events: str = ""
    token_url: str = ""
    client_id: str = "simulator"
    client_secret: str = field(default="simulator", repr=False)
    status: int = ACTIVE
    failures: int = 0
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified_at: datetime | None = None

    def __post_init__(self) -> None:
        if faults := check(self.as_settings()):
            raise ValueError("; ".join(faults))

    @property
    def is_form(self) -> bool:
        return any(name.lower() == "content-type" and FORM in value for name, value in self.headers.items())

    @property
    def credentials(self) -> dict[str, str]:
        """The headers that are no Content-Type: what the receiver may know Kaleyra by."""
        return {name: value for name, value in self.headers.items() if name.lower() != "content-type"}

    def as_settings(self) -> dict[str, Any]:
        """What its owner may set, by Kaleyra's names."""
        return {name: getattr(self, name) for name in SETTINGS}

    def as_kaleyra(self) -> dict[str, Any]:
        """As Kaleyra prints it: headers and body are JSON inside strings."""
        return {
            "profile_id": self.profile_id,
            "title": self.title,
            "url": self.url,
            "http_method": self.http_method,
            "headers": as_json(self.headers).decode(),
            "body_type": None,
            "body": as_json(self.body).decode(),
            "status": self.status,
            "created_at": _stamp(self.created_at),
            "modified_at": _stamp(self.modified_at) if self.modified_at else None,
            "enc": self.enc,
            "response_message": self.response_message,
            "channel": self.channel,
            "events": self.events,
        }


SETTINGS = (
    "title",
    "http_method",
    "url",
    "body",
    "response_message",
    "headers",
    "enc",
    "channel",
    "events",
    "status",
)


def ready(url: str, secret: str) -> list[Profile]:
    """The three ready profiles, all POST to ``url`` with the secret in a header."""
    headers = {SECRET_HEADER: secret}
    return [
        Profile(profile_id=DEFAULT_PROFILE_ID, title="Shape 1 JSON", url=url, headers=headers),
        Profile(
            profile_id=SHAPE_2_PROFILE_ID, title="Shape 2 JSON", url=url, headers=headers, body=dict(SHAPE_2)
        ),
        Profile(
            profile_id=FORM_PROFILE_ID,
            title="Shape 1 form",
            url=url,
            headers={**headers, "Content-Type": FORM},
        ),
    ]


def profile(settings: Mapping[str, Any]) -> Profile:
    """Make a profile of plain data with the names of Profile's fields; ``profile_id`` may be left out.

    Raises ValueError for a name or value that is no good.
    """
    allowed = {*SETTINGS, "profile_id", "token_url", "client_id", "client_secret"}
    if unknown := set(settings) - allowed:
        raise ValueError(f"a callback profile has no {', '.join(sorted(unknown))}")
    if missing := {"title", "url"} - set(settings):
        raise ValueError(f"a callback profile needs {' and '.join(sorted(missing))}")
    return Profile(**{"profile_id": f"IN_{uuid.uuid4()}", **_unpacked(settings)})


def check(settings: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the settings of a profile; nothing, if nothing is."""
    faults = []
    if not _is_text(settings.get("title", "Title"), TITLE):
        faults.append("title: 3 or more of letters, digits, space, hyphen and underscore")
    if settings.get("http_method", "POST") not in METHODS:
        faults.append(f"http_method: one of {', '.join(METHODS)}")
    if not _is_url(settings.get("url", "http://localhost/")):
        faults.append("url: an http or https URL")
    headers = settings.get("headers", {})
    if not (
        isinstance(headers, dict) and all(_is_text(text, LINE) for pair in headers.items() for text in pair)
    ):
        faults.append("headers: an object of one-line texts")
    if not isinstance(settings.get("body", {}), dict):
        faults.append("body: a JSON object")
    if settings.get("status", ACTIVE) not in (ACTIVE, AUTO_DISABLED, DISABLED):
        faults.append("status: 1, 2 or 3")
    return faults


def create(profiles: dict[str, Profile], settings: Mapping[str, Any]) -> Answer:
    """POST /callback/profiles."""
    try:
        new = profile({name: value for name, value in settings.items() if name in SETTINGS})
    except ValueError as error:
        return _platform(400, "X606", "Invalid callback profile", {}, [{"params": str(error)}])
    profiles[new.profile_id] = new
    return _platform(200, "RBC103", "Profile created successfully", new.as_kaleyra())


def fetch_all(profiles: dict[str, Profile], parameters: Mapping[str, str]) -> Answer:
    """GET /callback/profiles?limit=25&offset=0&title=…"""
    limit, offset = parameters.get("limit", "25"), parameters.get("offset", "0")
    if not (limit.isdecimal() and offset.isdecimal()):
        return _platform(400, "X607", "Invalid limit or offset", {}, [{"params": "limit, offset: digits"}])
    title = parameters.get("title", "").lower()
    found = [one.as_kaleyra() for one in profiles.values() if title in one.title.lower()]
    page = found[int(offset) : int(offset) + int(limit)]
    return _platform(200, "RBC024", "Profiles fetched successfully", page)


def fetch(profiles: dict[str, Profile], profile_id: str) -> Answer:
    """GET /callback/profiles/<id>."""
    if profile_id not in profiles:
        return _unknown(profile_id)
    return _platform(200, "RBC024", "Profile fetched successfully", profiles[profile_id].as_kaleyra())


def update(profiles: dict[str, Profile], profile_id: str, settings: Mapping[str, Any]) -> Answer:
    """PATCH /callback/profiles/<id>: only what is named changes; a status of 1 forgives all failures."""
    if profile_id not in profiles:
        return _unknown(profile_id)
    changes = _unpacked({name: value for name, value in settings.items() if name in SETTINGS})
    if faults := check(changes):
        return _platform(400, "X606", "Invalid callback profile", {}, [{"params": "; ".join(faults)}])
    changed = profiles[profile_id]
    for name, value in changes.items():
        setattr(changed, name, value)
    if changes.get("status") == ACTIVE:
        changed.failures = 0
    changed.modified_at = datetime.now(UTC)
    return _platform(200, "RBC024", "Profile updated successfully", changed.as_kaleyra())


def delete(profiles: dict[str, Profile], profile_id: str) -> Answer:
    """DELETE /callback/profiles/<id>."""
    if profiles.pop(profile_id, None) is None:
        return _unknown(profile_id)
    return _platform(200, "RBC024", "Profile deleted successfully", {"profileId": profile_id})


def _unknown(profile_id: str) -> Answer:
    error = [{"params": f"No profile exists with id: {profile_id}"}]
    return _platform(404, "RBC302", "No profile exists with this id", {}, error)


def _platform(status: int, code: str, message: str, data: object, error: object = None) -> Answer:
    body = {
        "code": code,
        "message": message,
        "data": data,
        "error": {} if error is None else error,
        "status": status,
    }
    return Answer(status, as_json(body), content_type=JSON)


def _unpacked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Read headers and body that come as JSON inside strings, and the method in any case."""
    found = dict(settings)
    for name in ("headers", "body"):
        if isinstance(text := found.get(name), str):
            try:
                found[name] = json.loads(text) if text.strip() else {}
            except (ValueError, RecursionError):
                continue  # still a text: check() says so
    if isinstance(method := found.get("http_method"), str):
        found["http_method"] = method.upper()
    return found


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_url(url: object) -> bool:
    try:
        return (
            isinstance(url, str)
            and urlsplit(url).scheme in ("http", "https")
            and bool(urlsplit(url).hostname)
        )
    except ValueError:
        return False


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
