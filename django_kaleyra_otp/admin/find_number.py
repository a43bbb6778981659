"""Find a number: from a number to everything that happened to it, and what support can do about it.

The number comes by POST, or as that of a row, and goes into no URL, log or page but as who looks may see
it. Each action names a row, asks once more before it acts, and is written to Django's admin log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from django_kaleyra_otp import events, phones
from django_kaleyra_otp.admin import dossier, verdict
from django_kaleyra_otp.admin.actions import ACTIONS
from django_kaleyra_otp.admin.base import may_view, row_link, sees_numbers
from django_kaleyra_otp.admin.prefixes import may_open
from django_kaleyra_otp.exceptions import InvalidPhoneNumber
from django_kaleyra_otp.models import (
    BlockedPrefix,
    ChallengeStatus,
    DeliveryStatus,
    OTPChallenge,
    SendLog,
    database,
)
from django_kaleyra_otp.phones import Number
from django_kaleyra_otp.transactions import outside

#: What a row is called where a form names one.
ROWS: dict[str, type[OTPChallenge] | type[SendLog] | type[BlockedPrefix]] = {
    "challenge": OTPChallenge,
    "send": SendLog,
    "block": BlockedPrefix,
}
#: Those that have a number, which the page can show.
NUMBERED = ("challenge", "send")
#: The permission that opens the page, and that each action wants beside its own.
FIND_NUMBER = "kaleyra_otp.find_number"
#: Where the session keeps the row whose number is shown after an action; never the number.
SHOWN_NEXT = "kaleyra_otp_found"


class NumberForm(forms.Form):
    """Takes a number in any spelling."""

    phone_number = forms.CharField(
        label=gettext_lazy("Phone number"),
        max_length=32,
        help_text=gettext_lazy("With its country code, in any spelling."),
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off", "dir": "ltr"}),
    )

    def clean_phone_number(self) -> Number:
        """Return the number; also one that no code is sent to."""
        try:
            return phones.stored(self.cleaned_data["phone_number"])
        except InvalidPhoneNumber as error:
            raise forms.ValidationError(str(error.detail)) from None


class NumberDesk:
    """The two pages, on one admin site."""

    def __init__(self, site: admin.AdminSite) -> None:
        self.site = site

    def urls(self) -> list[URLPattern]:
        """Return where the pages are; what an action writes stands outside ``ATOMIC_REQUESTS``."""
        act = outside(self.site.admin_view(self.act))
        return [
            path("find/", self.site.admin_view(self.find), name="kaleyra_otp_find_number"),
            path("find/<slug:name>/", act, name="kaleyra_otp_act"),
        ]

    @method_decorator(sensitive_post_parameters("phone_number"))
    def find(self, request: HttpRequest) -> HttpResponse:
        """Show the form; by POST, or after an action, everything about one number."""
        self._demand(request, FIND_NUMBER)
        form, found = NumberForm(), None
        kind, row = _named(request, NUMBERED)
        if kind:
            found = _number_of(row)
            if found is None:
                raise Http404
        elif request.method == "POST":
            form = NumberForm(request.POST)
            if form.is_valid():
                found, form = form.cleaned_data["phone_number"], NumberForm()
        elif shown_next := request.session.pop(SHOWN_NEXT, None):
            found = _number_of(_row(*shown_next))
        context = {**self._context(request, _("Find a number")), "form": form}
        if found is not None:
            events.NUMBER_LOOKED_UP.log(user=request.user.pk, number=found.e164)
            context |= self._about(request, found)
        return TemplateResponse(request, "admin/kaleyra_otp/find_number.html", context)

    @method_decorator(require_POST)
    def act(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Ask whether to do something, and, once confirmed, do it."""
        action = ACTIONS.get(name)
        if action is None:
            raise Http404
        self._demand(request, FIND_NUMBER, action.permission)
        kind, row = _named(request, action.takes)
        confirmed = "confirmed" in request.POST
        if not kind or (row is None and not confirmed):
            raise Http404
        if isinstance(row, BlockedPrefix) and not may_open(request, row):
            raise PermissionDenied
        numbered, about = (kind, row) if kind in NUMBERED else _named(request, NUMBERED)
        if not confirmed:
            context = {**self._context(request, action.label), "action": action, "kind": kind, "row": row}
            context |= {"subject": self._shown(request, row), "numbered": numbered, "about": about}
            return TemplateResponse(request, "admin/kaleyra_otp/confirm.html", context)
        if about is not None:
            request.session[SHOWN_NEXT] = [numbered, str(about.pk)]
        if row is None:  # a second click
            messages.info(request, _("There is nothing left to do."))
        else:
            said = action.run(request, row)
            messages.add_message(request, messages.WARNING if said.failed else messages.SUCCESS, said.text)
        return HttpResponseRedirect(reverse("admin:kaleyra_otp_find_number", current_app=self.site.name))

    def _demand(self, request: HttpRequest, *permissions: str) -> None:
        if not request.user.has_perms(permissions):
            raise PermissionDenied

    def _context(self, request: HttpRequest, title: Any) -> dict[str, Any]:
        request.current_app = self.site.name
        return {**self.site.each_context(request), "title": title, "opts": OTPChallenge._meta}

    def _shown(self, request: HttpRequest, row: Any) -> str:
        if isinstance(row, BlockedPrefix):
            return str(row)
        return _written(request, row.phone_number)

    def _about(self, request: HttpRequest, number: Number) -> dict[str, Any]:
        """Return what the page shows of a number to this user."""
        now = timezone.now()
        known = dossier.of(number, now)
        lifts = request.user.has_perm(ACTIONS["lift"].permission)
        numbered, about = _newest(known)
        return {
            "numbered": numbered,
            "about": about,
            "number": _written(request, number.e164),
            "country": number.country,
            "dossier": known,
            "verdict": verdict.of(known, now),
            "events": dossier.events(known, now, lambda row: self._link(request, row)),
            "blocks": [(block, stops, lifts and may_open(request, block)) for block, stops in known.blocks],
            "actions": [
                (ACTIONS[name], kind, pk)
                for name, kind, pk in _sensible(known, now)
                if request.user.has_perm(ACTIONS[name].permission)
            ],
        }

    def _link(self, request: HttpRequest, row: OTPChallenge | SendLog) -> str:
        text = _("SMS %s") % row.pk if isinstance(row, SendLog) else f"{str(row.pk)[:8]}…"
        return row_link(self.site, type(row), row.pk, text) if may_view(request, type(row)) else text


def _sensible(known: dossier.Dossier, now: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield the actions that would do something, each with the kind and key of its row."""
    challenge = known.challenges[0] if known.challenges else None
    send = known.sends[0] if known.sends else None
    open_now = challenge is not None and challenge.status_at(now) == ChallengeStatus.PENDING
    if challenge and open_now and challenge.sends_left and challenge.pk not in known.decoys:
        yield "resend", "challenge", challenge.pk
    if challenge and known.failures:
        yield "open", "challenge", challenge.pk
    if send and send.message_id and not DeliveryStatus(send.status).is_final:
        yield "ask", "send", send.pk
    kind, row = _newest(known)
    if row is not None:
        yield "forget", kind, row.pk


def _newest(known: dossier.Dossier) -> tuple[str, OTPChallenge | SendLog | None]:
    """Return the row that stands for the number in a form: a challenge, else an SMS, else "" and None."""
    if known.challenges:
        return "challenge", known.challenges[0]
    return ("send", known.sends[0]) if known.sends else ("", None)


def _named(request: HttpRequest, kinds: Sequence[str]) -> tuple[str, Any]:
    """Return which of these kinds of row a form names, "" for none, and the row, None where it is gone."""
    kind = next((kind for kind in kinds if kind in request.POST), "")
    return kind, _row(kind, request.POST[kind]) if kind else None


def _row(kind: str, pk: str) -> Any:
    """Return a row, or None, also for what is no key at all."""
    try:
        return ROWS[kind].objects.using(database.alias()).filter(pk=pk).first()
    except (ValueError, ValidationError, OverflowError):
        return None


def _number_of(row: Any) -> Number | None:
    return phones.stored(row.phone_number) if isinstance(row, OTPChallenge | SendLog) else None


def _written(request: HttpRequest, number: str) -> str:
    return number if sees_numbers(request) else phones.mask(number)
