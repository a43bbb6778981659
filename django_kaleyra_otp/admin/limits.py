"""Rate limits: which buckets are in use, read-only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp.admin.base import ReadOnlyAdmin
from django_kaleyra_otp.models import RateLimit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@admin.register(RateLimit)
class RateLimitAdmin(ReadOnlyAdmin):
    """The buckets by the beginning of their key; the whole is shown nowhere, so none has a page."""

    list_display = ["short_key", "full_until"]
    list_display_links = None
    ordering = ["-tat"]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> NoReturn:
        """Refuse: no row has a page of its own."""
        raise PermissionDenied

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the buckets without what only the limiter reads."""
        return super().get_queryset(request).only("key", "tat")

    @admin.display(description=_("key begins with"))
    def short_key(self, limit: RateLimit) -> str:
        """The first characters of the key."""
        return str(limit)

    @admin.display(description=_("full until"))
    def full_until(self, limit: RateLimit) -> datetime:
        """When the bucket is as good as new."""
        at = EPOCH + timedelta(microseconds=limit.tat)
        return at if settings.USE_TZ else timezone.make_naive(at, timezone.get_default_timezone())
