"""When scans run: sent by beat with the periods of the admin, and by workers themselves while beat is late."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from pytest_django.fixtures import Settings

from orchestrator.celery import app
from orchestrator.local.programs import Program
from recovery.lateness import PERIODS, late_scans, periods
from recovery.models import ScanRun
from recovery.scans import SCANS, run_scan
from recovery.sweeping import sweep
from tasks.models import TaskState
from tests.messages import queue_name
from tests.recovery_rows import NOW, task

pytestmark = pytest.mark.usefixtures("rows")

EVERY_SCAN = sorted(SCANS)


def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something has happened."""
    until = monotonic() + seconds
    while not happened():
        assert monotonic() < until, "it does not happen"
        sleep(0.05)


def ran_at(age: timedelta) -> None:
    """Make every scan have run so long ago."""
    for name in SCANS:
        run_scan(name)
    ScanRun.objects.update(ran_at=Now() - age)


def test_every_scan_has_its_row_in_the_schedule_and_its_celery_task_in_the_recovery_queue() -> None:
    """The migration schedules exactly the scans that there are, each with its own period; and Celery knows them."""
    rows = PeriodicTask.objects.filter(task__startswith="recovery.").select_related("interval")
    scheduled = {
        row.task.removeprefix("recovery."): (timedelta(**{row.interval.period: row.interval.every}), row.enabled)
        for row in rows
    }
    assert scheduled == {name: (scan.period, True) for name, scan in SCANS.items()}
    router = app.amqp.router
    queues = {router.route({"queue": row.queue} if row.queue else {}, row.task)["queue"].name for row in rows}
    assert queues == {queue_name("recovery")}
    assert all(row.expire_seconds == row.interval.every for row in rows)
    app.loader.import_default_modules()
    assert {name for name in app.tasks if name.startswith("recovery.")} == {f"recovery.{name}" for name in SCANS}


def test_period_edited_in_the_admin_is_the_period_that_counts() -> None:
    """The form of the admin takes it, beat is told, and lateness is measured by it."""
    User.objects.filter(username="operator").delete()
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="only-for-this-test"))
    row = PeriodicTask.objects.get(task="recovery.due")
    told_at = PeriodicTasks.last_change()
    page = client.get(f"/admin/django_celery_beat/periodictask/{row.pk}/change/")
    form = page.context["adminform"].form
    fields = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    minutely, _ = IntervalSchedule.objects.get_or_create(every=1, period="minutes")

    answer = client.post(
        f"/admin/django_celery_beat/periodictask/{row.pk}/change/",
        {name: value for name, value in fields.items() if value not in (None, False)} | {"interval": minutely.pk},
    )

    try:
        assert answer.status_code == 302
        assert periods()["due"] == timedelta(minutes=1)
        assert periods()["task_heartbeat"] == SCANS["task_heartbeat"].period
        assert PeriodicTasks.last_change() != told_at
    finally:
        row.save()
        User.objects.filter(username="operator").delete()
    assert periods()["due"] == SCANS["due"].period


def test_scan_is_late_when_it_has_not_run_for_three_of_its_periods() -> None:
    """Never run: all are late. Run just now: none. Then one is older than three periods, and one nearly so."""
    assert late_scans() == dict.fromkeys(EVERY_SCAN)
    ran_at(timedelta())
    assert late_scans() == {}
    period = SCANS["task_heartbeat"].period
    ScanRun.objects.filter(name="task_heartbeat").update(ran_at=Now() - PERIODS * period - timedelta(seconds=1))
    ScanRun.objects.filter(name="task_poll_to_end").update(ran_at=Now() - PERIODS * period + timedelta(seconds=3))

    [(name, age)] = late_scans().items()

    assert name == "task_heartbeat"
    assert age is not None
    assert round(age.total_seconds()) == 16


def test_sweep_runs_the_scans_that_are_late_and_only_those_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """What is late does its work by the sweep; what is not is left to beat."""
    ran_at(timedelta())
    ScanRun.objects.filter(name="due").update(ran_at=F("ran_at") - timedelta(minutes=1), found=-1)
    ScanRun.objects.exclude(name="due").update(found=-1)
    delayed = task(state=TaskState.DELAYED, due_at=NOW - timedelta(days=9999))
    with caplog.at_level(logging.WARNING):
        assert sweep() == ["due"]

    delayed.refresh_from_db()
    assert delayed.state == TaskState.ENQUEUED
    assert ScanRun.objects.get(name="due").found == 1
    assert set(ScanRun.objects.exclude(name="due").values_list("found", flat=True)) == {-1}
    [line] = [record for record in caplog.records if getattr(record, "event", "") == "scan_late"]
    assert (vars(line)["scan"], round(vars(line)["age_seconds"])) == ("due", 60)
    assert late_scans() == {}
    assert sweep() == []


def test_scan_that_fails_does_not_keep_the_sweep_from_running_the_others(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Five scans cannot work with such a limit: each is told of, has not run, and the three others have."""
    settings.ORCHESTRATOR_SCAN_LIMIT = -1

    assert sorted(sweep()) == EVERY_SCAN

    assert set(ScanRun.objects.values_list("name", flat=True)) == {"stuck_registrations", "lost_wakeups", "retention"}
    told = [vars(record)["scan"] for record in caplog.records if getattr(record, "event", "") == "scan_failed"]
    assert sorted(told) == sorted(set(SCANS) - {"stuck_registrations", "lost_wakeups", "retention"})


def test_worker_sweeps_without_beat_and_leaves_it_to_a_real_beat_as_soon_as_there_is_one(
    launch: Callable[..., Program],
) -> None:
    """Without beat the worker's parent runs every scan; with beat its children do, again and again."""
    worker = launch(queues=[queue_name("recovery")], concurrency=1)
    wait_for(lambda: ScanRun.objects.count() == len(SCANS))
    swept_by = set(ScanRun.objects.values_list("ran_by", flat=True))
    assert [int(name.rpartition(":")[2]) for name in swept_by] == [worker.pid]
    assert "event=scan_late" in worker.log_path.read_text()

    launch("beat")

    for _ in range(2):
        wait_for(partial(all_ran_since, dict(ScanRun.objects.values_list("name", "ran_at")), swept_by))
    assert len(set(ScanRun.objects.values_list("ran_by", flat=True))) == 1
    assert late_scans() == {}


def all_ran_since(seen: dict[str, datetime], by_others_than: set[str]) -> bool:
    """Whether every scan has run again, and by somebody else."""
    runs = ScanRun.objects.exclude(ran_by__in=by_others_than).values_list("name", "ran_at")
    return {name for name, ran_at in runs if ran_at > seen[name]} == set(seen)
