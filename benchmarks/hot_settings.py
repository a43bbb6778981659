"""The project of ``benchmarks.hot``: the one that is measured, with limits that five numbers keep meeting.

``HOT_DATABASE`` names the database that was made for the run, ``HOT_DISPATCH`` how an SMS leaves,
``HOT_ISOLATION`` the isolation level of every connection.
"""

from __future__ import annotations

import os

from benchmarks.settings import *  # noqa: F403
from benchmarks.settings import DATABASES, KALEYRA_OTP

DATABASES["default"]["NAME"] = os.environ.get("HOT_DATABASE") or DATABASES["default"].get("NAME", "")
if level := os.environ.get("HOT_ISOLATION", ""):
    options = DATABASES["default"].setdefault("OPTIONS", {})
    if DATABASES["default"]["ENGINE"].endswith("postgresql"):
        from psycopg import IsolationLevel

        # the first is for transactions, the second for statements outside of one
        options["isolation_level"] = IsolationLevel[level.upper().replace(" ", "_")]
        options["options"] = "-c default_transaction_isolation=" + level.replace(" ", r"\ ")
    else:
        options["isolation_level"] = level

#: Sends to one number are a second apart at least, and at most so many in a minute at once.
COOLDOWN, BURST = 1, 40

KALEYRA_OTP = {
    **KALEYRA_OTP,
    "BACKEND": "benchmarks.hot_crowd.Phones",
    "DISPATCH": os.environ.get("HOT_DISPATCH", "inline"),
    "RESEND_COOLDOWN": COOLDOWN,
    "MAX_FAILURES": None,
    "NUM_PROXIES": 0,
    "RETRIES": 0,
    "LIMITS": [
        {"scope": "phone", "rate": f"{BURST}/m"},
        *({"scope": scope, "rate": "100000/h"} for scope in ("ip", "block", "country", "global")),
    ],
}
