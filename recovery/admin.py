"""Plain admin pages of recovery."""

from __future__ import annotations

from django.contrib import admin

from processes.engine_admin import AnyModelAdmin, EngineOwned
from recovery.models import RetentionRule, ScanRun


@admin.register(ScanRun)
class ScanRunAdmin(EngineOwned):
    """When each scan last ran."""

    list_display = ("name", "ran_at", "found", "ran_by")
    ordering = ("name",)


@admin.register(RetentionRule)
class RetentionRuleAdmin(AnyModelAdmin):
    """How long what has ended is kept, and when what has failed is aborted: for people to edit."""

    list_display = ("state", "actor", "age")
    list_filter = ("state",)
    search_fields = ("actor",)
    ordering = ("state", "actor")
