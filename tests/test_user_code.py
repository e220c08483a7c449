"""Whatever user code does ends its own attempt, and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from orchestrator.local.programs import Program
from processes.failures import Failure
from processes.models import Process, ProcessState
from recovery.scans import run_scan
from tasks import bell
from tasks.actors import StartRequest, start_processes
from tasks.models import Task
from tasks.registration import register_all_waiting
from tasks.states import TaskState
from tests.by_hand import messages_in, started, wait_for_all, wait_until
from tests.conftest import Launch
from tests.flows.actors import echo, misbehave

pytestmark = pytest.mark.usefixtures("rows")

RAISED = {
    "unprintable": ("tests.flows.actors.Unprintable", "<the message cannot be printed: RuntimeError>"),
    "unstorable": ("processes.errors.NotStorable", "result: a tests.flows.actors.Unstorable cannot be stored"),
    "too large": ("processes.errors.ValueTooLarge", "the value takes 1,048,579 bytes; 1,048,576 are allowed"),
    "SystemExit": ("SystemExit", "3"),
    "KeyboardInterrupt": ("KeyboardInterrupt", ""),
    "GeneratorExit": ("GeneratorExit", ""),
}


def has_more_messages(worker: Program, before: int) -> bool:
    return messages_in(worker) > before


def has_ended(task_id: str) -> bool:
    """Whether a task has ended; scans for what its worker left behind when it was killed: a lease, a bell."""
    run_scan("task_heartbeat")
    run_scan("lost_wakeups")
    return Task.objects.get(id=task_id).ended_at is not None


def learn_that_it_is_short() -> None:
    start_processes(StartRequest(actor=misbehave, args=("nothing wrong",)) for _ in range(200))
    wait_for_all(200)
    Task.objects.all().delete()
    Process.objects.all().delete()


def test_what_is_raised_or_returned_fails_that_attempt_alone(launch: Launch) -> None:
    worker = launch(concurrency=1)
    learn_that_it_is_short()
    children = worker.log_path.read_text().count("exited")
    misdeeds = [how for misdeed in RAISED for how in ("nothing wrong", misdeed, "nothing wrong")]
    answers = start_processes(StartRequest(actor=misbehave, args=(how,)) for how in misdeeds)
    wait_until(lambda: Task.objects.filter(ended_at__isnull=False).count() == len(misdeeds))
    assert Task.objects.values("polled_at").distinct().count() == 1, "they are not batch mates"
    for how, answer in zip(misdeeds, answers, strict=True):
        task = Task.objects.get(id=str(answer.process_id))
        process = Process.objects.get(id=str(answer.process_id))
        if how == "nothing wrong":
            assert (task.state, task.tries, process.value) == (TaskState.COMPLETED, 0, "fine")
        else:
            failure = Failure.from_text(task.failure or "")
            assert (task.state, task.tries, process.state) == (TaskState.FAILED, 1, ProcessState.FAILED)
            assert (failure.type, failure.message) == RAISED[how]
    assert set(Task.objects.values_list("attempt", flat=True)) == {1}
    assert worker.log_path.read_text().count("exited") == children


@pytest.mark.parametrize("how", ["crash in C", "killed"])
def test_a_crash_of_the_worker_child_fails_that_task_alone(launch: Launch, how: str) -> None:
    launch(concurrency=1)
    learn_that_it_is_short()
    actor = misbehave.options(heartbeat=timedelta(seconds=2))
    answers = start_processes(
        StartRequest(actor=actor, args=(how if number == 3 else "nothing wrong",)) for number in range(10)
    )
    crashing = str(answers[3].process_id)
    wait_for_all(9, 60, scans=("task_heartbeat", "lost_wakeups"))
    wait_until(lambda: has_ended(crashing), 60)
    task = Task.objects.get(id=crashing)
    assert (task.state, task.tries) == (TaskState.FAILED, 1)
    assert Failure.from_text(task.failure or "").detail == {"event": "TASK_HEARTBEAT_TIMEOUT"}
    assert set(Task.objects.exclude(id=crashing).values_list("state", "tries")) == {(TaskState.COMPLETED, 0)}


@pytest.mark.parametrize("name", ["flows.not_deployed_yet#1.0", "flows.echo#9.9"])
def test_tasks_of_an_unknown_actor_or_version_wait_visibly_and_are_told_once(launch: Launch, name: str) -> None:
    worker = launch(concurrency=1)
    process = started(echo, 1)
    Process.objects.filter(id=process.id).update(actor=name)
    register_all_waiting()
    for _ in range(3):
        before = messages_in(worker)
        bell.ring([name])
        wait_until(partial(has_more_messages, worker, before))
    other = started(echo, 2)
    wait_until(lambda: Process.objects.get(id=other.id).state == ProcessState.COMPLETED)
    task = Task.objects.get(id=process.id)
    assert (task.state, task.attempt, task.actor) == (TaskState.ENQUEUED, 0, name)
    assert Process.objects.get(id=process.id).state == ProcessState.RUNNING
    assert worker.log_path.read_text().count(f"event=actor_unknown actor={name}") == 1
