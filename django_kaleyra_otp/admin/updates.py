"""Status updates: what Kaleyra told, as it told it, read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp import phones
from django_kaleyra_otp.admin import badges, filters, timeline
from django_kaleyra_otp.admin.base import NOTHING, ReadOnlyAdmin
from django_kaleyra_otp.kaleyra.callbacks import spellings
from django_kaleyra_otp.models import SendLog, StatusUpdate


@admin.register(StatusUpdate)
class StatusUpdateAdmin(ReadOnlyAdmin):
    """One status of one SMS; one whose SMS is not known waits a day for it."""

    list_display = ["received_at", "named", "told", "read_as", "origin", "send"]
    list_filter = [
        filters.ToldStatusFilter,
        filters.ReceivedFilter,
        filters.SourceFilter,
        filters.WaitingFilter,
    ]
    ordering = ["-received_at"]
    search_fields = ["message_id"]
    search_help_text = _("A message id of Kaleyra's, whole.")
    fieldsets = [
        (
            _("Status update"),
            {
                "fields": [
                    "received_at",
                    "source",
                    "message_id",
                    "send",
                    "full_number",
                    "status",
                    "read_as",
                    "trace",
                    "meaning",
                    "error_code",
                    "description",
                    "operator",
                    "circle",
                    "occurred",
                ]
            },
        )
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the updates of this message id, in any of its spellings."""
        if term := search_term.strip():
            queryset = queryset.filter(message_id__in=spellings(term))
        return queryset, False

    @admin.display(description=_("message id"))
    def named(self, update: StatusUpdate) -> str:
        """Kaleyra's name of the message."""
        return update.message_id or NOTHING

    @admin.display(description=_("status as told"))
    def told(self, update: StatusUpdate) -> str:
        """Kaleyra's word."""
        return update.status or NOTHING

    @admin.display(description=_("read as"))
    def read_as(self, update: StatusUpdate) -> str:
        """Our word for it; none where it is not known."""
        return badges.delivery_badge(update.delivery_status) if update.delivery_status else NOTHING

    @admin.display(description=_("source"))
    def origin(self, update: StatusUpdate) -> str:
        """Whether Kaleyra called, or we asked."""
        return update.get_source_display()

    @admin.display(description=_("delivery"))
    def send(self, update: StatusUpdate) -> str:
        """The delivery it is about."""
        if update.send_log_id is None:
            return badges.badge(badges.Tone.OPEN, _("waiting"))
        return self.link(SendLog, update.send_log_id, str(update.send_log_id))

    @admin.display(description=_("phone number as told"))
    def full_number(self, update: StatusUpdate) -> str:
        """The number as it was told."""
        return f"+{update.phone_number}" if update.phone_number else NOTHING

    @admin.display(description=_("phone number as told"))
    def masked_number(self, update: StatusUpdate) -> str:
        """The number told, its middle hidden."""
        return phones.mask(update.phone_number) if update.phone_number else NOTHING

    @admin.display(description=_("meaning"))
    def meaning(self, update: StatusUpdate) -> str:
        """What trace and error code mean, and whose fault it is."""
        known = timeline.explain_trace(update.trace) + timeline.explain_error(update.error_code)
        return " ".join(dict.fromkeys(known)) or NOTHING
