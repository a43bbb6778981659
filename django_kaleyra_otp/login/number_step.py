"""The page that asks for a number, before the one that asks for its code."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from django_kaleyra_otp.exceptions import (
    CountryNotAllowed,
    InvalidPhoneNumber,
    KaleyraOTPError,
    PrefixBlocked,
)
from django_kaleyra_otp.login.code_step import CodeStepView, explain
from django_kaleyra_otp.login.forms import PhoneNumberForm
from django_kaleyra_otp.login.pending import Pending
from django_kaleyra_otp.models import OTPChallenge


class NumberStepView(CodeStepView):
    """Base of ``PhoneLoginView`` and ``ChangeNumberView``: a person types a number, then its code."""

    phone_number_form_class = PhoneNumberForm
    phone_number_template_name: str

    def start(self, phone_number: str, next_url: str) -> Pending:
        """Start a challenge for a number, E.164; raises what ``challenges.start`` raises before it sends."""
        raise NotImplementedError

    def start_again(self, pending: Pending, challenge: OTPChallenge) -> Pending:
        """Send a new code to the number that is waiting, which nobody has to type again."""
        return self.start(challenge.phone_number, pending.next)

    def show_first_page(self, pending: Pending | None, form: Any = None) -> HttpResponse:
        """Return the page that asks for the number."""
        return self.render(
            self.phone_number_template_name,
            {
                "form": form or self.phone_number_form_class(),
                "code_url": self.code_url(pending) if pending else "",
                "next": self.get_redirect_url(),
                "redirect_field_name": self.redirect_field_name,
            },
        )

    def add_refusal(self, form: Any, refusal: KaleyraOTPError) -> None:
        """Have the form say why no code was sent, at the number where that is why."""
        about_number = isinstance(refusal, (InvalidPhoneNumber, CountryNotAllowed, PrefixBlocked))
        form.add_error("phone_number" if about_number else None, explain(refusal))

    def show_refusal(self, text: str) -> HttpResponse:
        """Return the page anew, with a sentence that is about no field."""
        form = self.phone_number_form_class({})
        form.errors.clear()
        form.add_error(None, text)
        return self.show_first_page(None, form)
