"""Leaves room in the pages of hot tables for updated rows, and vacuums them by the work done, not by their size."""

from django.db import migrations

TUNE = """
ALTER TABLE tasks_task SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
)
"""
RESET = """
ALTER TABLE tasks_task RESET (
    fillfactor,
    autovacuum_vacuum_scale_factor,
    autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_scale_factor,
    autovacuum_analyze_scale_factor
)
"""


class Migration(migrations.Migration):
    """Storage parameters of the task table."""

    dependencies = [("tasks", "0002_define_ready_state")]

    operations = [migrations.RunSQL(TUNE, RESET)]
