"""Transitions that the clock causes: leases, budgets and processes that ran out, delayed tasks that are due.

Each takes candidates that were found without locks, locks their processes (only those that are free, in id
order), looks again under the lock, and rings. All may be run by any number of callers at once.
`now` is None for the database's clock; tests move it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

from django.db.models import DateTimeField, F, Func, Value
from django.db.models.functions import Coalesce, Now

from processes.failures import Failure
from processes.history import event, record
from processes.models import Event, Process, StartToEndPolicy
from processes.states import ProcessState
from processes.transitions import end_processes
from tasks import bell
from tasks.models import BudgetPolicy, Task
from tasks.statements import fetch
from tasks.states import BUDGETED_STATES, TaskState
from tasks.transactions import repeated
from tasks.transitions import Changes, cancel_open_tasks, conclude, lock_processes

START_TO_END = "PROCESS_START_TO_END_TIMEOUT"
ENQUEUE_TO_END = "TASK_ENQUEUE_TO_END_TIMEOUT"
POLL_TO_END = "TASK_POLL_TO_END_TIMEOUT"
HEARTBEAT = "TASK_HEARTBEAT_TIMEOUT"

Candidates = Collection[tuple[UUID, UUID]]
"""Pairs of task id and process id."""


def end_leases(candidates: Candidates, kind: str, now: datetime | None = None) -> int:
    """Take back leases that have run out; return how many. `kind` names the recovery event."""
    failure = Failure("timeout", f"the lease was lost: {kind}", detail={"event": kind}).to_text()

    def transact() -> tuple[int, Changes]:
        locked = lock_processes({process_id for _, process_id in candidates}, only_free=True)
        rows = fetch(
            "end_leases", ids=[task_id for task_id, _ in candidates], locked=list(locked), failure=failure, now=now
        )
        changes = Changes()
        events = []
        for task_id, process_id, actor, state, attempt, tries, worker in rows:
            changes.readied(actor, state)
            events.append(
                event(kind, process_id, task_id, actor=actor, attempt=attempt, tries=tries, worker=worker, became=state)
            )
        record(events)
        conclude(changes, failed=[row[0] for row in rows if row[3] == TaskState.FAILED])
        return len(rows), changes

    return _ring_after(transact)


def spend_budgets(candidates: Candidates, now: datetime | None = None) -> int:
    """Fail tasks whose enqueue-to-end time is used up, or only tell of it where that is their policy.

    The whole budget is spent: nothing is tried again. Returns how many were due.
    """

    def transact() -> tuple[int, Changes]:
        locked = lock_processes({process_id for _, process_id in candidates}, only_free=True)
        due = Task.objects.filter(
            id__in=[task_id for task_id, _ in candidates],
            process_id__in=locked,
            state__in=BUDGETED_STATES,
            deadline_at__lte=ActorClock(F("actor"), moment(now)),
        )
        tasks = list(due.select_for_update(no_key=True).only("id", "process_id", "actor", "state", "on_enqueue_to_end"))
        alerted = [task.id for task in tasks if task.on_enqueue_to_end == BudgetPolicy.ALERT]
        failed = [task.id for task in tasks if task.on_enqueue_to_end == BudgetPolicy.FAIL]
        Task.objects.filter(id__in=alerted).update(deadline_at=None)
        _fail_spent(failed)
        record(_told_of_spent(task) for task in tasks)
        changes = Changes()
        conclude(changes, failed=failed)
        return len(tasks), changes

    return _ring_after(transact)


def time_out(ids: Collection[UUID], now: datetime | None = None) -> int:
    """End RUNNING processes whose start-to-end time is used up, or only tell of it where that is their policy.

    Returns how many were due.
    """

    def transact() -> int:
        locked = lock_processes(ids, only_free=True)
        due = Process.objects.filter(
            id__in=locked, state=ProcessState.RUNNING, deadline_at__lte=InstallationClock(moment(now))
        )
        policies = dict(due.values_list("id", "on_start_to_end"))
        alerted = [each for each, policy in policies.items() if policy == StartToEndPolicy.ALERT]
        ended = [each for each, policy in policies.items() if policy == StartToEndPolicy.TIME_OUT]
        Process.objects.filter(id__in=alerted).update(deadline_at=None)
        if ended:
            cancel_open_tasks(ended)
            end_processes(ended, ProcessState.TIMED_OUT)
        record(event(START_TO_END, each, policy=policy) for each, policy in policies.items())
        return len(policies)

    return repeated(transact)


def enqueue_due(candidates: Candidates, now: datetime | None = None) -> int:
    """Enqueue DELAYED tasks that are due; return how many left that state."""

    def transact() -> tuple[int, Changes]:
        locked = lock_processes({process_id for _, process_id in candidates}, only_free=True)
        rows = fetch("enqueue_due", ids=[task_id for task_id, _ in candidates], locked=list(locked), now=now)
        changes = Changes()
        for _, actor, state in rows:
            changes.readied(actor, state)
        return len(rows), changes

    return _ring_after(transact)


class InstallationClock(Func):
    """What the clock shows, at a moment, that stands while everything is paused."""

    function = "tasks_installation_clock"
    output_field = DateTimeField()


class ActorClock(Func):
    """What the clock of an actor shows at a moment."""

    function = "tasks_actor_clock"
    output_field = DateTimeField()


def moment(now: datetime | None) -> Coalesce:
    """The time to compare with: `now`, or the database's clock."""
    return Coalesce(Value(now, DateTimeField()), Now())


def _fail_spent(ids: Collection[UUID]) -> None:
    failure = Failure("timeout", "the enqueue-to-end time is used up", detail={"event": ENQUEUE_TO_END})
    Task.objects.filter(id__in=ids).update(
        state=TaskState.FAILED,
        pending=0,
        failure=failure.to_text(),
        ended_at=Now(),
        deadline_at=None,
        poll_ends_at=None,
        lease_ends_at=None,
        batch_size=None,
    )


def _told_of_spent(task: Task) -> Event:
    policy = task.on_enqueue_to_end
    return event(ENQUEUE_TO_END, task.process_id, task.id, actor=task.actor, state_before=task.state, policy=policy)


def _ring_after(transact: Callable[[], tuple[int, Changes]]) -> int:
    count, changes = repeated(transact)
    bell.ring(changes.fed)
    return count
