"""The pages whose user is known before the code, which goes to the number that he has."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse

from django_kaleyra_otp import lookup
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import Cooldown
from django_kaleyra_otp.login import users
from django_kaleyra_otp.login.code_step import CodeStepView
from django_kaleyra_otp.login.pending import Pending, new_tie
from django_kaleyra_otp.models import DeliveryStatus, OTPChallenge


class OwnNumberView(CodeStepView):
    """Base of ``TwoStepLoginView`` and ``StepUpView``: sends to a user's own number, as to a known caller."""

    no_number_template_name = "kaleyra_otp/login/no_number.html"

    def user_of(self, pending: Any) -> Any:
        """Return the user who waits for a code, or None where he may no longer have it."""
        raise NotImplementedError

    def under_way(self) -> tuple[Any, OTPChallenge | None]:
        """Return what this session waits for; no challenge where it is not its user's, with his number."""
        pending, challenge = super().under_way()
        user = self.user_of(pending) if challenge else None
        if challenge is None or user is None or challenge.user_id != user.pk:
            return pending, None
        return pending, challenge if challenge.phone_number == users.number_of(user) else None

    def start_or_return(
        self, user: Any, phone_number: str, next_url: str, own: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send a code to a user's number, and him to the page that asks for it.

        ``own`` is what ``pending_class`` adds to ``Pending``. Who asks twice in a row for the same is led
        to the code that is on its way. Raises what ``challenges.start`` raises before it sends.
        """
        tie = new_tie()
        try:
            challenge = self.start_challenge(phone_number, tie, user=user, known=True)
        except Cooldown as refusal:
            pending, challenge_before = self.under_way()
            if challenge_before is None or challenge_before.user_id != user.pk:
                raise
            pending.wait(refusal.retry_after or 0)
            pending.next = next_url
            return self.to_code_page(pending, refusal.code)
        send = challenge.newest_send
        failed = send is not None and send.status == DeliveryStatus.FAILED
        pending = self.pending_class.of(challenge, tie, next_url, **(own or {}))
        return self.to_code_page(pending, "delivery_failed" if failed else "")

    def start_again(self, pending: Any, challenge: OTPChallenge) -> Pending:
        """Start another challenge for the same user, who has to give nothing again."""
        tie = new_tie()
        user = self.user_of(pending)
        started = self.start_challenge(challenge.phone_number, tie, user=user, known=True)
        return self.pending_class.of(started, tie, pending.next, **pending.own())

    def refuse_without_number(self, first_url: str = "") -> HttpResponse:
        """Say that a code can be sent nowhere, and that nobody passes without one.

        Raises ImproperlyConfigured where ``USER_PHONE`` leads nowhere, for then it is not the user's to mend.
        """
        if not lookup.user_phone_fields() and not hasattr(get_user_model(), conf.USER_PHONE):
            raise ImproperlyConfigured(
                "KALEYRA_OTP['USER_PHONE'] leads to no field of the user model: nobody has a number."
            )
        answer = self.render(self.no_number_template_name, {"first_url": first_url})
        answer.status_code = 403
        return answer
