"""The states of a process and the arrows between them, as data."""

from collections.abc import Mapping
from types import MappingProxyType

from django.db import models


class ProcessState(models.TextChoices):
    """Where a process stands. `docs/states.md` draws the arrows."""

    REGISTERING = "REGISTERING", "REGISTERING"
    """The row is committed and the client has its positive answer; no task is enqueued yet."""
    RUNNING = "RUNNING", "RUNNING"
    """Registered: its tasks are handed out as they become ready."""
    PAUSED = "PAUSED", "PAUSED"
    """An operator's standstill: what runs may finish, nothing new is handed out."""
    FAILED = "FAILED", "FAILED"
    """A standstill: a task failed for good and nobody accepts it. Waits for restart or abort."""
    COMPLETED = "COMPLETED", "COMPLETED"
    """Final: the root task is settled and no task is open."""
    TIMED_OUT = "TIMED_OUT", "TIMED_OUT"
    """Final: the start-to-end time was used up."""
    ABORTED = "ABORTED", "ABORTED"
    """Final: an operator or a client ended it."""


FINAL_STATES = (ProcessState.COMPLETED, ProcessState.TIMED_OUT, ProcessState.ABORTED)
STANDSTILLS = (ProcessState.PAUSED, ProcessState.FAILED)
NOT_MOVING = (*FINAL_STATES, *STANDSTILLS)
"""Who waits for a process waits for one of these."""

PROCESS_TRANSITIONS: Mapping[ProcessState, frozenset[ProcessState]] = MappingProxyType(
    {
        ProcessState.REGISTERING: frozenset({ProcessState.RUNNING, ProcessState.FAILED, ProcessState.ABORTED}),
        ProcessState.RUNNING: frozenset(
            {
                ProcessState.PAUSED,
                ProcessState.FAILED,
                ProcessState.COMPLETED,
                ProcessState.TIMED_OUT,
                ProcessState.ABORTED,
            }
        ),
        ProcessState.PAUSED: frozenset(
            {ProcessState.RUNNING, ProcessState.FAILED, ProcessState.COMPLETED, ProcessState.ABORTED}
        ),
        ProcessState.FAILED: frozenset({ProcessState.RUNNING, ProcessState.ABORTED}),
        ProcessState.COMPLETED: frozenset(),
        ProcessState.TIMED_OUT: frozenset(),
        ProcessState.ABORTED: frozenset(),
    }
)
"""From each state, the states it may lead to; every other pair is forbidden."""
