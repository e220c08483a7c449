"""Plain admin pages of recovery."""

from __future__ import annotations

from django.contrib import admin

from processes.engine_admin import EngineOwned
from recovery.models import ScanRun


@admin.register(ScanRun)
class ScanRunAdmin(EngineOwned):
    """When each scan last ran."""

    list_display = ("name", "ran_at", "found", "ran_by")
    ordering = ("name",)
