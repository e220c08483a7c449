"""What the pages of rows that people act on have in common, and those of rows that people steer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestrator.console import showing
from orchestrator.console.confirming import BACK_TO_ROW, Action
from processes.engine_admin import EngineOwned
from processes.errors import Refused
from recovery.why import why

SHOWN_ROWS = 100
LARGE_FIELDS = ("arguments", "result", "failure")
Shown = SafeString | str


class ActedPage(EngineOwned):
    """Pages of rows that people do something to: their own page has a button for every act."""

    actions: Sequence[Action]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of one row, with what stands around it."""
        row = self.get_object(request, object_id)
        context = {
            "checkbox": ACTION_CHECKBOX_NAME,
            "back_to_row": BACK_TO_ROW,
            **({"acts": self.acts(request, row), **self.around(row)} if row is not None else {}),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def acts(self, request: HttpRequest, row: Any) -> list[Action]:
        """Those acts that this person may do, and that the row would not refuse now."""
        rows = self.get_queryset(request).filter(pk=row.pk)
        permitted = self.get_actions(request)
        return [each for each in self.actions if each.name in permitted and each.rehearse(rows).done]

    def around(self, row: Any) -> dict[str, Any]:
        """What the page shows beside the row itself."""
        return {}


class SteeredPage(ActedPage):
    """Pages of processes and tasks: how they stand, and what stands around them."""

    change_list_template = "console/rows.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows, their values read only where one is shown."""
        return super().get_queryset(request).defer(*LARGE_FIELDS)

    def around(self, row: Any) -> dict[str, Any]:
        """What the page shows beside the row itself."""
        raise NotImplementedError

    @admin.display(description="How it stands")
    def explanation(self, row: Any) -> Shown:
        """Why it does not move, and what to do."""
        try:
            told = why(row)
        except Refused as gone:
            return str(gone)
        return format_html("{}<br><strong>{}</strong>", told.sentence, told.action)

    @admin.display(description="Arguments")
    def shown_arguments(self, row: Any) -> Shown:
        """The arguments, decoded."""
        return showing.value(row.arguments)

    @admin.display(description="Result")
    def shown_result(self, row: Any) -> Shown:
        """The result, decoded."""
        return showing.value(row.result)

    @admin.display(description="Failure")
    def shown_failure(self, row: Any) -> Shown:
        """The failure, with what it comes from."""
        return showing.failure(row.failure)
