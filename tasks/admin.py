"""Plain admin pages of task rows."""

from __future__ import annotations

from django.contrib import admin

from processes.engine_admin import EngineOwned
from tasks.models import ActorStatus, Dependency, Task, WorkerProcess


@admin.register(Task)
class TaskAdmin(EngineOwned):
    """Tasks, newest first; searched by their own id or their process's, exactly."""

    list_display = ("id", "process_id", "actor", "state", "attempt", "tries", "polled_at", "ended_at")
    search_fields = ("=id", "=process__id")
    search_help_text = "Exact task id or process id"
    ordering = ("-id",)


@admin.register(Dependency)
class DependencyAdmin(EngineOwned):
    """Who waits for whom."""

    list_display = ("waiter_id", "awaited_id", "process_id", "delivers_value")
    search_fields = ("=waiter__id", "=awaited__id")
    search_help_text = "Exact task id"
    ordering = ("-id",)


@admin.register(ActorStatus)
class ActorStatusAdmin(EngineOwned):
    """Actors: when they last polled, whether they are blocked."""

    list_display = ("name", "last_polled_at", "blocked_at")
    search_fields = ("name",)
    ordering = ("name",)


@admin.register(WorkerProcess)
class WorkerProcessAdmin(EngineOwned):
    """Worker processes: what they serve, what they hold, when they last gave a sign of life."""

    list_display = ("name", "node", "pool", "held", "started_at", "seen_at", "heard_at")
    search_fields = ("name", "node")
    ordering = ("-seen_at",)
