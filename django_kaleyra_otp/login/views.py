"""Signing in: the pages, in their order."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from django_kaleyra_otp import challenges
from django_kaleyra_otp.exceptions import (
    Cooldown,
    CountryNotAllowed,
    DeliveryFailed,
    InvalidPhoneNumber,
    KaleyraOTPError,
    PrefixBlocked,
)
from django_kaleyra_otp.login import backends, decoys
from django_kaleyra_otp.login.code_step import CodeStepView, explain
from django_kaleyra_otp.login.forms import PhoneNumberForm
from django_kaleyra_otp.login.pending import Pending, idempotency_key, new_tie
from django_kaleyra_otp.models import OTPChallenge


class PhoneLoginView(CodeStepView):
    """Number, then code, then a session.

    A number that signs nobody in (no user's, two users', an inactive or a staff user's) meets a decoy:
    the same pages, texts and limits, and no SMS. No user is ever made. Templates:
    ``kaleyra_otp/login/phone_number.html`` and ``kaleyra_otp/login/code.html``.
    """

    phone_number_form_class = PhoneNumberForm
    phone_number_template_name = "kaleyra_otp/login/phone_number.html"

    def show_first_page(self, pending: Pending | None, form: PhoneNumberForm | None = None) -> HttpResponse:
        """Return the page that asks for the number."""
        return self.render(
            self.phone_number_template_name,
            {
                "form": form or self.phone_number_form_class(),
                "code_url": self.code_url() if pending else "",
                "next": self.get_redirect_url(),
                "redirect_field_name": self.redirect_field_name,
            },
        )

    def take_first_page(self) -> HttpResponse:
        """Send a code to the number, or seem to."""
        form = self.phone_number_form_class(self.request.POST)
        pending, challenge = self.under_way()
        if not form.is_valid():
            return self.show_first_page(pending, form)
        phone_number = form.cleaned_data["phone_number"].e164
        try:
            started = self.start(phone_number, self.get_redirect_url())
        except Cooldown as refusal:
            if pending and challenge and challenge.phone_number == phone_number:
                # the form was sent twice, or again by who came back to it: his code is on its way
                pending.wait(refusal.retry_after or 0)
                return self.to_code_page(pending, refusal.code)
            form.add_error(None, explain(refusal))
        except KaleyraOTPError as refusal:
            about_number = isinstance(refusal, (InvalidPhoneNumber, CountryNotAllowed, PrefixBlocked))
            form.add_error("phone_number" if about_number else None, explain(refusal))
        else:
            return self.to_code_page(started, "")
        return self.show_first_page(pending, form)

    def start_again(self, pending: Pending, challenge: OTPChallenge) -> Pending:
        """Send a new code to the number that is waiting, which nobody has to type again."""
        return self.start(challenge.phone_number, pending.next)

    def start(self, phone_number: str, next_url: str) -> Pending:
        """Start a challenge for a number, E.164: a decoy where it signs nobody in.

        Raises what ``challenges.start`` raises before it sends; a send that fails raises nothing.
        """
        tie = new_tie()
        bind = {"session": tie}
        if backends.find_user(phone_number) is None:
            challenge = decoys.start(
                phone_number,
                purpose=self.purpose,
                tie=tie,
                bind=bind,
                language=get_language(),
                request=self.request,
            )
        else:
            challenge = self.start_true(phone_number, tie, bind)
        return Pending.of(challenge, tie, next_url)

    def start_true(self, phone_number: str, tie: str, bind: Any) -> OTPChallenge:
        """Start a challenge whose SMS leaves; a send that fails raises nothing."""

        def start() -> OTPChallenge:
            return challenges.start(
                phone_number,
                purpose=self.purpose,
                bind=bind,
                language=get_language(),
                idempotency_key=idempotency_key(tie),
                request=self.request,
            )

        try:
            return start()
        except DeliveryFailed:
            # a send that failed left its challenge, which the same key finds; what was refused is so again
            return start()

    def refuse(self) -> HttpResponse:
        """Say to who holds the number that it signs nobody in: so it was changed since the code was sent."""
        form = self.phone_number_form_class({})
        form.errors.clear()
        form.add_error(None, _("It is not possible to sign in with this number."))
        return self.show_first_page(None, form)
