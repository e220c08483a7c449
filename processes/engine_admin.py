"""What the admin pages of rows that the engine owns have in common."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    # Django's own classes are generic for type checkers only.
    AnyPaginator = Paginator
    AnyModelAdmin = admin.ModelAdmin

COUNTED_ROWS = 5_000


class BoundedPaginator(AnyPaginator):
    """Counts no more rows than a person would page through: the cost of a list page does not grow with history."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, at most `COUNTED_ROWS`."""
        rows = cast("QuerySet[Model]", self.object_list)
        return len(rows.values_list("pk", flat=True)[:COUNTED_ROWS])


class EngineOwned(AnyModelAdmin):
    """A page of rows that only the engine writes: people look and search."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    list_per_page = 50

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search fields written `=field` as they stand, by their indexes; Django's own search would ignore case."""
        names = [name.removeprefix("=") for name in self.search_fields if name.startswith("=")]
        if not (names and search_term):
            return super().get_search_results(request, queryset, search_term)
        wanted = Q()
        for name in names:
            with suppress(ValidationError):
                wanted |= Q(**{name: cast("Field[Any, Any]", self.opts.get_field(name)).to_python(search_term.strip())})
        return (queryset.filter(wanted) if wanted else queryset.none()), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds such rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes such rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes such rows by hand."""
        return False
