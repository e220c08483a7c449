"""Restarts what failed: a task, all failed tasks of a process, or a whole process from its beginning."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from processes.errors import AlreadyRestarted, BeingDeleted, Refused
from processes.failures import DEPENDENCY_FAILED, Failure
from processes.models import Event, Process, new_id
from processes.states import ProcessState
from processes.transitions import give_up_identity
from tasks import bell
from tasks.aborting import check_not_ended, end_as_aborted
from tasks.acts import Order
from tasks.errors import DependencyFailed, FailureWasAccepted, NotFailed, NothingFailed
from tasks.models import Kind, Task
from tasks.statements import fetch, records
from tasks.states import TaskState
from tasks.steering import Steering, steer, steer_task
from tasks.transitions import Changes, move_on, restart_tasks, unaccepted_failures


def restart_task(task: Task | UUID, *, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """Give a failed task all its tries and its time again.

    Its process runs on when no other unaccepted failed task is left; until then, and while it is PAUSED, the task is
    HELD. Returns the audit record. Raises NoSuchTask, NotFailed, AlreadyEnded, FailureWasAccepted (it was delivered),
    DependencyFailed (it would fail again), RequestIdTaken, InvalidOrder.
    """
    return steer_task("task_restarted", task, Order(by=by, reason=reason, request_id=request_id), _restart_task)


def restart_failed_tasks(
    process: Process | UUID, *, by: str = "", reason: str = "", request_id: str | None = None
) -> Event:
    """Restart every failed task of a process that can be restarted; the record's `detail` names them and the others.

    Raises NoSuchProcess, AlreadyEnded, NothingFailed, what refuses the first task where none can be restarted,
    RequestIdTaken, InvalidOrder.
    """
    return steer(RESTART_FAILED_TASKS, process, Order(by=by, reason=reason, request_id=request_id))


def restart_process(process: Process | UUID, *, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """Start a new process from the same actor and arguments, which takes over the `custom_id`.

    The old one is aborted if it has not ended, and names its successor for ever; so does the record, in
    `detail["restarted_as"]`. Raises NoSuchProcess, AlreadyRestarted, BeingDeleted, RequestIdTaken, InvalidOrder.
    """
    return steer(RESTART, process, Order(by=by, reason=reason, request_id=request_id))


def check_task(task: Task) -> None:
    """Raise what refuses the restart of a task: AlreadyEnded, NotFailed, FailureWasAccepted, DependencyFailed."""
    check_not_ended(task.process)
    _check_restartable(task)


def _restart_task(process: Process, task: Task, changes: Changes) -> Mapping[str, object]:
    check_task(task)
    return {"state_before": process.state, "state": _restart_tasks(process, [task.id], changes)}


def _check_restartable(task: Task) -> None:
    if task.state != TaskState.FAILED:
        raise NotFailed(task.id, task.state)
    if task.failure_accepted:
        raise FailureWasAccepted(task.id)
    if _would_fail_again(task):
        raise DependencyFailed(task.id)


def _would_fail_again(task: Task) -> bool:
    """Whether it would be handed a failure that it does not accept: that of an awaited task, or one that is a value."""
    if task.kind == Kind.DECIDER or task.accepts_failures:
        return False
    is_doomed = task.kind == Kind.WORKER and Failure.from_text(task.failure or "").type == DEPENDENCY_FAILED
    return is_doomed or task.failed_input is not None


def _restart_tasks(process: Process, ids: list[UUID], changes: Changes) -> str:
    restart_tasks(ids)
    return move_on(process.id, changes) if process.state == ProcessState.FAILED else process.state


def _check_some_restartable(process: Process) -> None:
    check_not_ended(process)
    restartable, refusals = _sorted_out(process)
    if not restartable:
        raise next(iter(refusals.values()), NothingFailed(process.id, process.state))


def _sorted_out(process: Process) -> tuple[list[UUID], dict[UUID, Refused]]:
    restartable: list[UUID] = []
    refusals: dict[UUID, Refused] = {}
    for task in unaccepted_failures(process.id):
        try:
            _check_restartable(task)
        except Refused as refusal:
            refusals[task.id] = refusal
        else:
            restartable.append(task.id)
    return restartable, refusals


def _restart_failed_tasks(process: Process, changes: Changes) -> Mapping[str, object]:
    restartable, refusals = _sorted_out(process)
    return {
        "state": _restart_tasks(process, restartable, changes),
        "restarted": [str(task_id) for task_id in restartable],
        "refused": {str(task_id): refusal.code for task_id, refusal in refusals.items()},
    }


def _check_not_restarted(process: Process) -> None:
    if process.restarted_as is not None:
        raise AlreadyRestarted(process.id, process.state, process.restarted_as)
    if process.deletion_began_at is not None:
        raise BeingDeleted(process.id, process.state)


def _restart(process: Process, changes: Changes) -> Mapping[str, object]:
    if not process.is_final:
        end_as_aborted(process.id)
    successor = new_id()
    give_up_identity(process.id, successor)
    fetch("insert_processes", processes=records([_successor(process, successor)]))
    bell.ring_for_registration()
    return {"restarted_as": str(successor)}


def _successor(process: Process, successor: UUID) -> dict[str, object]:
    return {
        "id": successor,
        "custom_id": process.custom_id,
        "actor": process.actor,
        "kind": process.kind,
        "arguments": process.arguments,
        "options": process.options,
        "attributes": process.attributes,
        "start_to_end": process.start_to_end.total_seconds() if process.start_to_end else None,
        "on_start_to_end": process.on_start_to_end,
    }


RESTART_FAILED_TASKS = Steering("failed_tasks_restarted", _check_some_restartable, _restart_failed_tasks)
RESTART = Steering("restarted", _check_not_restarted, _restart)
