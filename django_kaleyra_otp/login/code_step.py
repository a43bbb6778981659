"""The page that asks for a code, and what its two buttons do."""

from __future__ import annotations

import math
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import RedirectURLMixin
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import escape_leading_slashes
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views import View, debug
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from django_kaleyra_otp import challenges
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import (
    AlreadyVerified,
    Canceled,
    Cooldown,
    CountryNotAllowed,
    DatabaseBusy,
    DeliveryFailed,
    DeliveryUnavailable,
    Expired,
    Invalid,
    InvalidToken,
    KaleyraOTPError,
    MaxAttemptsReached,
    MaxFailuresReached,
    MaxSendsReached,
    NotFound,
    PrefixBlocked,
    RateLimited,
    Refused,
)
from django_kaleyra_otp.login import device
from django_kaleyra_otp.login.forms import CodeForm
from django_kaleyra_otp.login.pending import TIE, Pending
from django_kaleyra_otp.models import ChallengeStatus, OTPChallenge
from django_kaleyra_otp.transactions import OutsideTransactions

#: What became of the challenge meanwhile; the page says so by itself.
_OVERTAKEN = (AlreadyVerified, Canceled, Expired, MaxAttemptsReached, MaxSendsReached, NotFound)
_SENTENCES = {
    kind.code: kind.default_detail
    for kind in (
        Cooldown,
        CountryNotAllowed,
        DeliveryFailed,
        DeliveryUnavailable,
        Invalid,
        MaxFailuresReached,
        PrefixBlocked,
        RateLimited,
        Refused,
    )
}
#: Refusals that are over when the wait is.
_WAITS = (Cooldown.code, RateLimited.code, MaxFailuresReached.code)
#: Notices that are no refusal.
RESENT, WRONG = "resent", "invalid_code"


@method_decorator(
    [login_not_required, sensitive_post_parameters(), csrf_protect, never_cache], name="dispatch"
)
class CodeStepView(OutsideTransactions, RedirectURLMixin, View):
    """Base of the sign-in pages: a first page, which a subclass brings, and the one that asks for the code.

    The second is the same address with ``?step=code``. Every change is a POST that is answered with a
    redirect, so that going back or loading a page again neither sends a code nor spends an attempt.
    """

    purpose = "login"
    pending_class: type[Pending] = Pending
    code_form_class = CodeForm
    code_template_name = "kaleyra_otp/login/code.html"
    device_cookie_name = "kaleyra_otp_device"
    device_cookie_age: int | None = 90 * 24 * 60 * 60
    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, unless a subclass turns the request away."""
        request.exception_reporter_filter = _always_safe()
        return self.turn_away() or super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a page; sends nothing."""
        if request.GET.get("step") != "code":
            return self.show_first_page(self.load_pending())
        pending, challenge = self.under_way()
        if pending is None or challenge is None:
            return self.begin_anew(pending)
        return self.show_code_page(pending, challenge)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Take what a page's form, or the button under it, gave."""
        if request.GET.get("step") != "code":
            return self.take_first_page()
        pending, challenge = self.under_way()
        if pending is None or challenge is None:
            return self.begin_anew(pending)
        if "resend" in request.POST:
            return self.take_resend(pending, challenge)
        return self.take_code(pending, challenge)

    # What a subclass brings

    def show_first_page(self, pending: Pending | None) -> HttpResponse:
        """Return the page before the code; ``pending`` is what waits for a code already, or None."""
        raise NotImplementedError

    def take_first_page(self) -> HttpResponse:
        """Take the first page's form and start a challenge."""
        raise NotImplementedError

    def start_again(self, pending: Pending, challenge: OTPChallenge) -> Pending:
        """Start another challenge for who waits for the code of one that is no longer good."""
        raise NotImplementedError

    def succeed(self, pending: Any, challenge: OTPChallenge, token: str) -> HttpResponse:
        """Answer the right code; ``token`` is the proof of it, which ``challenges.redeem`` takes."""
        raise NotImplementedError

    def turn_away(self) -> HttpResponse | None:
        """Return the answer to who may see none of the pages, or None."""
        return None

    # Where the state of the session is kept

    def load_pending(self) -> Any:
        """Return the ``pending_class`` that is under way in this session, or None."""
        return self.pending_class.load(self.request.session)

    def keep(self, pending: Pending) -> None:
        """Keep what is under way."""
        pending.save(self.request.session)

    def forget(self) -> None:
        """Forget what is under way."""
        self.pending_class.drop(self.request.session)

    def bind_of(self, tie: str) -> dict[str, str]:
        """Return what a challenge is bound to; a decoy is bound to something else."""
        return {TIE: tie}

    # Addresses

    def first_url(self, next_url: str) -> str:
        """Return the address of the first page, which leads on to ``next_url``, where that is not ""."""
        query = f"?{urlencode({self.redirect_field_name: next_url})}" if next_url else ""
        return escape_leading_slashes(self.request.path) + query

    def code_url(self, pending: Pending) -> str:
        """Return the address of the page that asks for the code which ``pending`` waits for."""
        return f"{escape_leading_slashes(self.request.path)}?step=code"

    def get_default_redirect_url(self) -> str:
        """Return where a sign-in leads that was on its way to nowhere."""
        return resolve_url(self.next_page or settings.LOGIN_REDIRECT_URL)

    # The code

    def under_way(self) -> tuple[Any, OTPChallenge | None]:
        """Return what this session waits for, and the challenge's row as it stands."""
        pending = self.load_pending()
        return pending, pending.challenge() if pending else None

    def begin_anew(self, pending: Pending | None) -> HttpResponse:
        """Send who waits for no code, or for one whose row is gone, to the first page."""
        self.forget()
        return HttpResponseRedirect(self.first_url(pending.next if pending else ""))

    def start_challenge(
        self, phone_number: str, tie: str, *, user: Any = None, known: bool = False
    ) -> OTPChallenge:
        """Start a challenge whose SMS leaves. A send that fails raises nothing: its row tells.

        Raises what ``challenges.start`` raises before it sends.
        """
        try:
            return challenges.start(
                phone_number,
                purpose=self.purpose,
                user=user,
                known=known,
                bind=self.bind_of(tie),
                language=get_language(),
                request=self.request,
            )
        except DeliveryFailed as failure:
            if failure.challenge is None:
                raise
            started: OTPChallenge = failure.challenge
            return started

    def take_code(self, pending: Pending, challenge: OTPChallenge) -> HttpResponse:
        """Spend an attempt on the code, and sign in who gave the right one."""
        form = self.code_form_class(self.request.POST, code_length=challenge.code_length)
        if not form.is_valid():
            return self.show_code_page(pending, challenge, form)
        try:
            result = challenges.verify(
                challenge.pk, form.cleaned_data["code"], purpose=self.purpose, bind=self.bind_of(pending.tie)
            )
            if result.ok:
                return self.succeed(pending, challenge, result.token or "")
        except DatabaseBusy as busy:
            form.add_error(None, str(busy.detail))
            return self.show_code_page(pending, challenge, form)
        return self.to_code_page(pending, WRONG if result.error == WRONG else "")

    def take_resend(self, pending: Pending, challenge: OTPChallenge) -> HttpResponse:
        """Send the code again; a new one where this one can be sent or given no more."""
        open_still = challenge.effective_status == ChallengeStatus.PENDING and challenge.sends_left > 0
        try:
            if open_still:
                self.resend(pending, challenge)
                pending.wait(conf.RESEND_COOLDOWN)
            else:
                pending = self.start_again(pending, challenge)
        except _OVERTAKEN:
            return self.to_code_page(pending, "")
        except KaleyraOTPError as refusal:
            if isinstance(refusal, RateLimited) and refusal.retry_after:
                pending.wait(refusal.retry_after)
            elif isinstance(refusal, DeliveryFailed) and refusal.challenge is not None:
                pending.wait(conf.RESEND_COOLDOWN)
            return self.to_code_page(pending, refusal.code)
        return self.to_code_page(pending, RESENT)

    def resend(self, pending: Pending, challenge: OTPChallenge) -> None:
        """Send the code of an open challenge again."""
        challenges.resend(challenge.pk, request=self.request)

    def redeem(self, pending: Pending, token: str) -> bool:
        """Use up the proof of a right code; returns whether it was good."""
        try:
            challenges.redeem(token, purpose=self.purpose, bind=self.bind_of(pending.tie))
        except InvalidToken:
            return False
        return True

    def remember_device(self, response: HttpResponse, user: Any, phone_number: str) -> HttpResponse:
        """Add the device cookie to the answer to a right code, unless ``device_cookie_age`` is None."""
        if self.device_cookie_age is not None:
            device.remember(response, self.device_cookie_name, self.device_cookie_age, user, phone_number)
        return response

    def knows_device(self, user: Any, phone_number: str) -> bool:
        """Return whether this browser has the device cookie of a user and his number."""
        age = self.device_cookie_age
        return age is not None and device.knows(
            self.request, self.device_cookie_name, age, user, phone_number
        )

    def to_code_page(self, pending: Pending, notice: str) -> HttpResponse:
        """Remember what the request came to, and send the browser to the page that tells."""
        pending.notice = notice
        self.keep(pending)
        return HttpResponseRedirect(self.code_url(pending))

    def show_code_page(
        self, pending: Pending, challenge: OTPChallenge, form: Form | None = None
    ) -> HttpResponse:
        """Return the page that asks for the code, or says why it no longer does."""
        now = timezone.now()
        status = challenge.status_at(now)
        if status != ChallengeStatus.PENDING:
            form = None
        elif form is None and pending.notice == WRONG:
            form = self.code_form_class.refused(challenge.code_length, challenge.attempts_left)
        elif form is None:
            form = self.code_form_class(code_length=challenge.code_length)
        seconds = pending.seconds_to_wait(now)
        over = pending.notice in _WAITS and not seconds
        return self.render(
            self.code_template_name,
            {
                "form": form,
                "phone_number": pending.number,
                "status": str(status),
                "refusal": "" if over else _SENTENCES.get(pending.notice, ""),
                "resent": pending.notice == RESENT,
                "minutes_left": math.ceil((challenge.expires_at - now).total_seconds() / 60),
                "sends_left": challenge.sends_left,
                "seconds_to_wait": seconds,
                "wait": wait_in_words(seconds),
                "first_url": self.first_url(pending.next),
            },
        )

    def render(self, template_name: str, context: dict[str, Any]) -> HttpResponse:
        """Return a page; every one has ``service_name``."""
        context["service_name"] = conf.SERVICE_NAME or ""
        return TemplateResponse(self.request, template_name, context)


@cache
def _always_safe() -> debug.SafeExceptionReporterFilter:
    """Return the project's filter of error pages, made to hide a typed code under DEBUG, too."""
    project = type(debug.get_default_exception_reporter_filter())
    safe: debug.SafeExceptionReporterFilter = type("Safe", (project,), {"is_active": lambda *args: True})()
    return safe


def wait_in_words(seconds: int) -> str:
    """Return a time to wait for people: seconds up to two minutes, then minutes, then hours."""
    if seconds <= 120:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    if seconds <= 7200:
        count = math.ceil(seconds / 60)
        return ngettext("%(count)d minute", "%(count)d minutes", count) % {"count": count}
    count = math.ceil(seconds / 3600)
    return ngettext("%(count)d hour", "%(count)d hours", count) % {"count": count}


def explain(refusal: KaleyraOTPError) -> str:
    """Return a refusal as a sentence, with the time to wait where it names one."""
    sentence = str(refusal.detail)
    if isinstance(refusal, Cooldown) and refusal.retry_after:
        wait = wait_in_words(refusal.retry_after)
        return _("A code was sent a moment ago. You can ask for another in %(wait)s.") % {"wait": wait}
    if isinstance(refusal, RateLimited) and refusal.retry_after:
        wait = wait_in_words(refusal.retry_after)
        return _("%(sentence)s You can ask again in %(wait)s.") % {"sentence": sentence, "wait": wait}
    return sentence
