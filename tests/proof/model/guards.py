"""The guards of the engine, each a question of its own: tests break one and see the search find what it was for."""

from __future__ import annotations

from tests.proof.model.world import (
    ENQUEUED,
    EVERYTHING,
    POLLED,
    REGISTERING,
    RUNNING,
    Process,
    Task,
    Tombstone,
)


def holds_the_lease(task: Task, holder: int) -> bool:
    """The fence: whether an outcome from this holder may be written."""
    return task.state == POLLED and task.lease == holder


def hands_out(state: str) -> bool:
    """Whether a process in this state hands out what is ready; otherwise that is held."""
    return state == RUNNING


def is_ready(task: Task) -> bool:
    """Whether a claim may take the task."""
    return task.state == ENQUEUED


def is_unregistered(process: Process) -> bool:
    """Whether a run of the registration has anything to do."""
    return process.state == REGISTERING


def is_still_late(task: Task) -> bool:
    """What a scan asks again, under the lock, of what it found before."""
    return task.late


def is_blocked(blocked: frozenset[str], actor: str) -> bool:
    """Whether nothing of this actor is handed out."""
    return actor in blocked or EVERYTHING in blocked


def pays_for_its_loss(task: Task) -> bool:
    """Whether a lost lease counts as a try."""
    return not task.mates


def is_awaited(process: Process, index: int) -> bool:
    """Whether somebody who takes it as a dependency still needs this task: its failure is then not only climbing."""
    waiters = (process.tasks[waiter] for waiter, _ in process.flow.waiters[index])
    return any(waiter is not None and waiter.state == "WAITING" for waiter in waiters)


def keeps_standing(process: Process) -> bool:
    """Whether a failure that nobody accepts keeps a process in its standstill."""
    return any(task is not None and task.has_failed for task in process.tasks)


def bars(tombstone: Tombstone | None) -> bool:
    """Whether a start finds that a deleted process had the custom id."""
    return tombstone is not None
