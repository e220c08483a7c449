"""Budgets that are used up: the enqueue-to-end time of tasks, the start-to-end time of processes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.failures import Failure
from processes.models import Process, ProcessState, new_id
from recovery.finding import scan_process_start_to_end, scan_task_enqueue_to_end
from tasks.aborting import abort
from tasks.claiming import Claimer
from tasks.expiring import ENQUEUE_TO_END, START_TO_END, spend_budgets, time_out
from tasks.models import Dependency, Task, TaskState
from tasks.outcomes import Answer, completed, failed
from tasks.releasing import release
from tests.recovery_rows import ACTOR, NOW, TICK, changed, columns, events, process, task

pytestmark = pytest.mark.usefixtures("rows")

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("state", [TaskState.DELAYED, TaskState.ENQUEUED, TaskState.POLLED])
def test_task_whose_budget_is_spent_fails_wherever_it_stands_although_it_has_tries_left(state: str) -> None:
    """Due at the moment itself, not a tick before; its process stands still and names it."""
    spent = task(state=state, deadline_at=NOW, max_attempts=9)
    nearly = task(state=state, deadline_at=NOW + TICK)
    before = columns(nearly)

    assert scan_task_enqueue_to_end(NOW) == 1

    spent.refresh_from_db()
    assert (spent.state, spent.tries, spent.deadline_at, spent.lease_ends_at) == (TaskState.FAILED, 0, None, None)
    assert Failure.from_text(spent.failure or "").detail == {"event": ENQUEUE_TO_END}
    of = spent.process
    assert (of.state, of.failed_task_id, of.open_tasks) == (ProcessState.FAILED, spent.id, 1)
    assert changed(nearly, before) == {}
    assert nearly.process.state == ProcessState.RUNNING
    told = {"actor": ACTOR, "state_before": state, "policy": "fail"}
    assert events(of.id)[0] == (ENQUEUE_TO_END, of.id, spent.id, told)
    assert [kind for kind, *_ in events()] == [ENQUEUE_TO_END, "task_failed"]


def test_alert_tells_once_and_lets_the_task_go_on() -> None:
    """`on_enqueue_to_end="alert"`: one event, the task is claimed and completes as if nothing had been."""
    late = task(deadline_at=NOW, on_enqueue_to_end="alert")

    assert [scan_task_enqueue_to_end(NOW), scan_task_enqueue_to_end(NOW)] == [1, 0]

    assert [(kind, detail["policy"]) for kind, _, _, detail in events()] == [(ENQUEUE_TO_END, "alert")]
    [lease] = Claimer(ACTOR, "w:1").claim(1)
    assert release([completed(lease, "5")]).answers == {late.id: Answer.ACCEPTED}
    assert Process.objects.get().state == ProcessState.COMPLETED


def test_spent_budget_that_is_accepted_wakes_the_decider_that_waits_for_it() -> None:
    """The failure is a value: settled, counted off, delivered to the waiting decider, and nobody stands still."""
    of = process()
    waiter = task(of, TaskState.WAITING, kind="decider", pending=1, enqueued_at=None)
    spent = task(of, id=new_id(), deadline_at=NOW, accept_failure=True)
    Dependency.objects.create(process_id=of.id, waiter=waiter, awaited=spent)

    assert scan_task_enqueue_to_end(NOW) == 1

    spent.refresh_from_db()
    waiter.refresh_from_db()
    of.refresh_from_db()
    assert (spent.state, spent.failure_accepted) == (TaskState.FAILED, True)
    assert (waiter.state, waiter.pending, waiter.failed_input) == (TaskState.ENQUEUED, 0, spent.id)
    assert (of.state, of.open_tasks) == (ProcessState.RUNNING, 1)


def test_outcome_or_decision_stops_the_clock_of_a_task() -> None:
    """COMPLETED, FAILED, CANCELLED and DECIDED tasks have no budget left to spend, whatever stands in their row."""
    promised = task(deadline_at=NOW + TICK)
    rows = [
        task(state=state, deadline_at=NOW - MINUTE)
        for state in (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED)
    ]
    rows.append(task(state=TaskState.DECIDED, kind="decider", value_from=promised.id, deadline_at=NOW - MINUTE))
    before = [columns(row) for row in rows]

    assert scan_task_enqueue_to_end(NOW) == 0
    assert spend_budgets([(row.id, row.process_id) for row in rows], NOW) == 0

    assert [changed(row, was) for row, was in zip(rows, before, strict=True)] == [{}] * 4
    assert events() == []


def test_standstill_stops_the_clock_of_every_open_task_and_keeps_what_is_left_of_it() -> None:
    """One task fails: of its mates the deadline is parked as `budget_left`, and the scan finds nothing, ever."""
    of = process()
    fails = task(of, priority=0)
    running, ready, later, unbounded = (
        task(of, state, id=new_id(), deadline_at=deadline)
        for state, deadline in (
            (TaskState.POLLED, NOW + MINUTE),
            (TaskState.ENQUEUED, NOW + MINUTE),
            (TaskState.DELAYED, NOW + MINUTE),
            (TaskState.ENQUEUED, None),
        )
    )
    stranger = task(deadline_at=NOW + MINUTE)
    [lease] = Claimer(ACTOR, "w:1").claim(1)
    assert lease.task_id == fails.id
    release([failed(lease, Failure("test", "for good"))])
    of.refresh_from_db()
    assert (of.state, of.failed_task_id) == (ProcessState.FAILED, fails.id)

    assert scan_task_enqueue_to_end(NOW + timedelta(days=9)) == 1

    for row in (running, ready, later):
        row.refresh_from_db()
        assert row.deadline_at is None
        assert row.budget_left is not None
        assert of.stood_still_at is not None
        assert abs(row.budget_left - (NOW + MINUTE - of.stood_still_at)) < timedelta(seconds=1)
    unbounded.refresh_from_db()
    assert (unbounded.deadline_at, unbounded.budget_left) == (None, None)
    assert [row.state for row in (running, ready, later)] == [TaskState.POLLED, TaskState.HELD, TaskState.DELAYED]
    stranger.refresh_from_db()
    assert stranger.state == TaskState.FAILED


def test_process_out_of_time_ends_with_its_open_tasks_cancelled_and_its_failed_one_kept() -> None:
    """Due at the moment itself; TIMED_OUT in one go, counters at zero, one event; a running attempt is refused."""
    due, nearly = process(deadline_at=NOW), process(deadline_at=NOW + TICK)
    running = task(due)
    [lease] = Claimer(ACTOR, "w:1").claim(1)
    others = {
        state: task(due, state, id=new_id())
        for state in (TaskState.DELAYED, TaskState.ENQUEUED, TaskState.FAILED, TaskState.COMPLETED)
    }
    waiting = task(due, TaskState.WAITING, id=new_id(), pending=2)
    before = columns(nearly)

    assert scan_process_start_to_end(NOW) == 1

    due.refresh_from_db()
    assert (due.state, due.open_tasks, due.result) == (ProcessState.TIMED_OUT, 0, None)
    assert due.ended_at is not None
    states = {state: Task.objects.get(id=row.id).state for state, row in others.items()}
    assert states == {
        TaskState.DELAYED: TaskState.CANCELLED,
        TaskState.ENQUEUED: TaskState.CANCELLED,
        TaskState.FAILED: TaskState.FAILED,
        TaskState.COMPLETED: TaskState.COMPLETED,
    }
    assert {Task.objects.get(id=row.id).state for row in (running, waiting)} == {TaskState.CANCELLED}
    assert changed(nearly, before) == {}
    assert events() == [(START_TO_END, due.id, None, {"policy": "time_out"})]
    assert release([completed(lease, "1")]).answers == {running.id: Answer.LEASE_LOST}


def test_process_that_stands_still_registers_or_has_ended_is_never_timed_out() -> None:
    """Its clock stands, or does not run yet, or has stopped: not even a candidate handed in by hand is touched."""
    ended = process(deadline_at=NOW - MINUTE)
    abort(ended.id)
    rows = [ended] + [
        process(state, deadline_at=NOW - MINUTE)
        for state in (
            ProcessState.PAUSED,
            ProcessState.FAILED,
            ProcessState.REGISTERING,
            ProcessState.COMPLETED,
        )
    ]
    before = [columns(row) for row in rows]
    history = events()

    assert scan_process_start_to_end(NOW) == 0
    assert time_out([row.id for row in rows], NOW) == 0

    assert [changed(row, was) for row, was in zip(rows, before, strict=True)] == [{}] * 5
    assert events() == history


def test_alert_of_a_process_tells_once_and_lets_it_go_on() -> None:
    """`on_start_to_end="alert"`: one event, the process runs on and completes."""
    late = process(deadline_at=NOW, on_start_to_end="alert")
    task(late)

    assert [scan_process_start_to_end(NOW), scan_process_start_to_end(NOW)] == [1, 0]

    assert events() == [(START_TO_END, late.id, None, {"policy": "alert"})]
    [lease] = Claimer(ACTOR, "w:1").claim(1)
    release([completed(lease, "5")])
    late.refresh_from_db()
    assert (late.state, late.result) == (ProcessState.COMPLETED, "5")
