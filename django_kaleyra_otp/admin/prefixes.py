"""Blocked prefixes: the one table that people edit."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp.admin import alarms, badges, filters
from django_kaleyra_otp.admin.base import NOTHING, BoundedAdmin, sees_numbers
from django_kaleyra_otp.models import Alarm, BlockedPrefix
from django_kaleyra_otp.phones import LONGEST_SERIES

#: An end before or after these is none that every database and time zone can tell.
FIRST_YEAR, LAST_YEAR = 1970, 9000


@admin.register(BlockedPrefix)
class BlockedPrefixAdmin(BoundedAdmin):
    """Prefixes that nothing is sent to.

    A prefix as long as a person's number is cut short in the list, and has no page, for who may not
    see numbers.
    """

    list_display = ["full_prefix", "state", "until", "closed_by", "reason", "created_at"]
    list_filter = [filters.BlockStateFilter, filters.AutomaticFilter]
    ordering = ["-id"]  # the newest first, by an index
    readonly_fields = ["state", "automatic", "created_at", "alarm"]
    personal = {"full_prefix": "short_prefix"}

    def get_fields(self, request: HttpRequest, obj: BlockedPrefix | None = None) -> list[Any]:
        """Return what is asked for; of a row that is there, what is known besides."""
        asked = ["prefix", "reason", "until"]
        return [*asked, "state", "automatic", "created_at", "alarm"] if obj else asked

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return what a field takes: a prefix no longer than may be seen, an end within bounds."""
        if db_field.name == "prefix" and not sees_numbers(request):
            # who could close +91987650, +91987651 and so on would see by Find a number which of them stops
            # a masked number, and so find it out digit by digit
            kwargs["max_length"] = LONGEST_SERIES
        if db_field.name == "until":
            bounds = MinValueValidator(_new_year(FIRST_YEAR)), MaxValueValidator(_new_year(LAST_YEAR))
            kwargs["validators"] = bounds
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return what an address may fill in; Django takes no text for a time."""
        given = super().get_changeform_initial_data(request)
        return {name: value for name, value in given.items() if name != "until"}

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Return the actions on chosen rows; a project's own would show what is cut short here."""
        where = {} if action_location is None else {"action_location": action_location}
        found: dict[str, Any] = super().get_actions(request, **where)
        if sees_numbers(request):
            return found
        return {name: action for name, action in found.items() if name == "delete_selected"}

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        """Run an action; where a form names what is no key, none, for Django would fail at it."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(re.fullmatch("[0-9]{1,18}", key) for key in chosen):
            return None
        return super().response_action(request, *args, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: BlockedPrefix | None = None) -> bool:
        """Return whether the prefix may be seen whole."""
        return super().has_view_permission(request, obj) and may_open(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: BlockedPrefix | None = None) -> bool:
        """Return whether the block may be changed."""
        return super().has_change_permission(request, obj) and may_open(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: BlockedPrefix | None = None) -> bool:
        """Return whether the block may be lifted."""
        return super().has_delete_permission(request, obj) and may_open(request, obj)

    @admin.display(description=_("prefix"))
    def full_prefix(self, block: BlockedPrefix) -> str:
        """The prefix as it is."""
        return block.prefix

    @admin.display(description=_("prefix"))
    def short_prefix(self, block: BlockedPrefix) -> str:
        """The prefix, or as much of it as is no single person's."""
        return str(block)

    @admin.display(description=_("state"))
    def state(self, block: BlockedPrefix) -> str:
        """Whether it closes the prefix now."""
        return badges.block_badge(block)

    @admin.display(description=_("alarm"))
    def alarm(self, block: BlockedPrefix) -> str:
        """The alarm it came with, and its figures."""
        alarm = alarms.alarm_of(block)
        if alarm is None:
            return NOTHING
        return format_html(
            "{} {}", self.link(Alarm, alarm.pk, alarm.get_kind_display()), alarms.in_short(alarm)
        )

    @admin.display(description=_("closed by"))
    def closed_by(self, block: BlockedPrefix) -> Any:
        """Whether a person or the guard closed it."""
        return _("the guard") if block.automatic else _("hand")


def may_open(request: HttpRequest, block: BlockedPrefix | None) -> bool:
    """Return whether a block may be seen whole, and so changed or lifted."""
    return block is None or not block.is_personal or sees_numbers(request)


def _new_year(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC if settings.USE_TZ else None)
