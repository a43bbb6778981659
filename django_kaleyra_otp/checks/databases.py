"""What the database of the tables is, and what it makes of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Tags, register
from django.db import connections, router

from django_kaleyra_otp.checks.catalogue import tell
from django_kaleyra_otp.models import SendLog, database


def complaints() -> Iterator[CheckMessage]:
    """E013, E020, W008, W016, W017."""
    aliases = {router.db_for_write(model) for model in apps.get_app_config("kaleyra_otp").get_models()}
    if router.db_for_write(get_user_model()) not in aliases:
        what = "The tables of kaleyra_otp are routed to another database than the users, whom they refer to."
        yield tell("W017", what, "Have your database routers answer the same for both.")
    if len(aliases) > 1:
        what = "The tables of kaleyra_otp are routed to more than one database."
        yield tell("E013", what, "Have your database routers answer the same for all of them.")
    connection = connections[database.alias()]
    if not connection.settings_dict["AUTOCOMMIT"]:
        what = "AUTOCOMMIT is off: SMS leave and callbacks are answered, and no row of either is committed."
        yield tell("E020", what, "Take AUTOCOMMIT out of the DATABASES entry.")
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode")
    if connection.vendor == "sqlite" and str(mode).upper() != "IMMEDIATE":
        what = "SQLite is used without transaction_mode IMMEDIATE: parallel requests may find it locked."
        hint = 'Add "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20} to its DATABASES entry.'
        yield tell("W008", what, hint)
    offsets = {ZoneInfo(settings.TIME_ZONE).utcoffset(dt.datetime(2026, month, 1)) for month in (1, 7)}
    if not settings.USE_TZ and len(offsets) > 1:
        what = "USE_TZ is off, and the clocks of TIME_ZONE are changed: that night codes live an hour longer."
        yield tell("W016", what, "Set USE_TZ to True.")


@register(Tags.database)
def check_character_set(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W018: what is outside it is refused by the server, and every such SMS and callback with it."""
    connection = connections[database.alias()]
    if connection.vendor != "mysql" or connection.alias not in (databases or ()):
        return []
    [(used,)] = database.read(
        "SELECT COALESCE((SELECT character_set_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = %s AND column_name = 'body'), "
        "@@character_set_database)",
        [SendLog._meta.db_table],
    )
    if used == "utf8mb4":
        return []
    what = f"The tables are in {used}: an SMS, or a word of a callback, that it lacks is refused for ever."
    return [tell("W018", what, "ALTER DATABASE and each kaleyra_otp_ table to CHARACTER SET utf8mb4.")]
