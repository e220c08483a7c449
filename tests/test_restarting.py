"""Restarting a task, all failed tasks of a process, or a whole process: what it changes, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from processes.errors import AlreadyEnded
from processes.failures import Failure
from processes.models import Event, Process, ProcessState, new_id
from tasks.actors import (
    abort,
    pause,
    restart_failed_tasks,
    restart_process,
    restart_task,
    resume,
)
from tasks.errors import DependencyFailed, FailureWasAccepted, NoSuchTask, NotFailed, NothingFailed
from tasks.models import Task
from tasks.outcomes import Answer, completed, failed
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, finished, registered, run_to_standstill, started, task_of
from tests.every_row import disagreements, refused
from tests.flows.actors import add, echo, fail, unaccepted
from tests.messages import take_messages
from tests.recovery_rows import changed, columns, process, task
from tests.steered import bounded, doomed, forwarding, passing, two_failing

pytestmark = pytest.mark.usefixtures("rows")
FAILURE = Failure("ValueError", "no")


def test_a_restarted_task_has_all_its_tries_and_its_time_again_and_its_process_runs_on() -> None:
    of = registered(bounded, 1)
    done(bounded)
    [lease] = claimed(add)
    release([failed(lease, FAILURE)])
    before, task_before = columns(of), task_of(of, add)
    take_messages("actors")
    event = restart_task(task_before, by="ann", reason="repaired")
    now = task_of(of, add)
    assert changed(of, before).keys() == {"state", "stood_still_at", "failure", "failed_task_id"}
    of.refresh_from_db()
    assert (of.state, of.stood_still_at, of.failure, of.failed_task_id) == (ProcessState.RUNNING, None, None, None)
    assert (now.state, now.tries, now.attempt, now.failure, now.ended_at) == (TaskState.ENQUEUED, 0, 1, None, None)
    assert now.enqueued_at is not None
    assert task_before.enqueued_at is not None
    assert now.enqueued_at > task_before.enqueued_at
    assert now.deadline_at is not None
    assert abs(now.deadline_at - now.enqueued_at - timedelta(hours=1)) < timedelta(seconds=1)
    assert take_messages("actors") == [("tasks.drain", [str(add.actor_name)])]
    assert (event.kind, event.process_id, event.task_id, event.by) == ("task_restarted", of.id, now.id, "ann")
    assert event.detail == {"reason": "repaired", "state_before": "FAILED", "state": "RUNNING"}
    [again] = claimed(add)
    assert (again.attempt, again.tries) == (2, 0)
    assert release([completed(again, "2")]).answers == {now.id: Answer.ACCEPTED}
    of.refresh_from_db()
    assert (of.state, of.value) == (ProcessState.COMPLETED, 2)


def test_a_process_with_two_failed_tasks_runs_on_when_the_second_is_restarted_and_not_before() -> None:
    of = finished(two_failing)
    first, second = Task.objects.filter(actor=str(fail.actor_name)).order_by("ended_at", "id")
    assert of.failed_task_id == first.id
    stood_still_at = of.stood_still_at
    assert restart_task(first).detail["state"] == "FAILED"
    of.refresh_from_db()
    first.refresh_from_db()
    assert (of.state, of.failed_task_id, of.stood_still_at) == (ProcessState.FAILED, second.id, stood_still_at)
    assert of.failure == second.failure
    assert (first.state, first.enqueued_at) == (TaskState.HELD, None)
    assert claimed(fail) == []
    assert restart_task(second.id).detail["state"] == "RUNNING"
    assert len(claimed(fail)) == 2
    assert disagreements() == {}


def test_a_task_that_fails_again_after_its_restart_makes_the_process_stand_still_again() -> None:
    of = finished(unaccepted, "no")
    task = task_of(of, fail)
    restart_task(task)
    run_to_standstill()
    task.refresh_from_db()
    of.refresh_from_db()
    assert (task.state, task.tries, task.attempt, of.state) == (TaskState.FAILED, 1, 2, ProcessState.FAILED)
    assert of.failed_task_id == task.id
    assert Event.objects.filter(process_id=of.id, kind="task_failed").count() == 2


def test_a_failure_that_was_accepted_is_not_restarted_nor_what_it_climbed_through() -> None:
    of = process()
    task(of, TaskState.WAITING, kind="decider", pending=1)
    origin = task(of, TaskState.FAILED, id=new_id(), failure_accepted=True)
    member = task(of, TaskState.FAILED, id=new_id(), failure=None, value_from=origin.id, failure_accepted=True)
    for each in (origin, member):
        with refused(FailureWasAccepted, str(each.id)):
            restart_task(each)


def test_a_task_that_failed_because_it_would_be_handed_a_failure_is_not_restarted() -> None:
    of = finished(doomed)
    failed_task = task_of(of, add)
    assert (of.state, of.failed_task_id, failed_task.failed_input) == (
        ProcessState.FAILED,
        failed_task.id,
        task_of(of, fail).id,
    )
    assert task_of(of, forwarding).state == TaskState.DECIDED
    with refused(DependencyFailed, str(failed_task.id)):
        restart_task(failed_task)
    with refused(DependencyFailed, str(failed_task.id)):
        restart_failed_tasks(of)


def test_only_a_failed_task_of_a_process_that_has_not_ended_is_restarted() -> None:
    of = finished(unaccepted, "no")
    for actor in (echo, unaccepted):
        with refused(NotFailed, task_of(of, actor).state):
            restart_task(task_of(of, actor))
    abort(of)
    with refused(AlreadyEnded, str(of.id)):
        restart_task(task_of(of, fail))
    with refused(AlreadyEnded, str(of.id)):
        restart_failed_tasks(of)
    with refused(NoSuchTask):
        restart_task(uuid4())


def test_all_failed_tasks_of_a_process_are_restarted_at_once_and_named() -> None:
    of = finished(two_failing)
    ids = [str(each.id) for each in Task.objects.filter(actor=str(fail.actor_name)).order_by("ended_at", "id")]
    event = restart_failed_tasks(of, by="ann")
    assert (event.kind, event.by, event.task_id) == ("failed_tasks_restarted", "ann", None)
    assert event.detail == {
        "reason": "", "state_before": "FAILED", "state": "RUNNING", "restarted": ids, "refused": {},
    }  # fmt: skip
    assert set(Task.objects.filter(id__in=ids).values_list("state", flat=True)) == {TaskState.ENQUEUED}
    with refused(NothingFailed, str(of.id)):
        restart_failed_tasks(of)


def test_of_the_failed_tasks_of_a_process_those_that_can_be_are_restarted_and_the_others_told() -> None:
    of = process(ProcessState.FAILED)
    doomed_one = task(of, TaskState.FAILED, failure=Failure("dependency_failed", "no").to_text(), failed_input=of.id)
    other = task(of, TaskState.FAILED, id=new_id(), attempt=3, tries=3)
    Process.objects.filter(id=of.id).update(open_tasks=2)
    event = restart_failed_tasks(of)
    assert (event.detail["restarted"], event.detail["refused"]) == (
        [str(other.id)], {str(doomed_one.id): "dependency_failed"},
    )  # fmt: skip
    other.refresh_from_db()
    of.refresh_from_db()
    assert (other.state, other.tries) == (TaskState.HELD, 0)
    assert (of.state, of.failed_task_id) == (ProcessState.FAILED, doomed_one.id)


def test_a_failure_in_a_pause_is_restarted_in_it_and_runs_when_the_process_is_resumed() -> None:
    of = registered(passing, "no")
    done(passing)
    [lease] = claimed(fail)
    pause(of)
    release([failed(lease, FAILURE)])
    of.refresh_from_db()
    assert (of.state, of.failed_task_id, of.open_tasks) == (ProcessState.PAUSED, None, 2)
    assert restart_task(lease.task_id).detail["state"] == "PAUSED"
    assert task_of(of, fail).state == TaskState.HELD
    assert resume(of).detail["state"] == "RUNNING"
    assert task_of(of, fail).state == TaskState.ENQUEUED


def test_a_process_that_failed_in_registration_has_no_task_to_restart_and_is_restarted_whole() -> None:
    of = started(echo, 1)
    Process.objects.filter(id=of.id).update(options="no options")
    run_to_standstill()
    of.refresh_from_db()
    assert (of.state, Task.objects.count()) == (ProcessState.FAILED, 0)
    with refused(NothingFailed, str(of.id)):
        restart_failed_tasks(of)
    restart_process(of)
    of.refresh_from_db()
    assert of.state == ProcessState.ABORTED
