"""Work that stopped moving: delayed tasks that are due, registrations that got stuck, wake-ups that were lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from pytest_django.fixtures import Settings

from processes.models import Process, ProcessState
from recovery.finding import scan_due, scan_lost_wakeups, scan_stuck_registrations
from recovery.scans import run_scan
from tasks.aborting import abort
from tasks.actors import worker
from tasks.claiming import Claimer
from tasks.draining import drain
from tasks.expiring import enqueue_due
from tasks.models import ActorStatus, Task, TaskState
from tasks.policies import CallOptions
from tasks.queries import unpolled_actors
from tests.messages import take_messages
from tests.recovery_rows import ACTOR, NOW, TICK, changed, columns, events, process, task

pytestmark = pytest.mark.usefixtures("rows")

OPTIONS = CallOptions(poll_to_end=timedelta(minutes=5), heartbeat=timedelta(seconds=30)).to_json()
TOO_OLD = timedelta(seconds=settings.ORCHESTRATOR_REGISTRATION_STUCK_SECONDS)
UNPOLLED = timedelta(seconds=settings.ORCHESTRATOR_WAKEUP_LOST_SECONDS)


@worker(name="tests.polled")
def polled() -> None:
    """An actor that only these tests know."""


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
        return found


def test_delayed_task_is_enqueued_when_it_is_due_and_its_actor_is_rung_once() -> None:
    """At the moment itself, not a tick before; enqueued now, with its enqueue-to-end clock started now."""
    due = task(state=TaskState.DELAYED, due_at=NOW, enqueued_at=None, enqueue_to_end=timedelta(minutes=7))
    second = task(state=TaskState.DELAYED, due_at=NOW - timedelta(days=1), delay_reason="retry")
    nearly = task(state=TaskState.DELAYED, due_at=NOW + TICK)
    before = columns(nearly)
    began_at = database_now()
    take_messages("actors")

    assert scan_due(NOW) == 2

    due.refresh_from_db()
    second.refresh_from_db()
    assert (due.state, due.delay_reason, due.attempt, due.tries) == (TaskState.ENQUEUED, None, 0, 0)
    assert due.enqueued_at is not None
    assert began_at <= due.enqueued_at <= database_now()
    assert due.deadline_at == due.enqueued_at + timedelta(minutes=7)
    assert (second.state, second.deadline_at) == (TaskState.ENQUEUED, None)
    assert changed(nearly, before) == {}
    assert take_messages("actors") == [("tasks.drain", [ACTOR])]
    assert scan_due(NOW) == 0


def test_retry_that_is_due_keeps_the_deadline_of_its_first_enqueuing() -> None:
    """The enqueue-to-end clock runs over all attempts: a later enqueuing does not start it anew."""
    retried = task(state=TaskState.DELAYED, due_at=NOW, delay_reason="retry", deadline_at=NOW + TICK)

    assert scan_due(NOW) == 1

    retried.refresh_from_db()
    assert (retried.state, retried.deadline_at) == (TaskState.ENQUEUED, NOW + TICK)


@pytest.mark.parametrize("standstill", [ProcessState.PAUSED, ProcessState.FAILED])
def test_task_that_is_due_in_a_standstill_is_held_with_its_clock_stopped(standstill: str) -> None:
    """It leaves DELAYED but is handed to nobody; no bell rings and no clock starts."""
    held = task(process(standstill), TaskState.DELAYED, due_at=NOW, enqueued_at=None, budget_left=timedelta(minutes=3))
    take_messages("actors")

    assert scan_due(NOW) == 1

    held.refresh_from_db()
    assert (held.state, held.enqueued_at, held.deadline_at) == (TaskState.HELD, None, None)
    assert held.budget_left == timedelta(minutes=3)
    assert Claimer(ACTOR, "w:1").claim(1) == []
    assert take_messages("actors") == []


def test_task_that_was_cancelled_or_enqueued_since_it_was_found_due_is_left_alone() -> None:
    """Looked at again under the lock: nothing comes back out of an ended process, nothing is enqueued twice."""
    cancelled, enqueued, later = (task(state=TaskState.DELAYED, due_at=NOW) for _ in range(3))
    found = [(row.id, row.process_id) for row in (cancelled, enqueued, later)]
    abort(cancelled.process_id)
    assert enqueue_due(found[1:2], NOW) == 1
    Task.objects.filter(id=later.id).update(due_at=NOW + TICK)
    before = [columns(row) for row in (cancelled, enqueued, later)]

    assert enqueue_due(found, NOW) == 0

    assert [changed(row, was) for row, was in zip((cancelled, enqueued, later), before, strict=True)] == [{}] * 3
    cancelled.refresh_from_db()
    assert cancelled.state == TaskState.CANCELLED


def test_process_that_stays_registering_is_registered_by_the_scan_and_its_actor_is_rung() -> None:
    """Old enough at the moment itself, not a tick before; one event; an ended one is left alone."""
    stuck = process(ProcessState.REGISTERING, created_at=NOW - TOO_OLD, options=OPTIONS)
    fresh = process(ProcessState.REGISTERING, created_at=NOW - TOO_OLD + TICK, options=OPTIONS)
    aborted = process(ProcessState.REGISTERING, created_at=NOW - TOO_OLD, options=OPTIONS)
    abort(aborted.id)
    history = events()
    before = [columns(row) for row in (fresh, aborted)]
    take_messages("actors")

    assert scan_stuck_registrations(NOW) == 1

    stuck.refresh_from_db()
    assert (stuck.state, stuck.open_tasks) == (ProcessState.RUNNING, 1)
    assert list(Task.objects.values_list("id", "process_id", "state")) == [(stuck.id, stuck.id, TaskState.ENQUEUED)]
    assert [changed(row, was) for row, was in zip((fresh, aborted), before, strict=True)] == [{}, {}]
    assert events() == [*history, ("REGISTRATION_STUCK", stuck.id, None, {})]
    assert take_messages("actors") == [("tasks.drain", [ACTOR])]
    assert scan_stuck_registrations(NOW) == 0


def test_run_of_the_registration_scan_goes_on_until_nothing_is_stuck(settings: Settings) -> None:
    """Five batches of stuck processes, one of them impossible to register: one run leaves none REGISTERING."""
    settings.ORCHESTRATOR_REGISTRATION_LIMIT = 20
    many = 100
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    Process.objects.bulk_create(
        Process(actor=ACTOR, kind="worker", arguments="{}", options=OPTIONS, created_at=long_ago) for _ in range(many)
    )
    bad = process(ProcessState.REGISTERING, created_at=long_ago, options='{"not": "options"}')

    run_scan("stuck_registrations")

    bad.refresh_from_db()
    assert bad.state == ProcessState.FAILED
    assert Process.objects.filter(state=ProcessState.RUNNING).count() == many
    assert Task.objects.filter(state=TaskState.ENQUEUED).count() == many
    assert [kind for kind, *_ in events(bad.id)] == ["registration_failed"]
    assert len(events()) == many + 1


def test_actor_whose_task_waits_unpolled_is_rung_again_once_whatever_the_depth_of_its_queue() -> None:
    """Old enough at the moment itself; the queue of the task list; one message an actor; nothing else changes."""
    ripe = NOW - UNPOLLED
    rows = [task(enqueued_at=ripe) for _ in range(3)]
    rows.append(task(actor="tests.elsewhere#2.1@eu", enqueued_at=ripe, priority=9))
    rows.append(task(actor="tests.young#1.0", enqueued_at=ripe + TICK))
    rows.append(task(actor="tests.outside#1.0", enqueued_at=ripe, kind="external"))
    rows.append(task(process(ProcessState.PAUSED), TaskState.HELD, actor="tests.held#1.0", enqueued_at=ripe))
    before = [columns(row) for row in rows]
    take_messages("actors")

    assert scan_lost_wakeups(NOW) == 2

    assert take_messages("actors") == [("tasks.drain", [ACTOR])]
    assert [changed(row, was) for row, was in zip(rows, before, strict=True)] == [{}] * len(rows)
    assert events() == []


def test_actor_that_is_polled_or_blocked_is_not_rung() -> None:
    """A backlog that workers are busy with is no lost wake-up, and a blocked actor is not called."""
    for name, polled, blocked in (
        ("tests.busy#1.0", NOW - UNPOLLED + TICK, None),
        ("tests.silent#1.0", NOW - UNPOLLED, None),
        ("tests.blocked#1.0", None, NOW),
    ):
        task(actor=name, enqueued_at=NOW - timedelta(hours=1))
        ActorStatus.objects.create(name=name, last_polled_at=polled, blocked_at=blocked, clock_stopped_at=blocked)
    take_messages("actors")

    assert scan_lost_wakeups(NOW) == 1

    assert take_messages("actors") == [("tasks.drain", ["tests.silent#1.0"])]


def test_drain_notes_that_its_actor_was_polled_so_that_a_mere_backlog_is_not_taken_for_a_lost_bell() -> None:
    """A drain of a known actor that finds nothing is a poll too; an actor without code here is polled by nobody."""
    known, unknown = str(polled.actor_name), ACTOR
    began_at = database_now()

    drain(known)
    drain(unknown)

    [(name, polled_at)] = ActorStatus.objects.values_list("name", "last_polled_at")
    assert name == known
    assert polled_at is not None
    assert began_at <= polled_at <= database_now()
    for actor in (known, unknown):
        task(actor=actor, enqueued_at=began_at - timedelta(hours=1))
    assert unpolled_actors(UNPOLLED) == [unknown]
    assert unpolled_actors(UNPOLLED, polled_at + UNPOLLED) == [unknown, known]
