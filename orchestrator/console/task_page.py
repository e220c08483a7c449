"""The pages of tasks."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestrator.console import showing
from orchestrator.console.actions import TASK_ACTIONS
from orchestrator.console.steered_page import LARGE_FIELDS, SHOWN_ROWS, Shown, SteeredPage
from processes.models import Event
from tasks.models import Dependency, Task
from tasks.states import TaskState

AWAITED_LARGE_FIELDS = [f"awaited__{name}" for name in LARGE_FIELDS]
WAITER_LARGE_FIELDS = [f"waiter__{name}" for name in LARGE_FIELDS]


class StandsFailed(admin.SimpleListFilter):
    """Failed tasks whose failure nobody accepted: the ones that can be restarted."""

    title = "failure"
    parameter_name = "failure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The choices."""
        return [("unaccepted", "stands failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        """The rows of the choice, by an index of their own."""
        if self.value() != "unaccepted":
            return queryset
        return queryset.filter(state=TaskState.FAILED, failure_accepted=False)


class TaskAdmin(SteeredPage):
    """Tasks, newest first; searched by their own id or their process's, exactly."""

    list_display = ("id", "state", "actor", "attempt", "tries", "polled_at", "ended_at", "process_link")
    list_filter = (StandsFailed,)
    search_fields = ("=id", "=process_id")
    search_help_text = "Exact task id or process id"
    ordering = ("-id",)
    actions = TASK_ACTIONS
    change_form_template = "console/task.html"
    fieldsets = (
        (None, {"fields": ("id", "process_link", "parent", "actor", "kind", "state", "explanation", "priority")}),
        ("Values", {"fields": ("shown_arguments", "shown_result", "value_source", "shown_failure", "failed_source")}),
        (
            "Attempts",
            {
                "fields": (
                    ("attempt", "tries", "max_attempts"),
                    ("due_at", "delay_reason"),
                    ("polled_at", "worker"),
                    ("lease_ends_at", "poll_ends_at"),
                    ("poll_to_end", "heartbeat", "on_lease_lost"),
                    ("batch_size", "alone"),
                    ("released_attempt", "retry"),
                    "shown_details",
                )
            },
        ),
        (
            "Time",
            {
                "fields": (
                    ("created_at", "enqueued_at", "ended_at"),
                    ("enqueue_to_end", "on_enqueue_to_end"),
                    ("deadline_at", "budget_left"),
                )
            },
        ),
        ("Failures", {"fields": (("accept_failure", "accepts_failures", "failure_accepted"), "pending")}),
    )
    readonly_fields = (
        "explanation",
        "process_link",
        "parent",
        "shown_arguments",
        "shown_result",
        "shown_failure",
        "shown_details",
        "value_source",
        "failed_source",
    )

    def has_restart_permission(self, request: HttpRequest) -> bool:
        """Who may restart failed tasks."""
        return request.user.has_perm("tasks.restart_task")

    def has_complete_permission(self, request: HttpRequest) -> bool:
        """Who may complete and fail external tasks."""
        return request.user.has_perm("tasks.complete_task")

    def around(self, row: Task) -> dict[str, Any]:
        """What it awaits, what waits for it, and its history, newest first."""
        ends = Dependency.objects.order_by("id")
        return {
            "awaits": ends.filter(waiter=row).select_related("awaited").defer(*AWAITED_LARGE_FIELDS)[:SHOWN_ROWS],
            "waiters": ends.filter(awaited=row).select_related("waiter").defer(*WAITER_LARGE_FIELDS)[:SHOWN_ROWS],
            "events": Event.objects.filter(process_id=row.process_id, task_id=row.id).order_by("-id")[:SHOWN_ROWS],
        }

    @admin.display(description="Process")
    def process_link(self, row: Task) -> Shown:
        """The process that it belongs to."""
        return showing.link("processes_process", row.process_id)

    @admin.display(description="Called by")
    def parent(self, row: Task) -> Shown:
        """The task of the decider that called it."""
        return showing.link("tasks_task", row.parent_id)

    @admin.display(description="Value from")
    def value_source(self, row: Task) -> Shown:
        """The task whose value is this one's."""
        return showing.link("tasks_task", row.value_from)

    @admin.display(description="Failed input")
    def failed_source(self, row: Task) -> Shown:
        """The awaited task whose failure it is handed."""
        return showing.link("tasks_task", row.failed_input)

    @admin.display(description="Heartbeat details")
    def shown_details(self, row: Task) -> Shown:
        """What its last heartbeat told, decoded."""
        return showing.value(row.details)
