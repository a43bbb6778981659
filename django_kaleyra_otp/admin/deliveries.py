"""Deliveries: what became of each SMS, read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp import phones
from django_kaleyra_otp.admin import badges, faults, filters, timeline
from django_kaleyra_otp.admin.base import NOTHING, ReadOnlyAdmin, as_uuid, may_view
from django_kaleyra_otp.admin.report import ReportDesk
from django_kaleyra_otp.kaleyra.callbacks import spellings
from django_kaleyra_otp.models import OTPChallenge, SendLog, StatusUpdate
from django_kaleyra_otp.models.delivery import PLACEHOLDER

#: More updates than this of one SMS are not listed on its page.
MOST_UPDATES = 100


@admin.register(SendLog)
class SendLogAdmin(ReadOnlyAdmin):
    """What became of one SMS. Its text is shown with dots where the code was."""

    list_display = [
        "created_at",
        "full_number",
        "outcome",
        "error",
        "country_code",
        "to_handset",
        "challenge_link",
    ]
    list_filter = [
        filters.DeliveryStatusFilter,
        filters.WindowFilter,
        filters.CountryFilter,
        filters.RouteFilter,
        filters.ErrorCodeFilter,
    ]
    ordering = ["-created_at"]
    search_fields = ["message_id"]
    search_help_text = _(
        "A message id of Kaleyra's or the id of a challenge, whole. A number is looked for by Find a number."
    )
    fieldsets = [
        (
            _("SMS"),
            {
                "fields": [
                    "full_number",
                    "country",
                    "block",
                    "outcome",
                    "challenge_link",
                    "to_handset",
                    "channel",
                    "route",
                    "sender",
                    "template_id",
                    "segments",
                    "text",
                ]
            },
        ),
        (
            _("Kaleyra's answer"),
            {
                "fields": [
                    "message_id",
                    "http_status",
                    "answer_time",
                    "error_code",
                    "error_message",
                    "fault",
                    "kaleyra_status",
                    "kaleyra_trace",
                ]
            },
        ),
        (_("Times"), {"fields": ["created_at", "claimed_at", "submitted_at", "delivered_at"]}),
    ]

    def get_urls(self) -> list[Any]:
        """Return the pages, the delivery report among them."""
        report = self.admin_site.admin_view(ReportDesk(self.admin_site).show)
        return [path("report/", report, name="kaleyra_otp_report"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the sends that Kaleyra knows by this id, in any of its spellings, or of this challenge."""
        if term := search_term.strip():
            named = Q(message_id__in=spellings(term))
            challenge = as_uuid(term)
            queryset = queryset.filter(named | Q(challenge_id=challenge) if challenge else named)
        return queryset, False

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Return the page, with the timeline of the SMS."""
        updates = list(StatusUpdate.objects.filter(send_log=obj).order_by("pk")[:MOST_UPDATES])
        challenge = obj.challenge if may_view(request, OTPChallenge) else None
        events = timeline.of_send(obj, updates, challenge, timezone.now())
        context |= {"events": events, "find_by": "send"}
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description=_("phone number"))
    def full_number(self, send: SendLog) -> str:
        """The number as it is."""
        return send.phone_number

    @admin.display(description=_("phone number"))
    def masked_number(self, send: SendLog) -> str:
        """The number, its middle hidden."""
        return phones.mask(send.phone_number)

    @admin.display(description=_("country"))
    def country_code(self, send: SendLog) -> str:
        """The country."""
        return send.country

    @admin.display(description=_("status"))
    def outcome(self, send: SendLog) -> str:
        """The status, and whether Kaleyra is silent about it."""
        status = badges.delivery_badge(send.status)
        if not timeline.lacks_receipt(send, timezone.now()):
            return status
        return format_html("{} {}", status, badges.badge(badges.Tone.DOUBT, _("no receipt")))

    @admin.display(description=_("error code"))
    def error(self, send: SendLog) -> str:
        """Kaleyra's error code, else why it did not arrive."""
        return send.error_code or timeline.why_not(send) or NOTHING

    @admin.display(description=_("to the handset"))
    def to_handset(self, send: SendLog) -> str:
        """Seconds from our row to the report that it arrived."""
        return timeline.elapsed(send.delivered_at - send.created_at) if send.delivered_at else NOTHING

    @admin.display(description=_("Kaleyra answered in"))
    def answer_time(self, send: SendLog) -> str:
        """How long Kaleyra took to answer."""
        return NOTHING if send.latency is None else _("%d ms") % send.latency

    @admin.display(description=_("challenge"))
    def challenge_link(self, send: SendLog) -> str:
        """The challenge whose code it carried; another library's has none."""
        if send.challenge_id is None:
            return NOTHING
        return self.link(OTPChallenge, send.challenge_id, f"{str(send.challenge_id)[:8]}…")

    @admin.display(description=_("text"))
    def text(self, send: SendLog) -> str:
        """The text, dots where the code was."""
        return format_html('<div class="kaleyra-text">{}</div>', send.body.replace(PLACEHOLDER, "••••••"))

    @admin.display(description=_("whose fault"))
    def fault(self, send: SendLog) -> Any:
        """Whose fault the error is."""
        return faults.FAULTS.get(send.error_class, send.error_class or NOTHING)
