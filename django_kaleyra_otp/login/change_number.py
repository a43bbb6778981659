"""Changing the number that codes go to."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import IntegrityError
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from django_kaleyra_otp import events, lookup, phones
from django_kaleyra_otp.exceptions import KaleyraOTPError
from django_kaleyra_otp.login import users
from django_kaleyra_otp.login.decorators import CodeRequiredMixin
from django_kaleyra_otp.login.number_step import NumberStepView
from django_kaleyra_otp.login.pending import Pending, new_tie
from django_kaleyra_otp.models import OTPChallenge


class Change(Pending):
    """A new number that waits for its code."""

    __slots__ = ()
    session_key: ClassVar[str] = "kaleyra_otp_change_number"


class ChangeNumberView(CodeRequiredMixin, NumberStepView):
    """A signed-in user's way to another number: a code to the old one, a code to the new one, a notice.

    ``code_purpose`` and ``code_max_age`` are of the first code, ``purpose`` of the second. A user who has
    no number yet is refused: there is no old one to prove. Templates:
    ``kaleyra_otp/login/change_number.html`` and ``kaleyra_otp/login/change_number_code.html``.
    """

    purpose = "step_up"
    pending_class = Change
    phone_number_template_name = "kaleyra_otp/login/change_number.html"
    code_template_name = "kaleyra_otp/login/change_number_code.html"

    def number_changed(self, user: Any, old_number: str, new_number: str) -> None:
        """Override it to tell the user of the change at another place: by e-mail, say. Numbers are E.164."""

    def bind_of(self, tie: str) -> dict[str, str]:
        """Return what the code is bound to: it is good for no other step-up of this session."""
        return {"use": "change_number", **super().bind_of(tie)}

    def under_way(self) -> tuple[Any, OTPChallenge | None]:
        """Return what this session waits for; no challenge where it is not its user's."""
        pending, challenge = super().under_way()
        mine = challenge is not None and challenge.user_id == self.request.user.pk
        return pending, challenge if mine else None

    def take_first_page(self) -> HttpResponse:
        """Send a code to the new number."""
        form = self.phone_number_form_class(self.request.POST)
        pending = self.load_pending()
        if not form.is_valid():
            return self.show_first_page(pending, form)
        phone_number = form.cleaned_data["phone_number"].e164
        if phone_number == users.number_of(self.request.user):
            form.add_error("phone_number", _("This is your number already."))
            return self.show_first_page(pending, form)
        try:
            return self.to_code_page(self.start(phone_number, self.get_redirect_url()), "")
        except KaleyraOTPError as refusal:
            self.add_refusal(form, refusal)
        return self.show_first_page(pending, form)

    def start(self, phone_number: str, next_url: str) -> Pending:
        """Start a challenge for a number that is not the user's yet: he is no known caller of it."""
        tie = new_tie()
        challenge = self.start_challenge(phone_number, tie, user=self.request.user)
        return self.pending_class.of(challenge, tie, next_url)

    def succeed(self, pending: Pending, challenge: OTPChallenge, token: str) -> HttpResponse:
        """Redeem the proof, keep the number and tell of it."""
        user = self.request.user
        if not self.redeem(pending, token):
            return self.begin_anew(pending)
        self.forget()
        if self.is_taken(challenge.phone_number):
            return self.refuse()
        old_number = users.number_of(user) or ""
        try:
            users.set_number(user, challenge.phone_number)
        except IntegrityError:  # somebody else took it at the same moment
            return self.refuse()
        before = phones.mask(old_number) if old_number else ""
        events.NUMBER_CHANGED.log(user=user.pk, number=challenge.phone_number, old_number=before)
        self.number_changed(user, old_number, challenge.phone_number)
        answer = HttpResponseRedirect(pending.next or self.get_default_redirect_url())
        return self.remember_device(answer, user, challenge.phone_number)

    def is_taken(self, phone_number: str) -> bool:
        """Return whether somebody else has a number; asked of nobody who has not shown that he holds it."""
        others = lookup.users_with(phone_number).exclude(pk=self.request.user.pk)
        return any(phones.of_user(user) == phone_number for user in others)

    def refuse(self) -> HttpResponse:
        """Say to who holds a number that he cannot have it for his account."""
        return self.show_refusal(_("Another account has this number."))
