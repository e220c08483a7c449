"""What a failure means: accepted, climbing, unaccepted, handed to a worker that does not accept it."""

from __future__ import annotations

import pytest

from processes.failures import Failure
from processes.models import Event, Process, ProcessState
from tasks.models import Task
from tasks.outcomes import Answer, completed, failed
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, executed, finished, registered, run_to_standstill, task_of
from tests.flows.actors import (
    accepted,
    accepting_call,
    add,
    climbing,
    dependent_worker,
    describe,
    echo,
    fail,
    failing_decider,
    failing_line,
    fan,
    inner_climb,
    judge,
    two_branches,
    unaccepted,
)

pytestmark = pytest.mark.usefixtures("rows")


def test_an_accepted_failure_arrives_as_a_value() -> None:
    process = finished(accepted, "card refused")
    assert (process.state, process.value) == (ProcessState.COMPLETED, "failed with card refused")
    task = task_of(process, fail)
    assert (task.state, task.failure_accepted, task.tries) == (TaskState.FAILED, True, 1)
    assert Failure.from_text(task.failure or "").type == "ValueError"


def test_an_unaccepted_failure_makes_the_process_stand_still_and_names_task_and_cause() -> None:
    process = finished(unaccepted, "no such thing")
    task = task_of(process, fail)
    assert (process.state, process.failed_task_id, process.open_tasks) == (ProcessState.FAILED, task.id, 3)
    assert Failure.from_text(process.failure or "") == Failure("ValueError", "no such thing")
    assert process.stood_still_at is not None
    assert process.ended_at is None
    assert (task.state, task.failure_accepted) == (TaskState.FAILED, False)
    assert task_of(process, unaccepted).state == TaskState.DECIDED
    assert task_of(process, echo).state == TaskState.WAITING
    event = Event.objects.get(process_id=process.id)
    assert (event.kind, event.task_id, event.detail["message"]) == ("task_failed", task.id, "no such thing")


def test_what_is_ready_in_a_process_that_fails_is_held_and_what_runs_may_finish() -> None:
    process = registered(two_branches, "no")
    done(two_branches)
    running = claimed(echo)
    assert len(running) == 1
    release(executed(claimed(fail)))
    process.refresh_from_db()
    assert process.state == ProcessState.FAILED
    assert release([completed(running[0], '"one"')]).answers == {running[0].task_id: Answer.ACCEPTED}
    assert claimed(echo) == []
    run_to_standstill()
    process.refresh_from_db()
    assert process.state == ProcessState.FAILED
    assert not Task.objects.filter(process=process, state=TaskState.ENQUEUED).exists()


def test_enqueued_tasks_are_held_in_the_very_transaction_in_which_their_process_fails() -> None:
    process = registered(fan, 3)
    done(fan)
    lease, *_ = claimed(add, 1)
    release([failed(lease, Failure("E", "no"))])
    states = sorted(Task.objects.filter(process=process, actor=lease.actor).values_list("state", flat=True))
    assert states == [TaskState.FAILED, TaskState.HELD, TaskState.HELD]
    assert claimed(add) == []


def test_a_failure_climbs_through_deciders_to_the_one_that_accepts_it() -> None:
    process = finished(climbing, 2)
    assert (process.state, process.value) == (ProcessState.COMPLETED, "failed with from below")
    origin = task_of(process, fail)
    members = Task.objects.filter(process=process, actor=str(inner_climb.actor_name))
    assert members.count() == 3
    assert set(members.values_list("state", "failure_accepted", "value_from")) == {(TaskState.FAILED, True, origin.id)}
    assert (origin.state, origin.failure_accepted) == (TaskState.FAILED, True)
    assert set(Task.objects.filter(actor=str(climbing.actor_name)).values_list("state", flat=True)) == {
        TaskState.COMPLETED
    }


def test_a_worker_that_would_be_handed_a_failure_fails_itself_and_tells_the_cause() -> None:
    process = registered(dependent_worker)
    run_to_standstill()
    process.refresh_from_db()
    doomed = task_of(process, add)
    assert (doomed.state, doomed.attempt, doomed.failure_accepted) == (TaskState.FAILED, 0, True)
    failure = Failure.from_text(doomed.failure or "")
    assert failure.type == "dependency_failed"
    assert failure.cause == Failure("ValueError", "no input")
    assert process.state == ProcessState.COMPLETED
    assert isinstance(process.value, Failure)
    assert process.value.type == "dependency_failed"


def test_a_decider_that_raises_fails_like_any_task_and_decides_nothing() -> None:
    process = registered(failing_decider)
    for _ in range(3):
        Task.objects.filter(state=TaskState.DELAYED).update(due_at="2026-01-01T00:00Z")
        run_to_standstill()
    process.refresh_from_db()
    assert process.state == ProcessState.FAILED
    assert Task.objects.filter(process=process).count() == 1
    assert task_of(process, failing_decider).tries == 3


def test_retries_come_first_and_wait_as_the_policy_says() -> None:
    registered(failing_decider)
    done(failing_decider)
    task = Task.objects.get()
    assert (task.state, task.delay_reason, task.tries) == (TaskState.DELAYED, "retry", 1)
    assert task.due_at is not None
    assert task.polled_at is not None
    assert 0.9 <= (task.due_at - task.polled_at).total_seconds() <= 1.5
    assert Failure.from_text(task.failure or "").message == "cannot decide"


def test_a_worker_that_accepts_failures_is_handed_one() -> None:
    process = registered(describe, Failure("E", "told"))
    run_to_standstill()
    process.refresh_from_db()
    assert process.value == "failure: told"
    refused = registered(echo, Failure("E", "told"))
    run_to_standstill()
    refused.refresh_from_db()
    assert refused.state == ProcessState.FAILED
    assert Process.objects.filter(state=ProcessState.COMPLETED).count() == 1
    assert judge.kind == "decider"


def test_a_single_call_may_accept_failures_although_its_actor_does_not() -> None:
    process = finished(accepting_call, "told")
    assert process.state == ProcessState.COMPLETED
    assert process.value == Failure("ValueError", "told")
    assert task_of(process, echo).state == TaskState.COMPLETED


def test_a_failure_that_tells_of_nul_characters_fails_its_task_and_nothing_else() -> None:
    process = finished(unaccepted, "a\0b")
    assert process.state == ProcessState.FAILED
    assert Failure.from_text(process.failure or "").message == "a\\x00b"


def test_a_failure_handed_down_a_long_line_of_workers_keeps_its_first_cause() -> None:
    process = finished(failing_line, 300)
    assert process.state == ProcessState.COMPLETED
    assert isinstance(process.value, Failure)
    assert list(process.value.causes())[-1] == Failure("ValueError", "at the beginning")
