"""Pauses processes, and lets them go on."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from processes.errors import NotPaused, NotRunning
from processes.models import Event, Process
from processes.states import ProcessState
from processes.transitions import pause_process
from tasks.acts import Order
from tasks.steering import Steering, steer
from tasks.transitions import Changes, hold_tasks, move_on


def pause(process: Process | UUID, *, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """Make a RUNNING process stand still: what runs may finish and is kept, nothing new is handed out.

    Its start-to-end clock and the enqueue-to-end clocks of its tasks stand meanwhile; leases go on. Returns the
    audit record. Raises NoSuchProcess, NotRunning, RequestIdTaken, InvalidOrder.
    """
    return steer(PAUSE, process, Order(by=by, reason=reason, request_id=request_id))


def resume(process: Process | UUID, *, by: str = "", reason: str = "", request_id: str | None = None) -> Event:
    """Let a PAUSED process go on: RUNNING, or FAILED where a task failed meanwhile and nobody accepts it.

    Returns the audit record; its `detail["state"]` tells which. Raises NoSuchProcess, NotPaused, RequestIdTaken,
    InvalidOrder.
    """
    return steer(RESUME, process, Order(by=by, reason=reason, request_id=request_id))


def _check_running(process: Process) -> None:
    if process.state != ProcessState.RUNNING:
        raise NotRunning(process.id, process.state)


def _pause(process: Process, changes: Changes) -> Mapping[str, object]:
    pause_process(process.id)
    hold_tasks(process.id)
    return {}


def _check_paused(process: Process) -> None:
    if process.state != ProcessState.PAUSED:
        raise NotPaused(process.id, process.state)


def _resume(process: Process, changes: Changes) -> Mapping[str, object]:
    return {"state": move_on(process.id, changes)}


PAUSE = Steering("paused", _check_running, _pause)
RESUME = Steering("resumed", _check_paused, _resume)
