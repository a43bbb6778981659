"""What support sees of the devices; numbers only for who may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_kaleyra_otp.contrib.django_otp.models import KaleyraDevice
from django_kaleyra_otp.lookup import user_phone_fields

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(KaleyraDevice)
class KaleyraDeviceAdmin(_ModelAdmin):
    """Devices. Without ``kaleyra_otp.view_full_phone_number`` numbers are masked and stay as they are."""

    list_display = ["user", "name", "shown_number", "confirmed", "created_at", "last_used_at"]
    list_filter = ["confirmed"]
    raw_id_fields = ["user"]
    # no number: what is searched stands in the URL
    search_fields = [f"user__{get_user_model().USERNAME_FIELD}"]
    show_full_result_count = False
    fields = ["user", "name", "phone_number", "confirmed", "created_at", "last_used_at"]
    readonly_fields = ["shown_number", "created_at", "last_used_at"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields, the number masked where it may not be seen."""
        masked = obj is not None and not request.user.has_perm("kaleyra_otp.view_full_phone_number")
        return [
            "shown_number" if masked and name == "phone_number" else name
            for name in super().get_fields(request, obj)
        ]

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        """Return what the number of a device without one of its own is read through."""
        path = "user"
        for field in user_phone_fields()[:-1]:
            if not (field.many_to_one or field.one_to_one):
                break
            path += f"__{field.name}"
        return [path]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the filters and nothing else: a look-up by number would find it digit by digit."""
        return lookup.partition("__")[0] in self.list_filter

    @admin.display(description=_("phone number"))
    def shown_number(self, device: KaleyraDevice) -> str:
        """Return the number, masked."""
        return device.masked_number or "-"
