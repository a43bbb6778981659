"""``.. kaleyra-limits::``: every limit, with the default and the answer that the code has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from from_the_code import FromTheCode, table, written
from sphinx.application import Sphinx

from django_kaleyra_otp import conf
from django_kaleyra_otp.api.errors import STATUS
from django_kaleyra_otp.shapes.rules import SCOPES

NEVER, NO, CLOSED = "always known", "refused", "503"

#: What is limited, its key, the setting, the word of a refusal, and what follows where its state is unknown.
LIMITS = (
    ("country", "the number's country", "ALLOWED_COUNTRIES", "country_not_allowed", NEVER),
    ("closed prefix", "the number's beginning", "GUARD", "prefix_blocked", CLOSED),
    ("kill switch", "everything", "SENDING", "delivery_unavailable", NO),
    ("your own judgment", "number, purpose, address, user, request", "RISK", "refused", NO),
    ("wrong guesses", "number and purpose", "MAX_FAILURES", "max_failures_reached", CLOSED),
    ("cool-down, seconds", "number, across purposes", "RESEND_COOLDOWN", "cooldown", CLOSED),
    ("SMS", "number", "phone", "rate_limited", CLOSED),
    ("SMS", "address", "ip", "rate_limited", CLOSED),
    ("SMS", "signed-in user", "user", "rate_limited", CLOSED),
    ("SMS", "number without its last four digits", "block", "rate_limited", CLOSED),
    ("segments", "country", "country", "rate_limited", CLOSED),
    ("segments", "everything", "global", "rate_limited", CLOSED),
    ("SMS of one challenge", "challenge", "MAX_SENDS", "max_sends_reached", CLOSED),
    ("guesses at one code", "challenge", "MAX_ATTEMPTS", "max_attempts_reached", CLOSED),
    ("life of a code, seconds", "challenge", "CODE_TTL", "expired", CLOSED),
)


class Limits(FromTheCode):
    """The table; a scope of ``LIMITS`` that no row names ends the build."""

    def lines(self) -> Iterator[str]:
        """Return a row for each limit."""
        scopes = [key for _, _, key, _, _ in LIMITS if key.islower()]
        if sorted(scopes) != sorted(SCOPES):
            raise self.severe(f"The scopes of LIMITS are {SCOPES}.")
        rates: dict[str, list[str]] = {scope: [] for scope in SCOPES}
        for limit in conf.known()["LIMITS"].default:
            rates[limit["scope"]].append(f"``{limit['rate']}``")
        rows = []
        for what, by, key, word, unasked in LIMITS:
            if key in rates:
                setting, default = f":setting:`LIMITS`, ``{key}``", ", ".join(rates[key]) or "none"
            else:
                setting, default = f":setting:`{key}`", f"``{' '.join(written(conf.known()[key].default))}``"
            rows.append([what, by, setting, default, f"{STATUS[word]} ``{word}``", unasked])
        header = ["What", "Counted by", "Setting", "Default", "Answer", "If unknown"]
        yield from table(header, rows, "15 20 18 15 18 14")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("kaleyra-limits", Limits)
    return {"parallel_read_safe": False}
