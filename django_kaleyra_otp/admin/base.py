"""What every page has in common: bounded lists, masked numbers, nothing to change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator


#: What stands where there is nothing to show.
NOTHING = "-"


def sees_numbers(request: HttpRequest) -> bool:
    """Return whether the request's user may see phone numbers and addresses in full."""
    return request.user.has_perm("kaleyra_otp.view_full_phone_number")


def may_view(request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the request's user may view the rows of one of our tables."""
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def row_link(site: admin.AdminSite, model: type[Model], pk: object, text: str) -> str:
    """Return a link to the page of one row, or the text alone where the site does not have it."""
    if not site.is_registered(model):
        return text
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(name, args=[pk], current_app=site.name), text)


class CappedPaginator(_Paginator):
    """Pages over the first rows alone: at no size of the table are all of them counted."""

    MOST = 1000

    @cached_property
    def _found(self) -> int:
        # in the order of the list, whose index begins with the newest: a filter seldom looks for others
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.values("pk")[: self.MOST + 1].count()

    @cached_property
    def count(self) -> int:
        """How many rows the pages show: all, or the first MOST."""
        return min(self._found, self.MOST)

    @property
    def capped(self) -> bool:
        """Whether there are more rows than the pages show."""
        return self._found > self.MOST


class BoundedAdmin(_ModelAdmin):
    """Lists that stay fast at any size of the table, and show numbers only to who may see them."""

    paginator = CappedPaginator
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a facet counts the whole table, once a choice

    #: Columns and fields for who may see numbers in full; for the others, what stands there instead.
    personal: Mapping[str, str] = {"full_number": "masked_number", "ip": "", "block": ""}

    class Media:
        css: ClassVar = {"all": ["kaleyra_otp/admin.css"]}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the filters shown and nothing else.

        Django allows a look-up on each of the model's own fields, so that anybody could find a
        masked number, or a digest, digit by digit with ``?phone_number__startswith=``.
        """
        return lookup in {getattr(shown, "parameter_name", None) for shown in self.list_filter}

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns; what is personal is left out or masked without the permission."""
        return self._shown(request, self.list_display)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the groups of fields; what is personal is left out or masked without the permission."""
        groups = super().get_fieldsets(request, obj)
        return [(name, {**rest, "fields": self._shown(request, rest["fields"])}) for name, rest in groups]

    def link(self, model: type[Model], pk: object, text: str) -> str:
        """Return a link to the page of one row, or the text alone where the site does not have it."""
        return row_link(self.admin_site, model, pk, text)

    def _shown(self, request: HttpRequest, names: Iterable[Any]) -> list[Any]:
        if sees_numbers(request):
            return list(names)
        return [instead for name in names if (instead := self.personal.get(name, name))]


class ReadOnlyAdmin(BoundedAdmin):
    """Evidence: nobody can add, change or delete it here, superusers included."""

    change_form_template = "admin/kaleyra_otp/row.html"
    actions = None  # a project's own, such as an export, would show what is masked here

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes: the purge does."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return every field shown."""
        return list(flatten_fieldsets(self.get_fieldsets(request, obj)))


def as_uuid(text: str) -> uuid.UUID | None:
    """Return the UUID that a text is, or None."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
