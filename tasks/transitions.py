"""The transitions of tasks, and of processes together with their tasks: the only writer of a task's state.

Every function here runs inside a transaction that holds the locks of the processes concerned
(`lock_processes`), taken in a statement of its own before anything is read. Lock order everywhere:
process rows in id order, then task rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from processes.failures import DEPENDENCY_FAILED, Failure
from processes.history import event, record
from processes.states import ProcessState
from processes.transitions import fail_processes, name_failure
from tasks.models import Task
from tasks.outcomes import Outcome
from tasks.statements import fetch, records
from tasks.states import OPEN_STATES, TaskState


def lock_processes(ids: Iterable[UUID], *, only_free: bool = False) -> dict[UUID, str]:
    """Lock process rows in id order and return their states, by id.

    With `only_free`, rows that somebody else holds are left out instead of waited for.
    """
    name = "lock_free_processes" if only_free else "lock_processes"
    return cast(dict[UUID, str], dict(fetch(name, ids=list(ids))))


@dataclass(slots=True)
class Changes:
    """What a transaction has changed so far and must still account for before it commits."""

    open_tasks: Counter[UUID] = field(default_factory=Counter)
    fed: Counter[str] = field(default_factory=Counter)
    """How many new ENQUEUED tasks each actor has."""

    def readied(self, actor: str | None, state: str) -> None:
        """Note that a task of `actor` (None for one that nobody polls) has come to `state`."""
        if state == TaskState.ENQUEUED and actor is not None:
            self.fed[actor] += 1


@dataclass(frozen=True, slots=True)
class Doomed:
    """A WAITING task that would be handed a failure that it does not accept."""

    task_id: UUID
    failed_input: UUID


def write_outcomes(outcomes: Sequence[Outcome]) -> dict[UUID, str]:
    """Write the outcomes whose lease still stands; return the new state of each of those tasks."""
    rows = [
        {
            "id": outcome.lease.task_id,
            "attempt": outcome.lease.attempt,
            "state": outcome.state,
            "result": outcome.result,
            "failure": outcome.failure,
            "value_from": outcome.value_from,
            "delay": outcome.delay.total_seconds() if outcome.delay is not None else None,
            "delay_reason": outcome.delay_reason,
            "tries": outcome.tries,
            "alone": outcome.alone,
            "details": outcome.details,
        }
        for outcome in outcomes
    ]
    return cast(dict[UUID, str], dict(fetch("write_outcomes", outcomes=records(rows))))


def insert_calls(outcomes: Sequence[Outcome], changes: Changes) -> list[Doomed]:
    """Insert the new tasks of decisions, each in the state in which it begins."""
    calls = [(outcome.lease, call) for outcome in outcomes for call in outcome.calls]
    if not calls:
        return []
    rows = fetch(
        "insert_calls",
        calls=records([call.to_record(lease.process_id, lease.task_id) for lease, call in calls]),
        needs=records(
            [
                {
                    "process_id": lease.process_id,
                    "waiter_id": call.id,
                    "awaited_id": need.task_id,
                    "delivers_value": need.delivers_value,
                }
                for lease, call in calls
                for need in call.awaits
            ]
        ),
    )
    return _note(rows, changes, opened=1)


def settle(settled: Iterable[UUID], decided: Iterable[UUID], changes: Changes) -> list[Doomed]:
    """Carry settled tasks along: to deciders whose value they become, and to the tasks that wait for them."""
    return _note(fetch("settle", settled=list(settled), decided=list(decided)), changes, opened=0)


def fail_doomed(doomed: Sequence[Doomed], changes: Changes) -> None:
    """Fail tasks that would be handed a failure they do not accept, and whatever that dooms in its turn."""
    while doomed:
        causes = {
            task.id: Failure.from_text(task.failure or "")
            for task in Task.objects.filter(id__in={each.failed_input for each in doomed})
        }
        failed = {
            each.task_id: Failure(
                DEPENDENCY_FAILED, "an awaited task failed", cause=causes[each.failed_input]
            ).to_text()
            for each in doomed
        }
        for task_id, failure in failed.items():
            Task.objects.filter(id=task_id, state=TaskState.WAITING).update(
                state=TaskState.FAILED, failure=failure, ended_at=Now()
            )
        doomed = settle(judge_failures(failed, changes), [], changes)


def judge_failures(failed: Iterable[UUID], changes: Changes) -> list[UUID]:
    """Decide what becomes of tasks that have just become FAILED; return those that are settled by it.

    An accepted failure settles every member of its chain. An unaccepted one makes the process stand still.
    """
    settled: list[UUID] = []
    for row in fetch("climb", failed=list(failed)):
        origin, process_id, members, accepted = cast(tuple[UUID, UUID, list[UUID], bool], row)
        if accepted:
            _accept(origin, members)
            changes.open_tasks[process_id] -= len(members)
            settled += members
        else:
            _stand_still(origin, process_id)
    return settled


def conclude(
    changes: Changes,
    *,
    settled: Sequence[UUID] = (),
    failed: Sequence[UUID] = (),
    decided: Sequence[UUID] = (),
    decisions: Sequence[Outcome] = (),
) -> None:
    """Draw the conclusions from tasks that have just been settled, failed or decided; account for all of it.

    Failures are judged first: what a process that stands still because of them would enqueue is HELD. New calls come
    last: what they wait for and is settled in this very transaction they find settled, and nobody counts it again.
    """
    settled = [*settled, *(judge_failures(failed, changes) if failed else ())]
    doomed = settle(settled, decided, changes) if settled or decided else []
    doomed += insert_calls(decisions, changes)
    fail_doomed(doomed, changes)
    account(changes)


def account(changes: Changes) -> None:
    """Bring the open-task counters up to date, and complete the processes that have no open task left."""
    rows = [
        {"process_id": process_id, "open_tasks": difference}
        for process_id, difference in changes.open_tasks.items()
        if difference
    ]
    if rows:
        fetch("account", changes=records(rows))


def cancel_open_tasks(process_ids: Sequence[UUID]) -> None:
    """Cancel what is open in processes that end now. A FAILED task stays FAILED."""
    Task.objects.filter(process_id__in=process_ids, state__in=OPEN_STATES).update(
        state=TaskState.CANCELLED,
        ended_at=Now(),
        poll_ends_at=None,
        lease_ends_at=None,
        batch_size=None,
    )


def hold_tasks(process_id: UUID) -> None:
    """Hold what a process that stands still from now on would hand out, and stop its clock and those of its tasks."""
    fetch("stand_still", ids=[process_id])


def restart_tasks(ids: Sequence[UUID]) -> None:
    """Give unaccepted failed tasks all their tries and their time again: HELD, until their process moves on."""
    Task.objects.filter(id__in=ids, state=TaskState.FAILED, failure_accepted=False).update(
        state=TaskState.HELD,
        tries=0,
        failure=None,
        ended_at=None,
        enqueued_at=None,
        deadline_at=None,
        budget_left=None,
    )


def unaccepted_failures(process_id: UUID) -> QuerySet[Task]:
    """The failed tasks of a process whose failure nobody accepts, in the order in which they failed."""
    failed = Task.objects.filter(process_id=process_id, state=TaskState.FAILED, failure_accepted=False)
    return failed.order_by("ended_at", "id")


def move_on(process_id: UUID, changes: Changes) -> str:
    """Let a process leave its standstill where nothing keeps it there any more; return the state it is in then.

    An unaccepted failed task keeps it: it is FAILED, naming the first such task. The standstill began when it began.
    """
    first = unaccepted_failures(process_id).only("id", "failure").first()
    if first is not None:
        name_failure(process_id, first.failure or "", first.id)
        return ProcessState.FAILED
    for _, actor, state in fetch("move_on", ids=[process_id]):
        changes.readied(actor, state)
    return ProcessState.RUNNING


def _accept(origin: UUID, members: Sequence[UUID]) -> None:
    Task.objects.filter(id=origin, state=TaskState.FAILED).update(failure_accepted=True)
    Task.objects.filter(id__in=members, state=TaskState.DECIDED).update(
        state=TaskState.FAILED, failure_accepted=True, value_from=origin, ended_at=Now()
    )


def _stand_still(origin: UUID, process_id: UUID) -> None:
    task = Task.objects.only("id", "actor", "failure").get(id=origin)
    failure = task.failure or ""
    if fail_processes({process_id: failure}, failed_task_id=origin):
        hold_tasks(process_id)
    told = Failure.from_text(failure)
    record([event("task_failed", process_id, origin, actor=task.actor, type=told.type, message=told.message)])


def _note(rows: Sequence[tuple[object, ...]], changes: Changes, *, opened: int) -> list[Doomed]:
    doomed: list[Doomed] = []
    for row in rows:
        task_id, process_id, actor, state, is_doomed, failed_input = cast(
            tuple[UUID, UUID, str | None, str, bool, UUID], row
        )
        changes.open_tasks[process_id] += opened - (state == TaskState.COMPLETED)
        changes.readied(actor, state)
        if is_doomed:
            doomed.append(Doomed(task_id, failed_input))
    return doomed
