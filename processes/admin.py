"""Plain admin pages of process rows."""

from __future__ import annotations

from django.contrib import admin

from processes.engine_admin import EngineOwned
from processes.models import Event, Process, Tombstone


@admin.register(Process)
class ProcessAdmin(EngineOwned):
    """Processes, newest first; searched by their ids, exactly."""

    list_display = ("id", "custom_id", "actor", "state", "open_tasks", "created_at", "ended_at")
    list_filter = ("state",)
    search_fields = ("=id", "=custom_id")
    search_help_text = "Exact id or custom id"
    ordering = ("-id",)


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
