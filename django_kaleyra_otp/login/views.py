"""Signing in: the pages, in their order."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import authenticate, login
from django.contrib.auth.views import LoginView, redirect_to_login
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import escape_leading_slashes
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from django_kaleyra_otp import messages, phones
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import (
    Cooldown,
    DeliveryFailed,
    KaleyraOTPError,
    MaxFailuresReached,
)
from django_kaleyra_otp.login import backends, decoys, stamps, users
from django_kaleyra_otp.login.code_step import explain
from django_kaleyra_otp.login.number_step import NumberStepView
from django_kaleyra_otp.login.own_number import OwnNumberView
from django_kaleyra_otp.login.pending import Pending, SecondStep, new_tie
from django_kaleyra_otp.login.stamps import Ask
from django_kaleyra_otp.models import OTPChallenge

#: The purpose of a code that follows a password. The phone alone, which opened a session by itself, is no
#: second factor of it.
SECOND_FACTOR = "second_factor"


class PhoneLoginView(NumberStepView):
    """Number, then code, then a session.

    A number that signs nobody in (no user's, two users', an inactive or a staff user's) meets a decoy:
    the same pages, texts and limits, and no SMS. No user is ever made. Templates:
    ``kaleyra_otp/login/phone_number.html`` and ``kaleyra_otp/login/code.html``.
    """

    phone_number_template_name = "kaleyra_otp/login/phone_number.html"

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
            self.add_refusal(form, refusal)
        else:
            return self.to_code_page(started, "")
        return self.show_first_page(pending, form)

    def start(self, phone_number: str, next_url: str) -> Pending:
        """Start a challenge for a number, E.164: a decoy where it signs nobody in.

        Raises what ``challenges.start`` raises before it sends; a send that fails raises nothing.
        """
        tie = new_tie()
        user = backends.find_user(phone_number)
        if user is None:
            challenge = decoys.start(
                phone_number,
                purpose=self.purpose,
                tie=tie,
                bind=self.bind_of(tie),
                language=get_language(),
                request=self.request,
            )
        else:
            challenge = self.start_true(phone_number, tie, user)
        return Pending.of(challenge, tie, next_url)

    def start_true(self, phone_number: str, tie: str, user: Any) -> OTPChallenge:
        """Start a challenge for a user's number: a known caller's in a browser that has his device cookie.

        Where wrong codes closed the number to that one, who has the cookie is a stranger again: whoever
        copied it, or sat at the same computer, locks nobody out.
        """
        if self.knows_device(user, phone_number):
            with contextlib.suppress(MaxFailuresReached):
                return self.start_challenge(phone_number, tie, user=user, known=True)
        return self.start_challenge(phone_number, tie)

    def resend(self, pending: Pending, challenge: OTPChallenge) -> None:
        """Send the code of an open challenge again.

        A decoy's is not sent, and to a page that is the same as a send that fails.
        """
        if decoys.is_one(challenge, pending.tie):
            decoys.resend(challenge, bind=self.bind_of(pending.tie), request=self.request)
            return
        try:
            super().resend(pending, challenge)
        except DeliveryFailed as failure:
            # refused before it was charged, it is refused to decoys too; what fails after it, fails unseen
            if failure.challenge is None:
                raise

    def succeed(self, pending: Pending, challenge: OTPChallenge, token: str) -> HttpResponse:
        """Redeem the proof and open a session for its user."""
        user = authenticate(self.request, otp_token=token, otp_bind=self.bind_of(pending.tie))
        self.forget()
        if user is None:
            return self.refuse()
        login(self.request, user)
        answer = HttpResponseRedirect(pending.next or self.get_default_redirect_url())
        return self.remember_device(answer, user, challenge.phone_number)

    def refuse(self) -> HttpResponse:
        """Say to who holds the number that it signs nobody in: so it was changed since the code was sent."""
        return self.show_refusal(_("It is not possible to sign in with this number."))


class TwoStepLoginView(OwnNumberView, LoginView):
    """Django's ``LoginView`` with a second step: the password, then a code to the user's number.

    Between the two there is no session of the user's, and his password is kept nowhere. Who has no number
    that codes are sent to is refused. Templates: ``kaleyra_otp/login/password.html``,
    ``kaleyra_otp/login/second_step.html`` and ``kaleyra_otp/login/no_number.html``.
    """

    purpose = SECOND_FACTOR
    pending_class = SecondStep
    template_name = "kaleyra_otp/login/password.html"
    code_template_name = "kaleyra_otp/login/second_step.html"
    #: Seconds within which the code must follow the password.
    password_age = 900

    def needs_second_step(self, user: Any) -> bool:
        """Return whether a user whose password was right must give a code, too: everybody must."""
        return True

    def show_first_page(self, pending: Pending | None) -> HttpResponse:
        """Return the page that asks for user name and password."""
        return LoginView.get(self, self.request)

    def take_first_page(self) -> HttpResponse:
        """Take user name and password."""
        return LoginView.post(self, self.request)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what Django's own page has, and what ours have."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        pending = self.load_pending()
        return {
            "next": self.get_redirect_url(),
            "redirect_field_name": self.redirect_field_name,
            "service_name": conf.SERVICE_NAME or "",
            "code_url": self.code_url(pending) if pending else "",
            **context,
        }

    def form_valid(self, form: Any) -> HttpResponse:
        """Send a code to who gave the right password; sign in who needs none."""
        user = form.get_user()
        if not self.needs_second_step(user):
            return super().form_valid(form)
        stamps.require_private(self.purpose)
        phone_number = users.number_of(user)
        if phone_number is None:
            return self.refuse_without_number(self.first_url(self.get_redirect_url()))
        self.request.session.cycle_key()
        try:
            return self.start_or_return(
                user,
                phone_number,
                self.get_redirect_url(),
                {
                    "user": users.text_key(user),
                    "backend": user.backend,
                    "auth_hash": user.get_session_auth_hash(),
                    "since": timezone.now().timestamp(),
                },
            )
        except KaleyraOTPError as refusal:
            form.add_error(None, explain(refusal))
            return self.form_invalid(form)

    def user_of(self, pending: SecondStep) -> Any:
        """Return the user whose password was right, if it still is and he may still sign in."""
        if pending.is_older_than(self.password_age):
            return None
        user = users.load(pending.user, pending.backend)
        return user if user is not None and users.has_auth_hash(user, pending.auth_hash) else None

    def succeed(self, pending: SecondStep, challenge: OTPChallenge, token: str) -> HttpResponse:
        """Redeem the proof and open a session for the user."""
        user = self.user_of(pending)
        if user is None or not self.redeem(pending, token):
            return self.begin_anew(pending)
        self.forget()
        login(self.request, user, backend=pending.backend)
        ask = Ask.of(self.request.session, self.purpose, None, None)
        ask.give_stamp(user, challenge.phone_number)
        ask.save(self.request.session)
        answer = HttpResponseRedirect(pending.next or self.get_default_redirect_url())
        return self.remember_device(answer, user, challenge.phone_number)


class StepUpView(OwnNumberView):
    """Where ``code_required`` sends who has to give a code: the signed-in user, to his own number.

    Templates: ``kaleyra_otp/login/step_up.html``, ``kaleyra_otp/login/step_up_code.html``,
    ``kaleyra_otp/login/no_number.html`` and ``kaleyra_otp/login/same_factor.html``.
    """

    step_up_template_name = "kaleyra_otp/login/step_up.html"
    code_template_name = "kaleyra_otp/login/step_up_code.html"
    same_factor_template_name = "kaleyra_otp/login/same_factor.html"
    ask: Ask

    def turn_away(self) -> HttpResponse | None:
        """Send who is not signed in to sign in, and who was asked for nothing to where he was going."""
        back = self.get_redirect_url() or self.get_default_redirect_url()
        if not self.request.user.is_authenticated:
            return redirect_to_login(back)
        ask = Ask.load(self.request.session, self.request.GET.get("for", ""))
        if ask is None:
            return HttpResponseRedirect(back)
        stamps.require_private(ask.purpose)
        self.ask, self.purpose = ask, ask.purpose
        if ask.purpose == SECOND_FACTOR and users.signed_in_by_phone(self.request.session):
            answer = self.render(self.same_factor_template_name, {})
            answer.status_code = 403
            return answer
        if users.number_of(self.request.user) is None:
            return self.refuse_without_number()
        return None

    # The state of the session

    def load_pending(self) -> Pending | None:
        """Return the code that this ask waits for, or None."""
        return Pending.read(self.ask.pending)

    def keep(self, pending: Pending) -> None:
        """Keep the code that this ask waits for."""
        self.ask.pending = dataclasses.asdict(pending)
        self.ask.save(self.request.session)

    def forget(self) -> None:
        """Forget the code that this ask waits for."""
        self.ask.pending = None
        self.ask.save(self.request.session)

    def user_of(self, pending: Pending) -> Any:
        """Return the signed-in user."""
        return self.request.user

    def bind_of(self, tie: str) -> dict[str, str]:
        """Return what the code is bound to: the session, and what the view said."""
        return {**(self.ask.bind or {}), **super().bind_of(tie)}

    # Addresses

    def first_url(self, next_url: str) -> str:
        """Return the address of the page that says what the code is for."""
        return self.address(next_url)

    def code_url(self, pending: Pending) -> str:
        """Return the address of the page that asks for the code."""
        return self.address(pending.next, step="code")

    def address(self, next_url: str, **more: str) -> str:
        """Return the address of this ask's page, which leads on to ``next_url``."""
        query = {"for": self.ask.id, **more}
        if next_url:
            query[self.redirect_field_name] = next_url
        return f"{escape_leading_slashes(self.request.path)}?{urlencode(query)}"

    # The pages

    def show_first_page(self, pending: Pending | None, refusal: str = "") -> HttpResponse:
        """Say what the code is for, and offer to send it; who gave it already goes on."""
        next_url = self.get_redirect_url()
        if self.ask.is_met(self.request.user):
            return HttpResponseRedirect(next_url or self.get_default_redirect_url())
        return self.render(
            self.step_up_template_name,
            {
                "phone_number": phones.mask(users.number_of(self.request.user) or ""),
                "refusal": refusal,
                "code_url": self.code_url(pending) if pending else "",
                "next": next_url,
                "redirect_field_name": self.redirect_field_name,
            },
        )

    def take_first_page(self) -> HttpResponse:
        """Send a code to the user's number."""
        user = self.request.user
        try:
            return self.start_or_return(user, users.number_of(user) or "", self.get_redirect_url())
        except KaleyraOTPError as refusal:
            return self.show_first_page(self.load_pending(), explain(refusal))

    def succeed(self, pending: Pending, challenge: OTPChallenge, token: str) -> HttpResponse:
        """Stamp the session, and lead back to where the code was asked for.

        With ``bind`` the proof stays unredeemed: whoever acts on it redeems it.
        """
        user, session = self.request.user, self.request.session
        if self.ask.bind is not None:
            self.ask.give_stamp(user, challenge.phone_number, token, pending.tie)
        elif self.redeem(pending, token):
            self.ask.give_stamp(user, challenge.phone_number)
        else:
            return self.begin_anew(pending)
        self.ask.save(session)
        answer = HttpResponseRedirect(pending.next or self.get_default_redirect_url())
        return self.remember_device(answer, user, challenge.phone_number)

    def render(self, template_name: str, context: dict[str, Any]) -> HttpResponse:
        """Return a page; every one has ``details``: what the code is bound to, as far as the SMS names it."""
        return super().render(template_name, {"details": self.details(), **context})

    def details(self) -> list[tuple[str, str]]:
        """Return the names and values of ``bind`` that a text of this purpose shows, the names translated."""
        texts = (message.body for message in conf.MESSAGES if message.purpose in (None, self.purpose))
        shown = {name for text in texts for name in messages.placeholders(text)}
        return [
            (capfirst(_(name.replace("_", " "))), value)
            for name, value in (self.ask.bind or {}).items()
            if name in shown
        ]
