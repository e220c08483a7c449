"""Ends a process before its time."""

from __future__ import annotations

from uuid import UUID

from processes.errors import AlreadyEnded, NoSuchProcess
from processes.history import event, record
from processes.models import Process
from processes.states import FINAL_STATES, ProcessState
from processes.transitions import end_processes
from tasks.transactions import repeated_or_within
from tasks.transitions import cancel_open_tasks, lock_processes


def abort(process: Process | UUID, *, by: str = "", reason: str = "") -> None:
    """End a process as ABORTED: its open tasks become CANCELLED in the same transaction, its failed ones stay FAILED.

    What still runs may go on until it finds its lease lost; its outcome is refused. Inside a caller's transaction
    the abort commits with it. Raises NoSuchProcess, or AlreadyEnded for a final process; both leave everything
    as it is.
    """
    process_id = process.id if isinstance(process, Process) else process
    repeated_or_within(lambda: _abort(process_id, by, reason))


def _abort(process_id: UUID, by: str, reason: str) -> None:
    state = lock_processes([process_id]).get(process_id)
    if state is None:
        raise NoSuchProcess(process_id)
    if state in FINAL_STATES:
        raise AlreadyEnded(process_id, state)
    cancel_open_tasks([process_id])
    end_processes([process_id], ProcessState.ABORTED)
    record([event("aborted", process_id, by=by, state_before=state, reason=reason)])
