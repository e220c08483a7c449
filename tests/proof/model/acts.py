"""What people do to one process: each act is refused with a code, or changes the process in one transaction."""

from __future__ import annotations

from tests.proof.model import guards
from tests.proof.model.memory import remembered
from tests.proof.model.settling import Draft, conclude, end, hold
from tests.proof.model.shapes import EXTERNAL
from tests.proof.model.world import (
    ABORTED,
    COMPLETED,
    ENQUEUED,
    FAILED,
    HELD,
    PAUSED,
    RUNNING,
    Process,
    Task,
)

DONE = "done"
Told = tuple[Process, str]
"""The process afterwards, and `DONE` or the code of the refusal."""


@remembered
def pause(process: Process) -> Told:
    """Make a RUNNING process stand still."""
    if process.state != RUNNING:
        return process, "not_running"
    draft = Draft(process)
    draft.state = PAUSED
    hold(draft)
    return draft.done(), DONE


@remembered
def resume(process: Process) -> Told:
    """Let a PAUSED process go on, or stand still for a failure that came meanwhile."""
    if process.state != PAUSED:
        return process, "not_paused"
    draft = Draft(process)
    _move_on(draft)
    return draft.done(), DONE


@remembered
def abort(process: Process) -> Told:
    """End a process that has not ended."""
    if process.is_final:
        return process, "already_ended"
    draft = Draft(process)
    end(draft, ABORTED)
    return draft.done(), DONE


@remembered
def restart_task(process: Process, index: int) -> Told:
    """Give a failed task all its tries again."""
    if process.is_final:
        return process, "already_ended"
    refusal = _refusal_of_restart(process, index)
    if refusal is not None:
        return process, refusal
    return _restarted(process, [index]), DONE


@remembered
def restart_failed(process: Process) -> Told:
    """Restart all failed tasks that can be restarted."""
    if process.is_final:
        return process, "already_ended"
    failed = [index for index, task in process.called() if task.has_failed]
    restartable = [index for index in failed if _refusal_of_restart(process, index) is None]
    if not restartable:
        return process, "dependency_failed" if failed else "nothing_failed"
    return _restarted(process, restartable), DONE


@remembered
def restart_process(process: Process) -> Told:
    """End a process and let it give its custom id up; that another one begins is the world's affair."""
    if process.restarted:
        return process, "already_restarted"
    return give_up_name(process if process.is_final else abort(process)[0]), DONE


@remembered
def give_up_name(process: Process) -> Process:
    """A final process is restarted as another, which its custom id is for from now on."""
    draft = Draft(process)
    draft.name, draft.restarted = None, True
    return draft.done()


@remembered
def complete_task(process: Process, index: int) -> Told:
    """Somebody outside delivers the value of an external task; the same one may be delivered again."""
    return _deliver(process, index, COMPLETED)


@remembered
def fail_task(process: Process, index: int) -> Told:
    """Somebody outside fails an external task."""
    return _deliver(process, index, FAILED)


def _deliver(process: Process, index: int, state: str) -> Told:
    refusal = _refusal_from_outside(process, index)
    if refusal == "already_settled" and _has_this_outcome(process.task(index), state):
        return process, DONE
    if refusal is not None:
        return process, refusal
    draft = Draft(process)
    draft.change(index, state=state, failure="external" if state == FAILED else "")
    if state == COMPLETED:
        draft.open_tasks -= 1
        conclude(draft, settled=[index])
    else:
        conclude(draft, failed=[index])
    return draft.done(), DONE


def _refusal_from_outside(process: Process, index: int) -> str | None:
    task = process.task(index)
    if process.flow.facts[index].kind != EXTERNAL:
        return "not_external"
    if task.state in (COMPLETED, FAILED):
        return "already_settled"
    if process.is_final:
        return "already_ended"
    return None if task.state in (ENQUEUED, HELD) else "not_ready"


def _has_this_outcome(task: Task, state: str) -> bool:
    return task.state == state and task.failure == ("external" if state == FAILED else "")


def _refusal_of_restart(process: Process, index: int) -> str | None:
    task = process.task(index)
    if task.state != FAILED:
        return "not_failed"
    if task.accepted:
        return "failure_accepted"
    if task.hurt and not process.flow.facts[index].takes_failures:
        return "dependency_failed"
    return None


def _restarted(process: Process, indexes: list[int]) -> Process:
    draft = Draft(process)
    for index in indexes:
        draft.change(index, state=HELD, tries=0, failure="", clocked=False)
    if draft.state == FAILED:
        _move_on(draft)
    return draft.done()


def _move_on(draft: Draft) -> None:
    """Leave the standstill where nothing keeps it: what was held is handed out."""
    if guards.keeps_standing(draft.done()):
        draft.state = FAILED
        draft.failed_task = next((index for index, task in draft.done().called() if task.has_failed), None)
        return
    draft.state, draft.failed_task = RUNNING, None
    for index, task in draft.done().called():
        if task.state == HELD:
            draft.hand_out(index)
