"""Views that want a code first: ``code_required``, and ``CodeRequiredMixin`` for classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from django_kaleyra_otp.login import stamps
from django_kaleyra_otp.login.stamps import Ask

V = TypeVar("V", bound=Callable[..., Any])

#: Methods that change nothing, and so use up no proof.
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


def code_required(
    purpose: str = "step_up", max_age: int | None = 300, *, bind: Callable[..., Any] | None = None
) -> Callable[[V], V]:
    """Let a view, sync or async, answer only who gave a code for ``purpose`` in the last ``max_age`` seconds.

    Who is not signed in is sent to sign in; who has given no code, to the page that asks for one, and from
    there back to this address, by GET: what a POST carried is gone. ``max_age`` None is as long as the
    session.

    ``bind(request, *args, **kwargs)`` returns what the code is for, as the server has it: a dict of text,
    whose names may stand in the SMS. A code is then good for these values alone, and once: GET, HEAD,
    OPTIONS and TRACE show, any other method uses it up. It may be a coroutine function.

    A call raises ImproperlyConfigured where there is no such purpose, or HTTP clients may ask for its codes.
    """
    if callable(purpose):
        raise TypeError("Write @code_required(), with parentheses.")
    if bind is not None and max_age is None:
        raise ValueError("A code that is bound needs a max_age.")
    values = async_to_sync(bind) if iscoroutinefunction(bind) else bind

    def turn_away(request: HttpRequest, args: Any, kwargs: Any) -> HttpResponse | None:
        bound = None if values is None else stamps.require_bind(values(request, *args, **kwargs))
        return _turn_away(request, purpose, max_age, bound)

    def decorate(view: V) -> V:
        async def later(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refusal = await sync_to_async(turn_away)(request, args, kwargs)
            return refusal or await view(request, *args, **kwargs)

        def now(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return turn_away(request, args, kwargs) or view(request, *args, **kwargs)

        guarded: Any = later if iscoroutinefunction(view) else now
        return cast(V, login_required(wraps(view)(guarded)))

    return decorate


class CodeRequiredMixin:
    """``code_required`` for class-based views; it stands left of ``View``.

    A subclass that sets ``code_bind`` makes it a method without arguments, which returns what the code is
    for: ``self.request`` and ``self.kwargs`` are there.
    """

    code_purpose = "step_up"
    code_max_age: int | None = 300
    code_bind: Callable[..., Any] | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer as the view does, or send to the page that asks for a code."""
        view = super().dispatch  # type: ignore[misc]
        own = self.code_bind
        guard = code_required(
            self.code_purpose,
            max_age=self.code_max_age,
            bind=None if own is None else _without_arguments(own),
        )
        return guard(_as_coroutine(view) if self.view_is_async else view)(  # type: ignore[attr-defined]
            request, *args, **kwargs
        )


def _turn_away(
    request: HttpRequest, purpose: str, max_age: int | None, bind: stamps.Bind | None
) -> HttpResponse | None:
    """Return the way to the page that asks for a code, or None for who may pass."""
    stamps.require_private(purpose)
    user, session = request.user, request.session
    ask = Ask.of(session, purpose, bind, max_age)
    if ask.is_met(user) and (bind is None or request.method in SAFE or ask.spend(session, user)):
        return None
    ask.save(session)
    query = urlencode({"for": ask.id, REDIRECT_FIELD_NAME: request.get_full_path()})
    return HttpResponseRedirect(f"{reverse('kaleyra_otp_login:step_up')}?{query}")


def _without_arguments(own: Callable[..., Any]) -> Callable[..., Any]:
    async def later(*args: Any, **kwargs: Any) -> Any:
        return await own()

    return later if iscoroutinefunction(own) else lambda *args, **kwargs: own()


def _as_coroutine(view: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **kwargs)

    return call
