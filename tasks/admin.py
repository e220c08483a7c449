"""Plain admin pages of rows beside tasks; those of tasks and actors stand in `orchestrator.console`."""

from __future__ import annotations

from django.contrib import admin

from processes.engine_admin import EngineOwned
from tasks.models import Dependency, WorkerProcess


@admin.register(Dependency)
class DependencyAdmin(EngineOwned):
    """Who waits for whom."""

    list_display = ("waiter_id", "awaited_id", "process_id", "delivers_value")
    search_fields = ("=waiter_id", "=awaited_id")
    search_help_text = "Exact task id"
    ordering = ("-id",)


@admin.register(WorkerProcess)
class WorkerProcessAdmin(EngineOwned):
    """Worker processes: what they serve, what they hold, when they last gave a sign of life."""

    list_display = ("name", "node", "pool", "held", "started_at", "seen_at", "heard_at")
    search_fields = ("name", "node")
    ordering = ("-seen_at",)
