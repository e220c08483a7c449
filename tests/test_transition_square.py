"""The full square of states: each function that writes states, on a row in each state, makes only arrows of the table.

Every arrow that something makes today is seen; every other pair leaves the row as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction

from processes.errors import Refused
from processes.failures import Failure
from processes.models import Process
from processes.states import FINAL_STATES, PROCESS_TRANSITIONS, STANDSTILLS, ProcessState
from tasks.actors import abort, complete_task, fail_task, pause, restart_process, restart_task, resume
from tasks.claiming import Claimer
from tasks.decisions import Decision
from tasks.expiring import HEARTBEAT, end_leases, enqueue_due, spend_budgets, time_out
from tasks.models import Dependency, Task
from tasks.outcomes import (
    Lease,
    Outcome,
    completed,
    decided,
    failed,
    handed_back,
    snoozed,
    to_be_retried,
)
from tasks.registration import register
from tasks.releasing import release
from tasks.states import ENDED_STATES, TASK_TRANSITIONS, TaskState
from tasks.transitions import Changes, account, conclude, lock_processes
from tests import recovery_rows
from tests.recovery_rows import ACTOR, NOW
from tests.test_states import PROCESS_PART, TASK_PART, explained_arrows

pytestmark = pytest.mark.usefixtures("rows")
LATER = NOW + timedelta(days=1)
OTHER, UNDER_TEST = UUID(int=1), UUID(int=2)
A_FAILURE = Failure("E", "made by a test")


def lease_of(task: Task) -> Lease:
    return Lease(
        task.id, task.process_id, task.actor, task.kind, task.attempt, task.tries, task.max_attempts,
        None, "{}", None, 5, NOW, 30.0, False,
    )  # fmt: skip


def releasing(make: Callable[[Lease], Outcome]) -> Callable[[Task], object]:
    return lambda task: release([make(lease_of(task))])


def settle_what_it_waits_for(task: Task, *, fails: bool = False) -> None:
    awaited = recovery_rows.task(task.process, TaskState.POLLED, id=OTHER)
    if fails:
        Task.objects.filter(id=OTHER).update(accept_failure=True)
    Dependency.objects.create(process_id=task.process_id, waiter=task, awaited=awaited)
    if task.state == TaskState.WAITING:
        Task.objects.filter(id=task.id).update(pending=1)
    release([failed(lease_of(awaited), A_FAILURE) if fails else completed(lease_of(awaited), "1")])


def settle_its_promise(task: Task, *, fails: bool = False) -> None:
    promised = recovery_rows.task(task.process, TaskState.POLLED, id=OTHER)
    if task.state == TaskState.DECIDED:
        Task.objects.filter(id=task.id).update(value_from=OTHER, accept_failure=True)
    release([failed(lease_of(promised), A_FAILURE) if fails else completed(lease_of(promised), "1")])


def fail_its_process(task: Task) -> None:
    beside = recovery_rows.task(task.process, TaskState.POLLED, id=OTHER)
    release([failed(lease_of(beside), A_FAILURE)])


def spend_its_budget(task: Task) -> None:
    Task.objects.filter(id=task.id).update(enqueue_to_end=timedelta(1), deadline_at=NOW)
    spend_budgets([(task.id, task.process_id)], LATER)


def answer_from_outside(task: Task, *, fails: bool = False) -> None:
    if task.state not in (TaskState.POLLED, TaskState.DECIDED):
        Task.objects.filter(id=task.id).update(kind="external")
    _ = fail_task(task, "no") if fails else complete_task(task, 1)


TASK_FUNCTIONS: dict[str, Callable[[Task], object]] = {
    "claim": lambda task: Claimer(ACTOR, "w").claim(10),
    "complete": releasing(lambda lease: completed(lease, "1")),
    "decide": releasing(lambda lease: decided(lease, Decision((), None, OTHER))),
    "fail": releasing(lambda lease: failed(lease, A_FAILURE)),
    "retry": releasing(lambda lease: to_be_retried(lease, A_FAILURE, timedelta(0))),
    "snooze": releasing(lambda lease: snoozed(lease, timedelta(hours=1))),
    "hand back": releasing(handed_back),
    "lease ends": lambda task: end_leases([(task.id, task.process_id)], HEARTBEAT, LATER),
    "budget ends": spend_its_budget,
    "due": lambda task: enqueue_due([(task.id, task.process_id)], LATER),
    "settle": settle_what_it_waits_for,
    "settle with a failure": lambda task: settle_what_it_waits_for(task, fails=True),
    "promise settles": settle_its_promise,
    "promise fails": lambda task: settle_its_promise(task, fails=True),
    "process fails": fail_its_process,
    "abort": lambda task: abort(task.process),
    "time out": lambda task: time_out([task.process_id], LATER),
    "register": lambda task: register([task.process_id]),
    "pause": lambda task: pause(task.process),
    "resume": lambda task: resume(task.process),
    "restart": restart_task,
    "complete from outside": answer_from_outside,
    "fail from outside": lambda task: answer_from_outside(task, fails=True),
}


def task_in(state: str, process_state: str, due_later: bool) -> Task:
    process = recovery_rows.process(process_state, deadline_at=NOW, start_to_end=timedelta(1))
    fields: dict[str, object] = {"max_attempts": 1, "kind": "decider" if state == TaskState.DECIDED else "worker"}
    if state == TaskState.DECIDED:
        fields["value_from"] = OTHER
    if state == TaskState.WAITING and due_later:
        fields |= {"due_at": "2099-01-01T00:00Z", "delay_reason": "later"}
    recovery_rows.task(process, TaskState.WAITING, pending=1)
    return recovery_rows.task(process, state, id=UNDER_TEST, **fields)


def test_a_task_moves_along_the_arrows_of_the_table_and_along_all_that_are_built() -> None:
    seen: set[tuple[str, str]] = set()
    for state in TaskState:
        for process_state in (ProcessState.RUNNING, ProcessState.FAILED, ProcessState.PAUSED):
            for name, function in TASK_FUNCTIONS.items():
                for due_later in (False, True) if state == TaskState.WAITING else (False,):
                    Dependency.objects.all().delete()
                    Task.objects.all().delete()
                    Process.objects.all().delete()
                    task = task_in(state, process_state, due_later)
                    if name == "decide":
                        Task.objects.filter(id=task.id).update(kind="decider")
                    with suppress(Refused):
                        function(task)
                    after = Task.objects.get(id=task.id).state
                    if after != state:
                        assert after in TASK_TRANSITIONS[state], (name, process_state, state, after)
                        seen.add((str(state), str(after)))
    registering = recovery_rows.process(ProcessState.REGISTERING, options=OPTIONS)
    register([registering.id])
    assert seen >= explained_by_functions(TASK_PART)


OPTIONS = (
    '{"poll_to_end":300,"heartbeat":30,"max_attempts":3,"retry":null,"priority":5,"enqueue_to_end":null,'
    '"on_enqueue_to_end":"fail","on_lease_lost":"retry","accept_failure":false,"accepts_failures":false,'
    '"start_in":null,"start_at":null}'
)


def explained_by_functions(part: str) -> set[tuple[str, str]]:
    return {arrow for arrow, functions in explained_arrows(part).items() if functions}


def finish_the_last_task(process: Process) -> None:
    Task.objects.filter(id=process.id).update(state=TaskState.COMPLETED, result="1", ended_at=NOW)
    changes = Changes()
    changes.open_tasks[process.id] = -process.open_tasks
    with transaction.atomic():
        lock_processes([process.id])
        account(changes)


def fail_a_task(process: Process) -> None:
    Task.objects.filter(process=process).update(
        state=TaskState.FAILED, failure=A_FAILURE.to_text(), ended_at=NOW, result=None, pending=0
    )
    with transaction.atomic():
        lock_processes([process.id])
        conclude(Changes(), failed=[process.id])


def fail_unseen(process: Process) -> Task:
    """A task has failed, and the process has not learnt of it yet."""
    Task.objects.filter(process=process).exclude(state__in=ENDED_STATES).update(
        state=TaskState.FAILED, failure=A_FAILURE.to_text(), ended_at=NOW, pending=0
    )
    return Task.objects.filter(process=process).first() or Task(id=OTHER)


PROCESS_FUNCTIONS: dict[str, Callable[[Process], object]] = {
    "register": lambda process: register([process.id]),
    "abort": abort,
    "time out": lambda process: time_out([process.id], LATER),
    "complete": finish_the_last_task,
    "fail": fail_a_task,
    "pause": pause,
    "resume": resume,
    "resume with a failure": lambda process: (fail_unseen(process), resume(process)),
    "restart": restart_process,
    "restart what failed": lambda process: restart_task(fail_unseen(process)),
}


def process_in(state: str, spoiled: bool) -> Process:
    process = recovery_rows.process(
        state, deadline_at=NOW, start_to_end=timedelta(1), options="{}" if spoiled else OPTIONS
    )
    if state != ProcessState.REGISTERING:
        task_state = TaskState.COMPLETED if state in FINAL_STATES else TaskState.ENQUEUED
        if state in STANDSTILLS:
            task_state = TaskState.HELD
        recovery_rows.task(process, task_state)
    process.refresh_from_db()
    return process


def test_a_process_moves_along_the_arrows_of_the_table_and_along_all_that_are_built() -> None:
    seen: set[tuple[str, str]] = set()
    for state in ProcessState:
        for name, function in PROCESS_FUNCTIONS.items():
            if name in ("complete", "fail") and state in (*FINAL_STATES, ProcessState.REGISTERING, ProcessState.FAILED):
                continue  # an open task is what these begin with, and such a process has none to settle
            for spoiled in (False, True):
                process = process_in(state, spoiled)
                with suppress(Refused):
                    function(process)
                after = Process.objects.get(id=process.id).state
                if after != state:
                    assert after in PROCESS_TRANSITIONS[state], (name, state, after)
                    seen.add((str(state), str(after)))
    assert seen >= explained_by_functions(PROCESS_PART)


def test_what_ended_is_never_opened_again_by_anything() -> None:
    for state in (TaskState.COMPLETED, TaskState.CANCELLED):
        for name, function in TASK_FUNCTIONS.items():
            Dependency.objects.all().delete()
            Task.objects.all().delete()
            Process.objects.all().delete()
            task = task_in(state, ProcessState.RUNNING, False)
            before = recovery_rows.columns(task)
            with suppress(Refused):
                function(task)
            after = recovery_rows.columns(task)
            changed = {key for key in before if before[key] != after[key]}
            assert changed <= {"enqueue_to_end", "deadline_at", "kind", "value_from", "accept_failure"}, (name, changed)
