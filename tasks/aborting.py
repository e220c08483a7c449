"""Ends processes before their time."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from processes.errors import AlreadyEnded
from processes.models import Event, Process
from processes.states import ProcessState
from processes.transitions import end_processes
from tasks.acts import Order
from tasks.steering import Steering, steer
from tasks.transitions import Changes, cancel_open_tasks


def abort(process: Process | UUID, *, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """End a process as ABORTED: its open tasks become CANCELLED in the same transaction, its failed ones stay FAILED.

    What still runs learns of it at its next heartbeat (`current_task().is_cancelled()`); its outcome is refused.
    Inside a caller's transaction the abort commits with it. Returns the audit record. Raises NoSuchProcess,
    AlreadyEnded, RequestIdTaken, InvalidOrder; all leave everything as it is.
    """
    return steer(ABORT, process, Order(by=by, reason=reason, request_id=request_id))


def check_not_ended(process: Process) -> None:
    """Raise AlreadyEnded for a process that is final."""
    if process.is_final:
        raise AlreadyEnded(process.id, process.state)


def end_as_aborted(process_id: UUID) -> None:
    """End a process that is not final, under its lock."""
    cancel_open_tasks([process_id])
    end_processes([process_id], ProcessState.ABORTED)


def _abort(process: Process, changes: Changes) -> Mapping[str, object]:
    end_as_aborted(process.id)
    return {}


ABORT = Steering("aborted", check_not_ended, _abort)
