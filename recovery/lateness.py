"""Tells which scans are late: those that have not run for three of their periods."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

from recovery.models import ScanRun
from recovery.scans import SCANS

PERIODS = 3


def periods() -> dict[str, timedelta]:
    """The period of each scan, as it stands in the admin; a scan that was disabled or removed there has its default."""
    known = {name: scan.period for name, scan in SCANS.items()}
    for task, every, unit in PeriodicTask.objects.filter(
        task__in=[f"recovery.{name}" for name in SCANS], interval__isnull=False, enabled=True
    ).values_list("task", "interval__every", "interval__period"):
        known[task.removeprefix("recovery.")] = timedelta(**{unit: every})
    return known


def late_scans() -> dict[str, timedelta | None]:
    """The scans that have not run for three periods, and how long ago they ran; None for never."""
    ages = dict(ScanRun.objects.annotate(age=Now() - F("ran_at")).values_list("name", "age"))
    return {
        name: ages.get(name) for name, period in periods().items() if name not in ages or ages[name] > period * PERIODS
    }
