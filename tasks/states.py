"""The states of a task and the arrows between them, as data."""

from collections.abc import Mapping
from types import MappingProxyType

from django.db import models


class TaskState(models.TextChoices):
    """Where a task stands. `docs/states.md` draws the arrows."""

    WAITING = "WAITING", "WAITING"
    """An awaited task is not settled."""
    DELAYED = "DELAYED", "DELAYED"
    """Ready, but not before `due_at`: a later start, a retry, a snooze."""
    ENQUEUED = "ENQUEUED", "ENQUEUED"
    """Claimable now."""
    HELD = "HELD", "HELD"
    """Would be ENQUEUED, but its process stands still."""
    POLLED = "POLLED", "POLLED"
    """Leased: only `(id, attempt)` may release it."""
    DECIDED = "DECIDED", "DECIDED"
    """The decider ran; its value is another task's value, not known yet."""
    FAILED = "FAILED", "FAILED"
    """Failed for good. With its failure accepted it is settled."""
    COMPLETED = "COMPLETED", "COMPLETED"
    """Final: it has its value."""
    CANCELLED = "CANCELLED", "CANCELLED"
    """Final: its process ended before it did."""


ENDED_STATES = (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED)
OPEN_STATES = (
    TaskState.WAITING,
    TaskState.DELAYED,
    TaskState.ENQUEUED,
    TaskState.HELD,
    TaskState.POLLED,
    TaskState.DECIDED,
)
BUDGETED_STATES = (
    TaskState.WAITING,
    TaskState.DELAYED,
    TaskState.ENQUEUED,
    TaskState.HELD,
    TaskState.POLLED,
)
"""Where the enqueue-to-end clock may run: until the outcome, for a decider until its decision."""

TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = MappingProxyType(
    {
        TaskState.WAITING: frozenset(
            {TaskState.DELAYED, TaskState.ENQUEUED, TaskState.HELD, TaskState.FAILED, TaskState.CANCELLED}
        ),
        TaskState.DELAYED: frozenset({TaskState.ENQUEUED, TaskState.HELD, TaskState.FAILED, TaskState.CANCELLED}),
        TaskState.ENQUEUED: frozenset(
            {TaskState.POLLED, TaskState.HELD, TaskState.FAILED, TaskState.CANCELLED, TaskState.COMPLETED}
        ),
        TaskState.HELD: frozenset({TaskState.ENQUEUED, TaskState.FAILED, TaskState.CANCELLED, TaskState.COMPLETED}),
        TaskState.POLLED: frozenset(
            {
                TaskState.COMPLETED,
                TaskState.DECIDED,
                TaskState.FAILED,
                TaskState.DELAYED,
                TaskState.ENQUEUED,
                TaskState.HELD,
                TaskState.CANCELLED,
            }
        ),
        TaskState.DECIDED: frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED}),
        TaskState.FAILED: frozenset({TaskState.ENQUEUED, TaskState.HELD}),
        TaskState.COMPLETED: frozenset(),
        TaskState.CANCELLED: frozenset(),
    }
)
"""From each state, the states it may lead to; every other pair is forbidden."""
