"""The pages of actors."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from orchestrator.console.actions import ACTOR_ACTIONS, EVERYTHING_ACTIONS
from orchestrator.console.confirming import Action
from processes.engine_admin import EngineOwned
from tasks.blocking import status_of
from tasks.models import EVERYTHING, ActorStatus


class ActorStatusAdmin(EngineOwned):
    """Actors: when they last polled, whether they are blocked; and whether everything is paused."""

    list_display = ("name", "blocked_since", "last_polled_at")
    search_fields = ("name",)
    ordering = ("name",)
    actions = ACTOR_ACTIONS
    change_list_template = "console/actors.html"

    def has_block_permission(self, request: HttpRequest) -> bool:
        """Who may block and unblock actors, pause and resume everything."""
        return request.user.has_perm("tasks.block_actor")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ActorStatus]:
        """The actors; that everything is paused is shown above them."""
        return super().get_queryset(request).exclude(name=EVERYTHING)

    @admin.display(description="Blocked since", ordering="blocked_at", empty_value="not blocked")
    def blocked_since(self, row: ActorStatus) -> datetime | None:
        """Since when nothing of it is handed out."""
        return row.blocked_at

    def get_urls(self) -> list[URLPattern]:
        """The pages of the admin, and one for each act that concerns everything."""
        everything = [
            path(
                f"{each.name}/",
                self.admin_site.admin_view(partial(self.act_on_everything, each)),
                name=each.name,
            )
            for each in EVERYTHING_ACTIONS
        ]
        return everything + super().get_urls()

    def act_on_everything(self, action: Action, request: HttpRequest) -> HttpResponse:
        """Pause or resume everything, after a confirmation."""
        if not self.has_block_permission(request):
            raise PermissionDenied
        answer = action(self, request, self.get_queryset(request).none())
        return answer or HttpResponseRedirect(reverse("admin:tasks_actorstatus_changelist"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The actors, below the word whether everything is paused."""
        everything = status_of(EVERYTHING)
        [pause, resume] = EVERYTHING_ACTIONS
        context = {
            "everything": everything,
            "act": (resume if everything.blocked_at else pause) if self.has_block_permission(request) else None,
        }
        return super().changelist_view(request, context | (extra_context or {}))
