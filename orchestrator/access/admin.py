"""The pages of tokens: made and revoked here, never changed or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from orchestrator.access.making import issue
from orchestrator.access.models import Scope, Token
from orchestrator.access.revoking import check_not_revoked, revoke
from orchestrator.console.confirming import Action
from orchestrator.console.steered_page import ActedPage
from tasks.acts import Order
from tasks.steering import Steered, steer_each

if TYPE_CHECKING:
    TokenModelForm = forms.ModelForm[Token]
else:
    # Django's own class is generic for type checkers only.
    TokenModelForm = forms.ModelForm

ASKED = ("client", "scopes", "start_actors", "act_actors", "requests_per_second", "expires_at")
SHOWN = (
    *("identifier", "client", "allowed", "requests_per_second", "state"),
    *("created_at", "created_by", "expires_at", "revoked_at", "last_used_at"),
)


def _rehearse_revoking(rows: QuerySet[Token]) -> Steered:
    found = {row.identifier: row for row in rows}
    return steer_each(found, lambda identifier: check_not_revoked(found[identifier]))


def _revoke(rows: QuerySet[Token], order: Order, asked: Mapping[str, Any]) -> Steered:
    identifiers = list(rows.order_by("identifier").values_list("identifier", flat=True))
    return steer_each(identifiers, lambda identifier: revoke(identifier, by=order.by, reason=order.reason))


REVOKE = Action(
    "revoke",
    "Revoke",
    permission="revoke",
    effect="Whoever shows them is refused, for ever: by every server process within two seconds.",
    rehearse=_rehearse_revoking,
    perform=_revoke,
)


class TokenForm(TokenModelForm):
    """What a new token is to allow, and for whom."""

    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = Token
        fields = ASKED
        widgets = dict.fromkeys(("client", "start_actors", "act_actors"), AdminTextInputWidget)


@admin.register(Token)
class TokenAdmin(ActedPage):
    """Tokens: whose they are, what they allow, and how they stand. Who may add one may give it every scope."""

    form = TokenForm
    list_display = ("identifier", "client", "allowed", "requests_per_second", "state", "expires_at", "last_used_at")
    search_fields = ("=identifier", "=client")
    search_help_text = "Exact identifier or client"
    ordering = ("-created_at", "identifier")
    actions = [REVOKE]
    change_form_template = "access/token.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Who may make tokens."""
        return request.user.has_perm("access.add_token")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Who may revoke tokens."""
        return request.user.has_perm("access.revoke_token")

    def get_fields(self, request: HttpRequest, obj: Token | None = None) -> tuple[str, ...]:
        """What is asked of a new one, and shown of one that is there."""
        return SHOWN if obj is not None else ASKED

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form of a new token, with one button: what follows must be read."""
        one_button = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, one_button | (extra_context or {}))

    def save_model(self, request: HttpRequest, obj: Token, form: object, change: bool) -> None:
        """Make the token."""
        issue(obj, by=request.user.get_username())

    def response_add(self, request: HttpRequest, obj: Token, post_url_continue: str | None = None) -> HttpResponse:
        """Show the text, in the answer itself: a page to be redirected to could show it only if it were kept."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The token was made",
            "opts": self.opts,
            "token": obj,
            "may_view": self.has_view_permission(request, obj),
        }
        return TemplateResponse(request, "access/made.html", context)

    @admin.display(description="Allows")
    def allowed(self, token: Token) -> str:
        """Its scopes, each with its limits."""
        return token.allows()

    @admin.display(description="State")
    def state(self, token: Token) -> str:
        """Live, expired or revoked."""
        return token.state_at(timezone.now())
