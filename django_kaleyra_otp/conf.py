"""Every setting: one dict, ``KALEYRA_OTP``; each key's default, the test it must pass, its line of docs.

Values are read when they are asked for, so ``override_settings`` works; a list or dict that is changed
in place is not read again. A wrong value is an error of the system checks; read all the same, it
raises ImproperlyConfigured, which names the key and the mend and never shows the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_kaleyra_otp.shapes import accounts, rules, texts, values
from django_kaleyra_otp.shapes.accounts import PODS, RouteEntry
from django_kaleyra_otp.shapes.rules import Guard, Limit, Purpose, TestNumber
from django_kaleyra_otp.shapes.texts import Message
from django_kaleyra_otp.types import Secret

T = TypeVar("T")
_ABSENT = object()


def given() -> Mapping[str, Any]:
    """Return the project's ``KALEYRA_OTP`` dict, or an empty one."""
    value = getattr(settings, "KALEYRA_OTP", None)
    return value if isinstance(value, dict) else {}


class Setting(Generic[T]):
    """One key of ``KALEYRA_OTP``.

    ``default`` is in the form that a project writes. ``complaint`` returns what is wrong with a
    value, as the end of a sentence that begins with the key, or "". ``parse`` turns the written
    form into the one the code reads.
    """

    name: str

    def __init__(
        self,
        default: Any,
        complaint: Callable[[Any], str],
        doc: str,
        parse: Callable[[Any], T] = lambda value: value,
    ) -> None:
        self.default, self.complaint, self.doc, self.parse = default, complaint, doc, parse
        self._read: tuple[Any, T] = (default, parse(default))

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        raw = given().get(self.name, _ABSENT)
        if raw is _ABSENT:
            raw = self.default
        seen, value = self._read
        if seen is raw:  # the same object as last time: parsed and found good then
            return value
        if wrong := self.complaint(raw):
            del raw, seen, value  # Django's debug page shows the locals of every frame
            raise ImproperlyConfigured(self.sentence(wrong))
        value = self.parse(raw)
        self._read = (raw, value)
        return value

    def sentence(self, wrong: str) -> str:
        """Return a complaint as a whole sentence, which names the key."""
        return f"KALEYRA_OTP[{self.name!r}]{'' if wrong.startswith('[') else ' '}{wrong}"


class Settings:
    """The keys, in the order of the docs."""

    BACKEND = Setting[str](
        "django_kaleyra_otp.backends.kaleyra.KaleyraBackend",
        values.dotted_path,
        "Dotted path of the class that hands an SMS over. Ours: ``django_kaleyra_otp.backends.`` with "
        "``kaleyra.KaleyraBackend``, ``console.ConsoleBackend``, ``locmem.LocMemBackend``, "
        "``dummy.DummyBackend``.",
    )
    POD = Setting[str | None](
        None,
        values.one_of(None, *PODS),
        "Where the Kaleyra account lives: ``in`` (India), ``sg`` (Singapore), ``eu`` (Europe) or ``na`` "
        "(North America).",
    )
    SID = Setting[str]("", accounts.unset_or("SID"), "The account's SID.")
    API_KEY = Setting[Secret](
        "",
        accounts.unset_or("API_KEY"),
        "The account's API key. Keep it in the environment, not in the code.",
        Secret,
    )
    SENDER = Setting[str](
        "", accounts.unset_or("SENDER"), "The approved sender id, or in North America the number."
    )
    CALLBACK_PROFILE_ID = Setting[str](
        "",
        accounts.unset_or("CALLBACK_PROFILE_ID"),
        "The callback profile that tells us what became of each SMS: two letters, ``_``, a UUID.",
    )
    BASE_URL = Setting[str | None](
        None,
        accounts.base_url,
        "Address of the API, where it is not the pod's: https only; http only to this machine, for the "
        "simulator.",
        accounts.parse_base_url,
    )
    ROUTES = Setting[tuple[RouteEntry, ...]](
        [],
        accounts.routes,
        'Other accounts or senders for some numbers: a list of ``{"PREFIXES": ["+91"], "NAME"?, ...}`` '
        "with any of ``POD``, ``SID``, ``API_KEY``, ``SENDER``, ``CALLBACK_PROFILE_ID``, ``BASE_URL``. The "
        "longest prefix wins; several of one prefix are tried in order, the next only where the SMS surely "
        "was not accepted.",
        accounts.parse_routes,
    )
    MESSAGES = Setting[tuple[Message, ...]](
        [
            {
                "BODY": "Your {service} code is {code}. It is good for {minutes} minutes. "
                "Do not share it with anyone."
            }
        ],
        texts.messages,
        'The texts: a list of ``{"purpose"?, "language"?, "prefixes"?, "BODY", "TEMPLATE_ID"?, '
        '"REGISTERED"?}``; the first that matches is sent. ``BODY`` has ``{code}``, ``{minutes}``, '
        "``{service}`` and names of ``bind``. ``REGISTERED`` is the DLT text with ``{#var#}``.",
        texts.parse_messages,
    )
    SERVICE_NAME = Setting[str | None](
        None,
        values.optional_line(30),
        "What ``{service}`` reads in a text: one line of at most 30 characters. Unset, it reads "
        "``verification``.",
    )
    CODE_LENGTH = Setting[int](6, rules.OWN["CODE_LENGTH"], "Digits of a code: a whole number, 6 to 10.")
    CODE_TTL = Setting[int](
        300, rules.OWN["CODE_TTL"], "Seconds a code stays good: a whole number, 1 to 600."
    )
    MAX_ATTEMPTS = Setting[int](
        5, rules.OWN["MAX_ATTEMPTS"], "Guesses that one challenge allows: a whole number, 3 to 10."
    )
    MAX_FAILURES = Setting[int | None](
        100,
        rules.OWN["MAX_FAILURES"],
        "Wrong guesses since the last success that close a number for a purpose: 1 to 100, or None for "
        "never.",
    )
    PURPOSES = Setting[dict[str, dict[str, Any]]](
        {"verify": {"API": True}, "login": {"API": True}, "second_factor": {}, "step_up": {}},
        rules.purposes,
        "What codes are for. Yours are merged over these, key by key; each may set ``CODE_LENGTH``, "
        '``CODE_TTL``, ``MAX_ATTEMPTS``, ``MAX_FAILURES`` and ``LIMITS``; ``"API": True`` opens it to HTTP.',
        rules.parse_purposes,
    )
    CODE_KEY = Setting[tuple[Secret, ...]](
        None,
        values.code_keys,
        "Secrets that codes and tokens are derived from, instead of ``SECRET_KEY``: a list, newest first, "
        "each of 32 random characters or more.",
        lambda value: tuple(map(Secret, value or ())),
    )
    RESEND_COOLDOWN = Setting[int](
        30, values.whole(0, 3600), "Seconds between two SMS to one number: a whole number, 0 to 3600."
    )
    MAX_SENDS = Setting[int](
        5, values.whole(1, 20), "SMS that one challenge may send: a whole number, 1 to 20."
    )
    LIMITS = Setting[tuple[Limit, ...]](
        [
            {"scope": "phone", "rate": "3/10m"},
            {"scope": "phone", "rate": "5/h"},
            {"scope": "phone", "rate": "10/d"},
            {"scope": "ip", "rate": "60/h"},
            {"scope": "ip", "rate": "300/d"},
            {"scope": "user", "rate": "10/h"},
            {"scope": "block", "rate": "60/h"},
        ],
        rules.limits,
        'How many SMS: a list of ``{"scope", "rate"}``. Scopes: ``phone``, ``ip``, ``user``, ``block`` (the '
        "number without its last four digits), and, in SMS segments, ``country`` and ``global``. A rate is "
        "``5/h``, ``3/10m``: that many at once, and as many refilled evenly in that time.",
        rules.parse_limits,
    )
    ALLOWED_COUNTRIES = Setting[frozenset[str]](
        None,
        values.countries,
        'Countries that codes are sent to: a list of ISO codes such as ``["IN", "AE"]``, or ``"*"``. '
        "Required: unset, nothing is sent.",
        lambda value: frozenset([value] if isinstance(value, str) else value or ()),
    )
    GUARD = Setting[Guard](
        {"MODE": "monitor"},
        rules.guard,
        "When a series of numbers looks like pumping: ``MODE`` (``off``, ``monitor``, ``enforce``), "
        "``WINDOW`` (seconds), ``MIN_SENDS``, ``MIN_CONVERSION``, ``BLOCK_TIME`` (seconds), ``ALLOW`` "
        "(prefixes never closed). Automatic blocks hold under ``enforce`` alone; blocks by hand always do.",
        rules.parse_guard,
    )
    SENDING = Setting[Any](
        True,
        values.switch,
        "The kill switch: False stops every SMS. Or the dotted path of a callable that is asked at each "
        "send and must return True.",
    )
    RISK = Setting[str | None](
        None,
        values.optional_dotted_path,
        "Dotted path of ``f(phone_number, purpose, ip, user, request)``: anything but True refuses.",
    )
    DISPATCH = Setting[str](
        "inline",
        values.dispatch,
        "How an SMS leaves: ``inline``, in the request; ``tasks``, by Django's tasks (``django-tasks`` on "
        "Django 5.2); ``celery``; or the dotted path of ``f(send_log_id)``, which has a worker call "
        "``django_kaleyra_otp.delivery.deliver(send_log_id)``.",
        lambda value: values.QUEUES.get(value, value),
    )
    TEST_NUMBERS = Setting[dict[str, TestNumber]](
        {},
        rules.test_numbers,
        "Numbers with a fixed code that are never sent to, for app reviewers: "
        '``{"+919999900001": {"code": "123456", "until": "2027-01-01"}}``; at most 90 days ahead.',
        rules.parse_test_numbers,
    )
    WEBHOOK_SECRET = Setting[tuple[Secret, ...]](
        "",
        values.webhook_secret,
        "What Kaleyra must show to be believed: a text of 32 random characters or more, or a list of them "
        "while you change it. Unset or shorter, every callback is refused.",
        lambda value: tuple(map(Secret, [value] if isinstance(value, str) else value)) if value else (),
    )
    TIMEOUT = Setting[tuple[float, float]](
        (3.05, 10),
        values.timeout,
        "Seconds to connect, and seconds for the whole answer: two numbers, 0.1 to 15.",
        lambda value: (float(value[0]), float(value[1])),
    )
    RETRIES = Setting[int](
        2, values.whole(0, 5), "Further tries of a send that surely was not accepted: a whole number, 0 to 5."
    )
    NUM_PROXIES = Setting[int](
        0,
        values.whole(0, 10),
        "Proxies of yours in front of Django, each of which adds to ``X-Forwarded-For``: a whole number, "
        "0 to 10.",
    )
    USER_PHONE = Setting[str](
        "phone_number",
        values.matches(r"[A-Za-z]\w*", "must be a look-up path, such as 'profile__phone'"),
        "Where a user's number is: a look-up path from the user model.",
    )
    RETENTION = Setting[int](
        90,
        values.whole(1, 3650),
        "Days that challenges, sends and updates are kept: a whole number, 1 to 3650.",
    )

    def purpose(self, name: str) -> Purpose | None:
        """Return what holds for a purpose, or None where there is no such purpose."""
        own = self.PURPOSES.get(name)
        built_in = Settings.PURPOSES.default.get(name)
        if own is None and built_in is None:
            return None
        merged = {**(built_in or {}), **(own or {})}
        return Purpose(
            name=name,
            api=merged.get("API", False),
            code_length=merged.get("CODE_LENGTH", self.CODE_LENGTH),
            code_ttl=merged.get("CODE_TTL", self.CODE_TTL),
            max_attempts=merged.get("MAX_ATTEMPTS", self.MAX_ATTEMPTS),
            max_failures=merged.get("MAX_FAILURES", self.MAX_FAILURES),
            limits=merged.get("LIMITS", self.LIMITS),
        )

    def purpose_names(self) -> list[str]:
        """Return the names of every purpose there is."""
        return list({**Settings.PURPOSES.default, **self.PURPOSES})


def known() -> dict[str, Setting[Any]]:
    """Return every key with its Setting, in the order of the docs."""
    return {name: row for name, row in vars(Settings).items() if isinstance(row, Setting)}


conf = Settings()
