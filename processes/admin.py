"""Plain admin pages of rows beside processes; the page of a process itself stands in `orchestrator.console`."""

from __future__ import annotations

from django.contrib import admin

from processes.engine_admin import EngineOwned
from processes.models import Event, Tombstone


@admin.register(Event)
class EventAdmin(EngineOwned):
    """What happened to processes beyond their rows, newest first."""

    list_display = ("at", "kind", "process_id", "task_id", "by")
    search_fields = ("=process_id", "=kind")
    search_help_text = "Exact process id or kind"
    ordering = ("-id",)


@admin.register(Tombstone)
class TombstoneAdmin(EngineOwned):
    """Identities of deleted processes."""

    list_display = ("custom_id", "process_id", "actor", "state", "deleted_at")
    search_fields = ("=custom_id",)
    search_help_text = "Exact custom id"
    ordering = ("custom_id",)
