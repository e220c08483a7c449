"""Pausing a process and letting it go on: what stands still, what may finish, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.errors import NoSuchProcess, NotPaused, NotRunning
from processes.failures import Failure
from processes.models import Event, Process, ProcessState, new_id
from recovery.scans import run_scan
from tasks.actors import abort, pause, resume
from tasks.models import Task
from tasks.outcomes import Answer, completed, failed, handed_back
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, finished, registered, run_to_standstill, started, task_of
from tests.every_row import disagreements, refused
from tests.flows.actors import add, echo, fail, fan, unaccepted
from tests.messages import take_messages
from tests.recovery_rows import changed, columns
from tests.steered import approval, approve, passing, two_failing

pytestmark = pytest.mark.usefixtures("rows")


def test_a_paused_process_hands_nothing_out_what_runs_may_finish_and_what_becomes_ready_is_held() -> None:
    process = registered(fan, 3)
    done(fan)
    [lease] = claimed(add, 1)
    before = columns(process)
    event = pause(process, by="ann", reason="a look")
    assert changed(process, before).keys() == {"state", "stood_still_at"}
    assert (event.kind, event.process_id, event.by) == ("paused", process.id, "ann")
    assert event.detail == {"reason": "a look", "state_before": "RUNNING"}
    assert claimed(add) == []
    adds = Task.objects.filter(actor=str(add.actor_name))
    assert sorted(adds.values_list("state", flat=True)) == [TaskState.HELD, TaskState.HELD, TaskState.POLLED]
    assert release([completed(lease, "1")]).answers == {lease.task_id: Answer.ACCEPTED}
    assert Task.objects.get(id=lease.task_id).result == "1"
    assert disagreements() == {}


def test_a_resumed_process_goes_on_where_it_stood_and_its_actors_are_rung() -> None:
    process = registered(fan, 3)
    done(fan)
    attempts = dict(Task.objects.values_list("id", "attempt"))
    pause(process)
    take_messages("actors")
    event = resume(process, by="ann", reason="seen")
    process.refresh_from_db()
    assert (process.state, process.stood_still_at) == (ProcessState.RUNNING, None)
    assert (event.kind, event.by) == ("resumed", "ann")
    assert event.detail == {"reason": "seen", "state_before": "PAUSED", "state": "RUNNING"}
    assert take_messages("actors") == [("tasks.drain", [str(add.actor_name)])]
    assert dict(Task.objects.values_list("id", "attempt")) == attempts
    run_to_standstill()
    process.refresh_from_db()
    assert (process.state, process.value) == (ProcessState.COMPLETED, 6)


def test_a_process_that_has_nothing_to_hand_out_is_resumed_without_a_bell() -> None:
    process = registered(approval, "x")
    done(approval)
    pause(process)
    assert task_of(process, approve).state == TaskState.HELD
    take_messages("actors")
    resume(process)
    assert task_of(process, approve).state == TaskState.ENQUEUED
    assert take_messages("actors") == []


@pytest.mark.parametrize("state", ["REGISTERING", "PAUSED", "FAILED", "COMPLETED", "ABORTED"])
def test_only_a_running_process_is_paused(state: str) -> None:
    process = started(unaccepted, "no") if state == "FAILED" else started(echo, 1)
    if state != "REGISTERING":
        if state in ("FAILED", "COMPLETED"):
            run_to_standstill()
        else:
            process = registered(echo, 1)
            {"PAUSED": pause, "ABORTED": abort}[state](process)
    process.refresh_from_db()
    assert process.state == state
    with refused(NotRunning, f"{process.id}.*{state}"):
        pause(process)
    with refused(NoSuchProcess):
        pause(new_id())


def test_only_a_paused_process_is_resumed() -> None:
    failing, running, ended = finished(unaccepted, "no"), registered(echo, 1), started(echo, 2)
    abort(ended)
    for process, state in ((failing, "FAILED"), (running, "RUNNING"), (ended, "ABORTED")):
        with refused(NotPaused, f"{process.id}.*{state}"):
            resume(process)
    with refused(NoSuchProcess):
        resume(new_id())


def test_a_process_in_which_a_task_failed_while_it_was_paused_is_resumed_into_the_same_standstill() -> None:
    process = registered(two_failing)
    done(two_failing)
    one, two = claimed(fail)
    pause(process)
    process.refresh_from_db()
    stood_still_at = process.stood_still_at
    release([failed(two, Failure("ValueError", "first"))])
    release([failed(one, Failure("ValueError", "second"))])
    process.refresh_from_db()
    assert (process.state, process.failure, process.failed_task_id) == (ProcessState.PAUSED, None, None)
    told = Event.objects.filter(kind="task_failed").order_by("id").values_list("task_id", flat=True)
    assert list(told) == [two.task_id, one.task_id]
    take_messages("actors")
    assert resume(process).detail["state"] == "FAILED"
    process.refresh_from_db()
    assert (process.state, process.failed_task_id, process.stood_still_at) == (
        ProcessState.FAILED, two.task_id, stood_still_at,
    )  # fmt: skip
    assert Failure.from_text(process.failure or "") == Failure("ValueError", "first")
    assert task_of(process, echo).state == TaskState.HELD
    assert take_messages("actors") == []
    assert disagreements() == {}


def test_a_paused_process_completes_with_what_still_ran_and_is_not_resumed_then() -> None:
    process = registered(echo, 1, start_to_end=timedelta(hours=1))
    [lease] = claimed(echo)
    pause(process)
    release([completed(lease, "1")])
    process.refresh_from_db()
    assert (process.state, process.value, process.stood_still_at) == (ProcessState.COMPLETED, 1, None)
    with refused(NotPaused, "COMPLETED"):
        resume(process)


def test_what_is_handed_back_or_due_in_a_pause_is_held_and_enqueued_by_the_resume() -> None:
    process = registered(fan, 2)
    done(fan)
    back, late = claimed(add)
    pause(process)
    release([handed_back(back)])
    Task.objects.filter(id=late.task_id).update(lease_ends_at="2026-01-01T00:00Z")
    assert run_scan("task_heartbeat") == 1
    adds = Task.objects.filter(actor=str(add.actor_name))
    assert set(adds.values_list("state", flat=True)) == {TaskState.HELD}
    assert claimed(add) == []
    resume(process)
    assert set(adds.values_list("state", flat=True)) == {TaskState.ENQUEUED}


def test_a_failure_that_nobody_accepts_in_a_pause_keeps_the_process_from_completing() -> None:
    process = registered(passing, "no")
    done(passing)
    [lease] = claimed(fail)
    pause(process)
    release([failed(lease, Failure("ValueError", "no"))])
    process.refresh_from_db()
    assert (process.state, process.open_tasks) == (ProcessState.PAUSED, 2)
    assert Process.objects.filter(state=ProcessState.COMPLETED).count() == 0
