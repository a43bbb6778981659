"""Views that stay outside the transactions of ``ATOMIC_REQUESTS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http.response import HttpResponseBase

View = Callable[..., HttpResponseBase]


def outside(view: View) -> View:
    """Exempt a view from the transactions of every alias of ``DATABASES``, and return it."""
    for alias in settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


class OutsideTransactions:
    """For views whose writes must stand whatever the rest of the request does.

    ``as_view()`` exempts them, so that a subclass keeps it.
    """

    @classmethod
    def as_view(cls, **initkwargs: Any) -> View:
        """Return the view, marked for each database."""
        return outside(super().as_view(**initkwargs))  # type: ignore[misc]
