"""The verbs over HTTP: each view translates, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_kaleyra_otp import challenges, phones
from django_kaleyra_otp.api import errors
from django_kaleyra_otp.api.parsers import JSONAlways, ObjectParser, give_length, is_foreign
from django_kaleyra_otp.api.schema import describe
from django_kaleyra_otp.api.serializers import StartSerializer, answer
from django_kaleyra_otp.conf import conf
from django_kaleyra_otp.exceptions import Invalid, NotFound
from django_kaleyra_otp.models import OTPChallenge
from django_kaleyra_otp.transactions import OutsideTransactions
from django_kaleyra_otp.types import Secret

_WRONG = _("This code is not right.")
_NO_BIND = _("A code is bound to a context by the server alone.")
_NO_PURPOSE = _("Use one of: %(known)s.")
_NO_CODE = _("Give the digits of the code, as text.")

# one for all requests: each new one copies its fields
_START = StartSerializer()


class ChallengeView(OutsideTransactions, APIView):  # type: ignore[misc]
    """Base of the views, made to be subclassed.

    Permissions, parser, renderer, versioning and exception handler are pinned; authentication and
    throttles are the project's. ``as_view()`` leaves the transactions of every database alias,
    subclasses included, so that a spent attempt stays spent whatever the rest of a request does.
    """

    permission_classes: list[type[BasePermission]] = [AllowAny]
    parser_classes: list[type[BaseParser]] = [ObjectParser]
    renderer_classes: list[type[BaseRenderer]] = [JSONRenderer]
    content_negotiation_class = JSONAlways
    versioning_class = None
    metadata_class = None

    def get_exception_handler(self) -> Callable[..., Response | None]:
        """Return ours: every answer has a word."""
        return errors.handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read the body of every POST, whatever the view does with it.

        A page elsewhere can have a browser post a form, but no JSON: a form that is not refused
        would spend SMS. It is refused before a CSRF check looks into it. A context comes from the
        server's own Python: a stranger must neither choose it nor write our SMS.
        """
        posted = request.method == "POST" and hasattr(self, "post")
        if posted:
            give_length(request._request)
            if is_foreign(request) and not JSONAlways().select_parser(request, self.get_parsers()):
                raise UnsupportedMediaType(request.content_type)
        super().initial(request, *args, **kwargs)
        if posted and "bind" in request.data:
            raise Invalid(errors={"bind": [_NO_BIND]})

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep every answer, errors included, out of every cache."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def allowed(self, challenge: OTPChallenge) -> bool:
        """Return whether this caller may see the challenge; one he may not see is not found."""
        rules = conf.purpose(challenge.purpose)
        if rules is None or not rules.api:
            return False
        if challenge.user_id is None:
            return not challenge.known  # a known caller's belonged to a user, who is gone
        return challenge.user_id == getattr(self.request.user, "pk", None)


class StartView(ChallengeView):
    """Send a code."""

    def is_own(self, user: Any, phone_number: str) -> bool:
        """Return whether a signed-in caller is counted apart from strangers for this number.

        Not for a number while he has another one: many accounts would be many times the limits.
        """
        own = phones.of_user(user)
        try:
            return own is None or own == phones.parse(phone_number).e164
        except Invalid:
            return False  # start refuses it, and tells the log

    @describe("start")
    def post(self, request: Request) -> Response:
        """Start a challenge for a number."""
        wanted = _START.run_validation(request.data)
        rules = conf.purpose(wanted["purpose"])
        if rules is None:
            raise Invalid(errors={"purpose": [_NO_PURPOSE % {"known": ", ".join(_open_purposes())}]})
        if not rules.api:
            raise NotFound
        user = request.user if request.user and request.user.is_authenticated else None
        challenge = challenges.start(
            wanted["phone_number"],
            purpose=wanted["purpose"],
            language=wanted.get("language"),
            user=user,
            known=user is not None and self.is_own(user, wanted["phone_number"]),
            idempotency_key=request.META.get("HTTP_IDEMPOTENCY_KEY"),
            request=request._request,
        )
        return Response(answer(challenge), status=status.HTTP_201_CREATED)


class DetailView(ChallengeView):
    """One challenge: look at it, give it up."""

    @describe("retrieve")
    def get(self, request: Request, challenge_id: str) -> Response:
        """Return where a challenge stands."""
        challenge = challenges.look(challenge_id, allowed=self.allowed)
        return Response(answer(challenge))

    @describe("cancel")
    def delete(self, request: Request, challenge_id: str) -> Response:
        """Give a challenge up."""
        challenges.cancel(challenge_id, allowed=self.allowed)
        return Response(status=status.HTTP_204_NO_CONTENT)


class VerifyView(ChallengeView):
    """Spend one attempt on a code.

    A wrong code is an answer and no exception: the attempt stays spent.
    """

    @describe("verify")
    def post(self, request: Request, challenge_id: str) -> Response:
        """Give the code."""
        result = challenges.verify(challenge_id, _guess(request), allowed=self.allowed)
        if result.ok:
            return Response({"status": "verified", "token": result.token})
        error = result.error or "not_found"
        if error == "invalid_code":
            return errors.error_response(error, _WRONG, attempts_left=result.attempts_left)
        if error == "invalid":
            return errors.error_response(error, errors={"code": [str(_NO_CODE)]})
        return errors.error_response(error)


class ResendView(ChallengeView):
    """Send the same code again."""

    @describe("resend")
    def post(self, request: Request, challenge_id: str) -> Response:
        """Send the code of an open challenge again."""
        challenge = challenges.resend(challenge_id, request=request._request, allowed=self.allowed)
        return Response(answer(challenge))


def _open_purposes() -> list[str]:
    """Return the names of the purposes that are open to HTTP."""
    return [rules.name for rules in map(conf.purpose, conf.purpose_names()) if rules and rules.api]


def _guess(request: Request) -> Secret:
    """Return the guess in a type that no traceback shows."""
    body = request.data if isinstance(request.data, dict) else {}
    if not isinstance(body.get("code"), str):
        raise Invalid(errors={"code": [_NO_CODE]})
    return Secret(body["code"])
