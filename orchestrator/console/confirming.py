"""Admin actions that ask first: they show what would happen, take a reason, do it, and tell what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from processes.engine_admin import EngineOwned
from processes.errors import ValueRefused
from tasks.acts import REASON_LIMIT, Order
from tasks.arguments import encode_result
from tasks.steering import Steered

if TYPE_CHECKING:
    Rows = QuerySet[Any]

AT_ONCE = 1_000
"""So many rows are steered by one request of a browser, which waits for the answer; the command has no bound."""
SHOWN_ROWS = 10
BACK_TO_ROW = "back_to_row"


class Confirmation(forms.Form):
    """What a person says when confirming; `rows` are the keys that were shown, `request_id` makes a double click one.

    The rows are pinned: what begins to match a filter after the page was shown is not touched.
    """

    rows = forms.CharField(required=False, widget=forms.HiddenInput)
    request_id = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(
        required=False,
        max_length=REASON_LIMIT,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="Kept in the history, with your name.",
    )


class ConfirmationWithValue(Confirmation):
    """As `Confirmation`, with the value that completes a task."""

    field_order = ("value", "reason")
    value = forms.JSONField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
        help_text="The result of the task as JSON. Empty means null.",
    )

    def clean_value(self) -> object:
        """The value, if it can be stored."""
        value: object = self.cleaned_data["value"]
        try:
            encode_result(value)
        except ValueRefused as error:
            raise ValidationError(str(error)) from error
        return value


class ConfirmationWithMessage(Confirmation):
    """As `Confirmation`, with the message of the failure that fails a task."""

    field_order = ("message", "reason")
    message = forms.CharField(
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="What failed. Deciders that accept the failure read it.",
    )


class Action:
    """One admin action: who may, what it would do, what it does.

    `rehearse` and `perform` are given the selected rows; `perform` also the order and what the form asked beyond it.
    """

    do_not_call_in_templates = True

    def __init__(
        self,
        name: str,
        title: str,
        *,
        permission: str,
        effect: str,
        rehearse: Callable[[Rows], Steered],
        perform: Callable[[Rows, Order, Mapping[str, Any]], Steered],
        form: type[Confirmation] = Confirmation,
    ) -> None:
        self.name = self.__name__ = name
        self.short_description = title
        self.allowed_permissions = [permission]
        self.effect = effect
        self.rehearse = rehearse
        self.perform = perform
        self.form = form

    def __call__(self, page: EngineOwned, request: HttpRequest, selected: Rows) -> HttpResponse | None:
        """Show the confirmation; once confirmed, act. Never on more than `AT_ONCE` rows."""
        form = self.form(request.POST) if "confirmed" in request.POST else None
        if form is None:
            keys = list(selected.values_list("pk", flat=True)[:AT_ONCE])
        else:
            keys = _keys(page.model, form.data.get("rows", ""))
        rows = page.get_queryset(request).filter(pk__in=keys)
        if form is None or not form.is_valid():
            return self._ask(page, request, rows, keys, form)
        order = Order(
            by=request.user.get_username(),
            reason=form.cleaned_data["reason"],
            request_id=f"console:{form.cleaned_data['request_id']}",
        )
        told = self.perform(rows, order, form.cleaned_data)
        messages.add_message(
            request, messages.WARNING if told.refused else messages.SUCCESS, f"{self.short_description}: {told}"
        )
        return HttpResponseRedirect(_address(page, keys[0])) if BACK_TO_ROW in request.POST else None

    def _ask(
        self, page: EngineOwned, request: HttpRequest, rows: Rows, keys: list[Any], form: Confirmation | None
    ) -> HttpResponse:
        would = self.rehearse(rows)
        initial = {"rows": " ".join(map(str, keys)), "request_id": uuid4()}
        context = {
            **page.admin_site.each_context(request),
            "title": self.short_description,
            "opts": page.opts,
            "media": page.media,
            "action": self,
            "form": form or self.form(initial=initial),
            "would": would,
            "refused": list(_reasons(page, would)),
            "shown": [(row, _address(page, row.pk)) for row in rows[:SHOWN_ROWS]],
            "unshown": max(len(keys) - SHOWN_ROWS, 0),
            "limit": AT_ONCE if len(keys) == AT_ONCE else None,
            "checkbox": ACTION_CHECKBOX_NAME,
            "back_to_row": BACK_TO_ROW if BACK_TO_ROW in request.POST else "",
            "back": _address(page, keys[0]) if BACK_TO_ROW in request.POST else _list_address(page, request),
        }
        return TemplateResponse(request, "console/confirm.html", context)


def _keys(model: type[Model], text: str) -> list[Any]:
    try:
        return [model._meta.pk.to_python(word) for word in text.split()]
    except ValidationError as error:
        raise BadRequest("these rows were not shown") from error


def _address(page: EngineOwned, key: object) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_change", args=[key])


def _list_address(page: EngineOwned, request: HttpRequest) -> str:
    query = request.META.get("QUERY_STRING", "")
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist") + (f"?{query}" if query else "")


def _reasons(page: EngineOwned, would: Steered) -> Iterator[tuple[int, str, str, list[tuple[object, str]]]]:
    """For each refusal: how many, its code, its sentence, and examples with their addresses."""
    for code, count in sorted(would.refused.items()):
        examples: list[tuple[object, str]] = [(example, _address(page, example)) for example in would.examples[code]]
        yield count, code, would.sentences[code], examples
