"""The pages of processes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from orchestrator.console import showing
from orchestrator.console.actions import PROCESS_ACTIONS
from orchestrator.console.steered_page import LARGE_FIELDS, SHOWN_ROWS, Shown, SteeredPage
from processes.models import Event, Process


class ProcessAdmin(SteeredPage):
    """Processes, newest first; searched by their ids, exactly."""

    list_display = ("id", "state", "custom_id", "actor", "open_tasks", "created_at", "ended_at")
    list_filter = ("state",)
    search_fields = ("=id", "=custom_id")
    search_help_text = "Exact id or custom id"
    ordering = ("-id",)
    actions = PROCESS_ACTIONS
    change_form_template = "console/process.html"
    fieldsets = (
        (
            None,
            {"fields": ("id", "custom_id", "actor", "state", "explanation", "open_tasks", "failed_task", "attributes")},
        ),
        ("Values", {"fields": ("shown_arguments", "shown_result", "shown_failure", "shown_options")}),
        ("Restarts", {"fields": ("predecessor", "successor", "former_custom_id")}),
        (
            "Time",
            {
                "fields": (
                    ("created_at", "registered_at"),
                    ("stood_still_at", "ended_at"),
                    ("start_to_end", "on_start_to_end"),
                    ("deadline_at", "start_to_end_left"),
                    "deletion_began_at",
                )
            },
        ),
    )
    readonly_fields = (
        "explanation",
        "shown_arguments",
        "shown_result",
        "shown_failure",
        "shown_options",
        "failed_task",
        "predecessor",
        "successor",
    )

    def has_abort_permission(self, request: HttpRequest) -> bool:
        """Who may abort processes."""
        return request.user.has_perm("processes.abort_process")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        """Who may pause and resume processes."""
        return request.user.has_perm("processes.pause_process")

    def has_restart_permission(self, request: HttpRequest) -> bool:
        """Who may restart processes, or all that failed in them."""
        return request.user.has_perm("processes.restart_process")

    def around(self, row: Process) -> dict[str, Any]:
        """Its tasks, oldest first, and its history, newest first."""
        # By `created_at`, for which there is no index: a walk along the primary key would pass all other processes.
        tasks = row.tasks.defer(*LARGE_FIELDS).order_by("created_at", "id")
        return {
            "tasks": tasks[:SHOWN_ROWS],
            "has_more_tasks": tasks[SHOWN_ROWS : SHOWN_ROWS + 1].exists(),
            "events": Event.objects.filter(process_id=row.id).order_by("-id")[:SHOWN_ROWS],
        }

    @admin.display(description="Options of the root task")
    def shown_options(self, row: Process) -> Shown:
        """What the start said of retries, timeouts and priority."""
        return showing.value(row.options)

    @admin.display(description="Failed task")
    def failed_task(self, row: Process) -> Shown:
        """The task whose failure stopped it."""
        return showing.link("tasks_task", row.failed_task_id)

    @admin.display(description="Restarted as")
    def successor(self, row: Process) -> Shown:
        """The process that took over."""
        return showing.link("processes_process", row.restarted_as)

    @admin.display(description="Restart of")
    def predecessor(self, row: Process) -> Shown:
        """The process that this one took over from."""
        former = Process.objects.filter(restarted_as=row.id).values_list("id", flat=True).first()
        return showing.link("processes_process", former)
