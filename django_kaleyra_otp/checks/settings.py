"""What the settings say, and lead to. Their shapes and ranges are their own; no check shows a value."""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_kaleyra_otp import lookup, messages, queues, routing
from django_kaleyra_otp.checks import databases
from django_kaleyra_otp.checks.catalogue import tell
from django_kaleyra_otp.conf import conf, given, known
from django_kaleyra_otp.shapes import PODS, Message, RouteEntry, is_loopback, load

#: Different characters of a secret, at least: 32 random ones of any alphabet in use have more.
MIN_VARIETY = 8
#: What stands in the secrets of examples.
_SAMPLE = re.compile(r"(?i)(change|replace).?me|example|insecure|sample|your[-_]|^(.)\2*$|^[0-9]{1,12}$")

OURS = "django_kaleyra_otp.backends."
KALEYRA = f"{OURS}kaleyra.KaleyraBackend"
SILENT = (f"{OURS}console.ConsoleBackend", f"{OURS}locmem.LocMemBackend", f"{OURS}dummy.DummyBackend")
PHONE_BACKEND = "django_kaleyra_otp.login.backends.PhoneBackend"

MAKE_ONE = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
#: How the secrets of the simulator begin.
SIMULATOR = "simulator-"

INDIA = "+91"
#: Stands for a number that no prefix of any entry fits: no country code begins with 0.
ELSEWHERE = "+0"
#: The account keys, by their name in a Route.
ACCOUNT = {
    "SID": "sid",
    "API_KEY": "api_key",
    "SENDER": "sender",
    "CALLBACK_PROFILE_ID": "callback_profile_id",
    "POD": "base_url",
}
PROFILE_ID = re.compile(r"[A-Z]{2}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
#: Releases of phonenumbers and the day each was built, newest last: what is no newer than one of
#: them is no younger. Source: the dates inside the wheels on PyPI.
RELEASES = (
    ((9, 0, 0), dt.date(2025, 3, 4)),
    ((9, 0, 24), dt.date(2026, 2, 13)),
    ((9, 0, 43), dt.date(2026, 11, 6)),
)


@register("kaleyra_otp")
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Check the settings, and what they lead to. What reads them waits until their shapes hold."""
    found = list(_shapes())
    checks = (
        _keys,
        _secrets,
        _paths,
        _accounts,
        _texts,
        _reach,
        _user_phone,
        databases.complaints,
        _numbering,
    )
    return [*found, *itertools.chain.from_iterable(check() for check in checks if _readable(found))]


@register("kaleyra_otp", deploy=True)
def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Check what must not be in production."""
    return list(_deployment()) if _readable(list(_shapes())) else []


def _readable(found: list[CheckMessage]) -> bool:
    return all(message.id == "kaleyra_otp.E002" for message in found)


def _shapes() -> Iterator[CheckMessage]:
    """E001 to E003."""
    if not isinstance(getattr(settings, "KALEYRA_OTP", {}), dict):
        yield tell("E001", "KALEYRA_OTP is not a dict.", "Write KALEYRA_OTP = {...} in your settings.")
        return
    for key, value in given().items():
        setting = known().get(key)
        if setting is None:
            near = difflib.get_close_matches(str(key).upper(), known(), 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The keys are: {', '.join(known())}."
            yield tell("E002", f"KALEYRA_OTP has a key that nobody reads: {key!r}.", hint)
        elif wrong := setting.complaint(value):
            if value is None:
                wrong = f"is None, as is an environment variable that is not set; it {wrong}"
            yield tell("E003", setting.sentence(wrong), setting.doc)


def _keys() -> Iterator[CheckMessage]:
    """E005, E006."""
    if not conf.ALLOWED_COUNTRIES:
        what = "KALEYRA_OTP['ALLOWED_COUNTRIES'] is not set: nothing is sent."
        yield tell("E005", what, known()["ALLOWED_COUNTRIES"].doc)
    if not conf.WEBHOOK_SECRET:
        what = "KALEYRA_OTP['WEBHOOK_SECRET'] is not set: every callback is refused."
        yield tell("E006", what, MAKE_ONE)


def _secrets() -> Iterator[CheckMessage]:
    """E012, E018."""
    for name, secrets in (("CODE_KEY", conf.CODE_KEY), ("WEBHOOK_SECRET", conf.WEBHOOK_SECRET)):
        for secret in secrets:
            if len(set(secret.reveal())) < MIN_VARIETY or _SAMPLE.search(secret.reveal()):
                yield tell("E018", f"KALEYRA_OTP[{name!r}] holds a secret that can be guessed.", MAKE_ONE)
    try:
        django: set[Any] = {settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS}
    except ImproperlyConfigured:  # empty: Django's own checks say so
        django = set()
    uses = {
        "SECRET_KEY": django,
        "KALEYRA_OTP['CODE_KEY']": {key.reveal() for key in conf.CODE_KEY},
        "KALEYRA_OTP['WEBHOOK_SECRET']": {secret.reveal() for secret in conf.WEBHOOK_SECRET},
        "KALEYRA_OTP['API_KEY']": {conf.API_KEY.reveal()},
    }
    for (one, its), (other, others) in itertools.combinations(uses.items(), 2):
        if its & others:
            yield tell("E012", f"{one} and {other} share a secret.", "Make a new one for each use.")


def _paths() -> Iterator[CheckMessage]:
    """E007, E019."""
    if lacking := queues.lacking():
        yield tell("E019", f"The queue of KALEYRA_OTP['DISPATCH'] is not there: {lacking[0]}.", lacking[1])
    for key in ("BACKEND", "RISK", "SENDING", "DISPATCH"):
        path = getattr(conf, key)
        if not isinstance(path, str) or path == "inline":
            continue
        try:
            fine, why = callable(load(path)), "it cannot be called"
        except Exception as error:
            fine, why = False, type(error).__name__
        if not fine:
            hint = "Write the module's path, a dot, and the name in it; what it imports must be installed."
            yield tell("E007", f"KALEYRA_OTP[{key!r}] leads to nothing: {why}.", hint)


def _is(path: str, *names: str) -> bool:
    """Return whether the class at a dotted path is one of these, or made from one."""
    try:
        classes = getattr(import_string(path), "__mro__", ())
    except Exception:
        return path in names
    return any(f"{each.__module__}.{each.__qualname__}" in names for each in classes)


def _logs_in_by_number() -> bool:
    return any(_is(path, PHONE_BACKEND) for path in settings.AUTHENTICATION_BACKENDS)


def _allowed() -> dict[str, str]:
    """Return the prefix of each allowed country, by its ISO code."""
    return {
        country: ELSEWHERE if country == "*" else f"+{phonenumbers.country_code_for_region(country)}"
        for country in sorted(conf.ALLOWED_COUNTRIES)
    }


def _sends_to_india() -> bool:
    return bool({"IN", "*"} & conf.ALLOWED_COUNTRIES)


def _entries() -> list[RouteEntry]:
    """Return the routes, and the account keys themselves where an allowed number may go by them."""
    prefixes = _allowed().values() or [ELSEWHERE]
    default = any(routing.DEFAULT in routing.entries_for(prefix) for prefix in prefixes)
    return [*([routing.DEFAULT] if default else []), *conf.ROUTES]


def _accounts() -> Iterator[CheckMessage]:
    """E004, E018, W001, W002, W005."""
    if not _is(conf.BACKEND, KALEYRA):
        return
    entries = _entries()
    for key, field in ACCOUNT.items():
        lacking = [entry.name for entry in entries if not getattr(routing.route(entry), field)]
        if lacking:
            what = f"KALEYRA_OTP lacks {key!r}, which these routes need: {', '.join(lacking)}."
            yield tell("E004", what, known()[key].doc)
    indian = {entry.name for entry in routing.entries_for(INDIA)} if _sends_to_india() else set()
    for entry in entries:
        route = routing.route(entry)
        if _SAMPLE.search(route.api_key.reveal()):
            what = f"API_KEY of the route {entry.name!r} is an example."
            yield tell("E018", what, "Copy the key from Kaleyra's console.")
        pod = PODS.get(route.sid[-2:].lower())
        if pod and route.base_url in PODS.values() and route.base_url != pod:
            what = f"The SID of the route {entry.name!r} ends like one of another pod."
            yield tell("W001", what, "Set POD to where the account lives.")
        if route.callback_profile_id and not PROFILE_ID.fullmatch(route.callback_profile_id):
            what = f"CALLBACK_PROFILE_ID of the route {entry.name!r} is not two letters, '_' and a UUID."
            yield tell("W002", what, "Copy the id of the callback profile from Kaleyra's console.")
        if entry.name in indian and route.sender and not re.fullmatch(r"[A-Za-z]{6}", route.sender):
            what = f"SENDER of the route {entry.name!r}, which Indian numbers go by, is not six letters."
            yield tell("W005", what, "Write the DLT header without the -T or -S behind it.")


def _purposes(message: Message) -> list[str]:
    return [name for name in conf.purpose_names() if message.purpose in (None, name)]


def _texts() -> Iterator[CheckMessage]:
    """E008, E010, W003, W004, W009."""
    for number, message in enumerate(conf.MESSAGES):
        label = f"KALEYRA_OTP['MESSAGES'][{number}]"
        rules = [rule for rule in map(conf.purpose, _purposes(message)) if rule]
        if not rules:
            names = ", ".join(conf.purpose_names())
            yield tell("E010", f"{label} is for a purpose that does not exist.", f"There are: {names}.")
            continue
        if any(messages.covers(earlier, message) for earlier in conf.MESSAGES[:number]):
            what = f"{label} is never sent: an earlier text fits whatever it fits."
            yield tell("W009", what, "Put the text for fewer cases first.")
        widest = dict.fromkeys(messages.placeholders(message.body), "0" * messages.MAX_VALUE)
        rendered = messages.compose(
            message,
            code_length=max(rule.code_length for rule in rules),
            ttl=max(rule.code_ttl for rule in rules),
            bind=widest,
        )
        if rendered.segments > 1:
            what = f"{label} may take {rendered.segments} SMS, and is billed so."
            hint = (
                "One holds 160 characters of the GSM alphabet, or 70 where one is not in it; a value of bind "
                "may take 30."
            )
            yield tell("W003", what, hint)
        yield from _registered(label, message)


def _registered(label: str, message: Message) -> Iterator[CheckMessage]:
    """E008, W004."""
    variables = len(messages.placeholders(message.body))
    if message.registered is not None:
        registered = re.sub(r"\{#\w+#\}", "{#var#}", message.registered)
        variables = registered.count("{#var#}")
        fixed = message.body.replace("{service}", conf.SERVICE_NAME or "verification")
        body = messages.as_registered(message.body)
        if registered not in (body, messages.as_registered(fixed)):
            pairs = enumerate(itertools.zip_longest(body, registered), start=1)
            first = next(place for place, (ours, theirs) in pairs if ours != theirs)
            hint = f"With {{#var#}} for each name, they differ from character {first} on."
            yield tell("E008", f"{label}: BODY is not the text of REGISTERED.", hint)
    if message.template_id and variables > 2:
        hint = "Operators may refuse more than two; write what is always the same into the text."
        yield tell("W004", f"{label} has {variables} variables.", hint)


def _reach() -> Iterator[CheckMessage]:
    """E009, E011, W006."""
    for purpose in conf.purpose_names():
        bare = [country for country, prefix in _allowed().items() if not messages.candidates(purpose, prefix)]
        if bare:
            what = f"The purpose {purpose!r} has no text for the numbers of: {', '.join(bare)}."
            hint = "End MESSAGES with an entry that has neither a purpose nor prefixes."
            yield tell("E009", what, hint)
    if not _sends_to_india() or not _is(conf.BACKEND, KALEYRA):
        return
    found = {pair for purpose in conf.purpose_names() for pair in messages.candidates(purpose, INDIA)}
    for number, message in sorted(found, key=lambda pair: pair[0]):
        if not message.template_id:
            what = f"KALEYRA_OTP['MESSAGES'][{number}] has no TEMPLATE_ID, and Indian numbers may get it."
            hint = 'Give it the id of its DLT template, or put one with "prefixes": ["+91"] before it.'
            yield tell("E011" if "IN" in conf.ALLOWED_COUNTRIES else "W006", what, hint)


def _user_phone() -> Iterator[CheckMessage]:
    """W007."""
    if ("USER_PHONE" in given() or _logs_in_by_number()) and not lookup.user_phone_fields():
        what = "KALEYRA_OTP['USER_PHONE'] leads to no field of the user model: nobody has a number."
        yield tell("W007", what, known()["USER_PHONE"].doc)


def _numbering() -> Iterator[CheckMessage]:
    """W010."""
    version = tuple(map(int, re.findall(r"\d+", phonenumbers.__version__)))
    day = next((day for release, day in RELEASES if version <= release), None)
    if day and dt.datetime.now(dt.UTC).date() - day > dt.timedelta(days=365):
        what = "The numbering data of phonenumbers is more than twelve months old: new numbers are refused."
        yield tell("W010", what, "Upgrade phonenumbers; it is released every two weeks.")


def _deployment() -> Iterator[CheckMessage]:
    """E014 to E017, W011 to W015."""
    if _is(conf.BACKEND, *SILENT):
        what = "KALEYRA_OTP['BACKEND'] sends nothing, and may show codes to whoever reads its output."
        yield tell("E014", what, f"Use {KALEYRA}.")
    for entry in [routing.DEFAULT, *conf.ROUTES]:
        if is_loopback(urlsplit(routing.route(entry).base_url).hostname or ""):
            what = f"BASE_URL of the route {entry.name!r} is this machine: nothing reaches Kaleyra."
            yield tell("E015", what, "Set POD instead.")
    if "NUM_PROXIES" not in given():
        what = "KALEYRA_OTP['NUM_PROXIES'] is not set: behind a proxy, all callers would share one limit."
        yield tell("E016", what, known()["NUM_PROXIES"].doc)
    if any(secret.reveal().startswith(SIMULATOR) for secret in conf.WEBHOOK_SECRET):
        what = "KALEYRA_OTP['WEBHOOK_SECRET'] is the simulator's: whoever knows it can forge callbacks."
        yield tell("E017", what, MAKE_ONE)
    purposes = [rules for rules in map(conf.purpose, conf.purpose_names()) if rules]
    unbounded = [rules.name for rules in purposes if "global" not in {limit.scope for limit in rules.limits}]
    if unbounded:
        what = f"Nothing bounds what all SMS may cost, for: {', '.join(unbounded)}."
        hint = 'Add {"scope": "global", "rate": "1000/d"} to LIMITS, and repeat there the default ones.'
        yield tell("W011", what, hint)
    if conf.TEST_NUMBERS:
        what = "KALEYRA_OTP['TEST_NUMBERS'] has numbers whose code never changes."
        yield tell("W012", what, "Take each out when its review is over.")
    off: dict[str, Callable[[], bool]] = {
        "ALLOWED_COUNTRIES": lambda: "*" in conf.ALLOWED_COUNTRIES,
        "GUARD": lambda: conf.GUARD.mode == "off",
        "MAX_FAILURES": lambda: any(rules.max_failures is None for rules in purposes),
        "RESEND_COOLDOWN": lambda: conf.RESEND_COOLDOWN == 0,
        "LIMITS": lambda: any("phone" not in {limit.scope for limit in rules.limits} for rules in purposes),
    }
    for key, is_off in off.items():
        if is_off():
            yield tell("W013", f"The protection of KALEYRA_OTP[{key!r}] is switched off.", known()[key].doc)
    if _logs_in_by_number() and conf.DISPATCH == "inline":
        what = "Users log in by number and DISPATCH is 'inline': how long it takes tells who has a user."
        yield tell("W014", what, known()["DISPATCH"].doc)
    if hollow := queues.hollow():
        yield tell("W015", f"The queue of KALEYRA_OTP['DISPATCH'] {hollow[0]}.", hollow[1])
