"""Challenges: read-only, each with its deliveries and its timeline."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp import phones
from django_kaleyra_otp.admin import badges, filters, timeline
from django_kaleyra_otp.admin.base import NOTHING, ReadOnlyAdmin, as_uuid, may_view
from django_kaleyra_otp.admin.find_number import FIND_NUMBER, NumberDesk
from django_kaleyra_otp.models import OTPChallenge, SendLog


@admin.register(OTPChallenge)
class OTPChallengeAdmin(ReadOnlyAdmin):
    """What was asked of a number, and what became of it. Neither the code nor what it is made of is shown."""

    list_display = [
        "created_at",
        "full_number",
        "purpose_name",
        "standing",
        "guesses",
        "messages",
        "delivery",
    ]
    list_filter = [filters.ChallengeStatusFilter, filters.PurposeFilter, filters.WindowFilter]
    ordering = ["-created_at"]
    search_fields = ["id"]
    search_help_text = _("The id of a challenge, whole. A number is looked for by Find a number.")
    fieldsets = [
        (
            _("Challenge"),
            {
                "fields": [
                    "id",
                    "full_number",
                    "purpose",
                    "standing",
                    "guesses",
                    "messages",
                    "caller",
                    "kind",
                    "ip",
                    "language",
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    "created_at",
                    "last_sent_at",
                    "expires_at",
                    "verified_at",
                    "redeemed_at",
                    "canceled_at",
                    "failures_cleared_at",
                ]
            },
        ),
    ]

    def get_urls(self) -> list[Any]:
        """Return the pages, those about one number among them."""
        return [*NumberDesk(self.admin_site).urls(), *super().get_urls()]

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Return what may be done; a menu has the list for who may only find a number, too."""
        may = super().get_model_perms(request)
        return {**may, "view": may["view"] or request.user.has_perm(FIND_NUMBER)}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; who may not view it is led to Find a number, where that is allowed."""
        if not self.has_view_permission(request) and request.user.has_perm(FIND_NUMBER):
            find = reverse("admin:kaleyra_otp_find_number", current_app=self.admin_site.name)
            return HttpResponseRedirect(find)
        return super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[OTPChallenge]:
        """Return the challenges, each with the status of its newest SMS where that may be seen."""
        rows: QuerySet[OTPChallenge] = super().get_queryset(request)
        if not may_view(request, SendLog):
            return rows
        newest = SendLog.objects.filter(challenge=OuterRef("pk")).order_by("-created_at", "-pk")
        return rows.annotate(newest_status=Subquery(newest.values("status")[:1]))

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns; how the SMS fared is for who may view deliveries."""
        columns = super().get_list_display(request)
        return columns if may_view(request, SendLog) else [name for name in columns if name != "delivery"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the challenge of this id; what is no id finds nothing."""
        if term := search_term.strip():
            pk = as_uuid(term)
            queryset = queryset.filter(pk=pk) if pk else queryset.none()
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
        """Return the page, with the challenge's timeline and deliveries."""
        sends, decoy, now = [], False, timezone.now()
        if may_view(request, SendLog):
            sends = list(SendLog.objects.filter(challenge=obj).order_by("created_at", "pk")[:50])
            decoy = timeline.is_decoy(obj, has_sends=bool(sends), now=now)
        linked = [(send, self.link(SendLog, send.pk, _("delivery %s") % send.pk)) for send in sends]
        context |= {"events": timeline.of_challenge(obj, linked, now, decoy=decoy), "find_by": "challenge"}
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description=_("phone number"))
    def full_number(self, challenge: OTPChallenge) -> str:
        """The number as it is."""
        return challenge.phone_number

    @admin.display(description=_("phone number"))
    def masked_number(self, challenge: OTPChallenge) -> str:
        """The number, its middle hidden."""
        return phones.mask(challenge.phone_number)

    @admin.display(description=_("purpose"))
    def purpose_name(self, challenge: OTPChallenge) -> str:
        """What the code is for."""
        return challenge.purpose

    @admin.display(description=_("status"))
    def standing(self, challenge: OTPChallenge) -> str:
        """Where it stands now."""
        return badges.challenge_badge(challenge.effective_status)

    @admin.display(description=_("attempts"))
    def guesses(self, challenge: OTPChallenge) -> str:
        """Attempts spent, of those allowed."""
        return f"{challenge.attempts}/{challenge.max_attempts}"

    @admin.display(description=_("sends"))
    def messages(self, challenge: OTPChallenge) -> str:
        """SMS sent, of those allowed."""
        return f"{challenge.sends}/{challenge.max_sends}"

    @admin.display(description=_("newest SMS"))
    def delivery(self, challenge: Any) -> str:
        """How the newest SMS fared; a decoy has none."""
        if challenge.newest_status:
            return badges.delivery_badge(challenge.newest_status)
        decoy = timeline.is_decoy(challenge, has_sends=False, now=timezone.now())
        return badges.badge(badges.Tone.OVER, _("decoy: no SMS")) if decoy else NOTHING

    @admin.display(description=_("asked by"))
    def kind(self, challenge: OTPChallenge) -> Any:
        """Which of the two kinds of caller it was, which are counted apart."""
        return _("a known caller") if challenge.known else _("a stranger")

    @admin.display(description=_("user"))
    def caller(self, challenge: OTPChallenge) -> str:
        """The user by key: a user's name is a phone number in many projects."""
        if challenge.user_id is None:
            return NOTHING
        return self.link(get_user_model(), challenge.user_id, f"#{challenge.user_id}")
