"""The scans of the four timeouts, of what is due, of stuck registrations and of lost wake-ups.

Each finds candidates without locks, oldest first, and hands them to the transition that looks again. A scan
returns how many it acted on. `now` is None for the database's clock; tests move it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from processes.history import event, record
from processes.models import Process
from processes.states import ProcessState
from tasks import bell
from tasks.expiring import (
    HEARTBEAT,
    POLL_TO_END,
    Candidates,
    InstallationClock,
    end_leases,
    enqueue_due,
    moment,
    spend_budgets,
    time_out,
)
from tasks.models import Task
from tasks.queries import due_budgets, unpolled_actors
from tasks.registration import register
from tasks.states import TaskState


def scan_process_start_to_end(now: datetime | None = None) -> int:
    """RUNNING processes whose start-to-end time is used up: TIMED_OUT."""
    due = Process.objects.filter(state=ProcessState.RUNNING, deadline_at__lte=InstallationClock(moment(now)))
    return time_out(due.order_by("deadline_at").values_list("id", flat=True)[: settings.ORCHESTRATOR_SCAN_LIMIT], now)


def scan_task_enqueue_to_end(now: datetime | None = None) -> int:
    """Tasks whose enqueue-to-end time is used up: FAILED."""
    return spend_budgets(due_budgets(settings.ORCHESTRATOR_SCAN_LIMIT, now), now)


def scan_task_poll_to_end(now: datetime | None = None) -> int:
    """Leases whose attempt has taken too long: taken back."""
    due = Task.objects.filter(state=TaskState.POLLED, lease_ends_at__lte=moment(now), poll_ends_at__lte=moment(now))
    return end_leases(_candidates(due.order_by("lease_ends_at")), POLL_TO_END, now)


def scan_task_heartbeat(now: datetime | None = None) -> int:
    """Leases without a heartbeat for too long: the worker is presumed dead, they are taken back."""
    due = Task.objects.filter(state=TaskState.POLLED, lease_ends_at__lte=moment(now), poll_ends_at__gt=moment(now))
    return end_leases(_candidates(due.order_by("lease_ends_at")), HEARTBEAT, now)


def scan_due(now: datetime | None = None) -> int:
    """DELAYED tasks whose time has come: enqueued."""
    due = Task.objects.filter(state=TaskState.DELAYED, due_at__lte=moment(now))
    return enqueue_due(_candidates(due.order_by("due_at")), now)


def scan_stuck_registrations(now: datetime | None = None) -> int:
    """Processes that stay REGISTERING for too long: the chain runs again."""
    too_old = moment(now) - timedelta(seconds=settings.ORCHESTRATOR_REGISTRATION_STUCK_SECONDS)
    stuck = Process.objects.filter(state=ProcessState.REGISTERING, created_at__lte=too_old)
    registered = register(
        list(stuck.order_by("id").values_list("id", flat=True)[: settings.ORCHESTRATOR_REGISTRATION_LIMIT])
    )
    record(event("REGISTRATION_STUCK", each) for each in registered.processes)
    return len(registered.processes) + len(registered.failed)


def scan_lost_wakeups(now: datetime | None = None) -> int:
    """Actors whose tasks have been ENQUEUED for a while without a poll: rung again."""
    actors = unpolled_actors(timedelta(seconds=settings.ORCHESTRATOR_WAKEUP_LOST_SECONDS), now)
    bell.ring(actors)
    return len(actors)


def _candidates(due: QuerySet[Task]) -> Candidates:
    return list(due.values_list("id", "process_id")[: settings.ORCHESTRATOR_SCAN_LIMIT])
