"""Answers why a process or a task does not move. Reads only, and a bounded number of rows."""

from __future__ import annotations

from uuid import UUID

from processes.errors import NoSuchProcess
from processes.failures import DEPENDENCY_FAILED, Failure
from processes.models import Event, Process
from processes.states import FINAL_STATES, ProcessState
from recovery.causes import Cause, Explanation
from recovery.surroundings import NOTHING, Surroundings, at, named, told_of
from tasks.models import DelayReason, Kind, Task
from tasks.queries import task_in_process, way_to_blocking_task
from tasks.states import OPEN_STATES, TaskState

ACTIVE_STATES = (TaskState.ENQUEUED, TaskState.POLLED, TaskState.DELAYED)
LOOKED_AT = 50
"""So many active tasks of a process are looked at; the one that most needs somebody is told."""
MOST_TROUBLED_FIRST = tuple(Cause)


def why(subject: Process | Task | UUID) -> Explanation:
    """Why a process or a task (or the process or task with this id) does not move.

    A root task has the id of its process: an id is taken for the process. Raises NoSuchProcess, NoSuchTask.
    """
    if isinstance(subject, UUID):
        return _why_id(subject)
    if isinstance(subject, Task):
        return _why_task(task_in_process(subject.id), Surroundings())
    process = Process.objects.filter(id=subject.id).first()
    if process is None:
        raise NoSuchProcess(subject.id)
    return _why_process(process, Surroundings())


def _why_id(subject_id: UUID) -> Explanation:
    surroundings = Surroundings()
    process = Process.objects.filter(id=subject_id).first()
    if process is not None:
        return _why_process(process, surroundings)
    task = Task.objects.filter(id=subject_id).select_related("process").first()
    if task is None:
        raise NoSuchProcess(subject_id)
    return _why_task(task, surroundings)


def _why_process(process: Process, surroundings: Surroundings) -> Explanation:
    standing = _why_process_stands(process, surroundings)
    if standing is not None:
        return standing
    active = list(
        Task.objects.filter(process_id=process.id, state__in=ACTIVE_STATES).select_related("process")[:LOOKED_AT]
    )
    # Between the reads the process may have moved; then the next look tells.
    explanations = [_why_active(task, surroundings) for task in active] or [_on_its_way(process)]
    return min(explanations, key=lambda each: MOST_TROUBLED_FIRST.index(each.code))


def _why_process_stands(process: Process, surroundings: Surroundings) -> Explanation | None:
    """Why nothing of a process can move at all; None for a RUNNING one."""
    ids = {"process": str(process.id)}
    if process.state in FINAL_STATES:
        told = f"Process {process.id} ended as {process.state} at {at(process.ended_at)}."
        return Explanation(Cause.ENDED, told, NOTHING, ids)
    if process.state == ProcessState.REGISTERING:
        return surroundings.why_registering(process)
    if process.state == ProcessState.FAILED:
        return _why_failed(process)
    if process.state == ProcessState.PAUSED:
        act = Event.objects.filter(process_id=process.id, kind="paused").order_by("-id").first()
        told = f"Process {process.id} is paused since {at(process.stood_still_at)}{told_of(act)}."
        return Explanation(Cause.PAUSED, told, f"Resume it: manage.py steer resume {process.id}", ids)
    return None


def _why_failed(process: Process) -> Explanation:
    failure = Failure.from_text(process.failure or "")
    ids = {"process": str(process.id)}
    since = f"Process {process.id} stands still since {at(process.stood_still_at)}"
    told = f"{failure.type}: {failure.message[:200]}"
    if process.failed_task_id is None:
        action = f"Restart or abort the process: manage.py steer restart {process.id}"
        return Explanation(Cause.FAILED, f"{since}, for it cannot be registered: {told}.", action, ids)
    ids["task"] = str(process.failed_task_id)
    action = f"Repair the cause, then: manage.py steer restart-failed {process.id}"
    if failure.type == DEPENDENCY_FAILED:
        action = f"Restart or abort the process: manage.py steer restart {process.id}"
    return Explanation(Cause.FAILED, f"{since}, for task {process.failed_task_id} failed: {told}.", action, ids)


def _why_task(task: Task, surroundings: Surroundings) -> Explanation:
    ids = {"process": str(task.process_id), "task": str(task.id)}
    if task.state == TaskState.FAILED and not task.failure_accepted and task.process.state not in FINAL_STATES:
        failure = Failure.from_text(task.failure or "")
        told = f"Task {task.id} failed at {at(task.ended_at)}: {failure.type}: {failure.message[:200]}."
        return Explanation(Cause.FAILED, told, f"Repair the cause, then: manage.py steer restart-task {task.id}", ids)
    if task.state not in OPEN_STATES:
        told = f"Task {task.id} ended as {task.state} at {at(task.ended_at)}."
        return Explanation(Cause.ENDED, told, NOTHING, ids)
    if task.state in (TaskState.WAITING, TaskState.DECIDED):
        return _why_waiting(task, surroundings)
    if task.state in (TaskState.HELD, TaskState.DELAYED):
        standing = _why_process_stands(task.process, surroundings)
        if standing is not None:
            return standing
    return _why_active(task, surroundings)


def _why_waiting(task: Task, surroundings: Surroundings) -> Explanation:
    if task.process.state == ProcessState.REGISTERING:
        return surroundings.why_registering(task.process)
    way = way_to_blocking_task(task.id)
    blocking = Task.objects.filter(id=way[-1]).select_related("process").first() if len(way) > 1 else None
    if blocking is None:
        return _on_its_way(task.process)
    reason = _why_task(blocking, surroundings) if blocking.state not in (TaskState.WAITING, TaskState.DECIDED) else None
    told = f"Task {task.id} waits for task {way[1]}"
    told += f", and that in the end for task {way[-1]}" if len(way) > 2 else ""
    told += f". {reason.sentence}" if reason is not None else "."
    ids = {"process": str(task.process_id), "task": str(task.id), "awaited": str(way[1]), "blocking": str(way[-1])}
    return Explanation(Cause.WAITS_FOR_TASK, told, reason.action if reason else NOTHING, ids)


def _why_active(task: Task, surroundings: Surroundings) -> Explanation:
    """Why a task that waits for no other is not done: ENQUEUED, POLLED, DELAYED (or HELD a moment ago)."""
    if task.state == TaskState.POLLED:
        return surroundings.why_leased(task)
    if task.state == TaskState.DELAYED:
        return _why_delayed(task, surroundings)
    if task.kind == Kind.EXTERNAL:
        until = f", until {at(task.deadline_at)} at the latest" if task.deadline_at else ""
        told = f"Task {task.id} of {task.actor} waits since {at(task.enqueued_at)} to be completed from outside{until}."
        action = f"Complete it: manage.py steer complete {task.id}"
        return Explanation(Cause.WAITS_FOR_COMPLETION, told, action, named(task))
    return surroundings.why_enqueued(task)


def _why_delayed(task: Task, surroundings: Surroundings) -> Explanation:
    if task.delay_reason == DelayReason.INCOMPATIBLE_CODE:
        failure = Failure.from_text(task.failure or "")
        told = f"Task {task.id} does not fit the code of the worker that claimed it: {failure.message}."
        action = f"Start a worker whose {task.actor} takes these arguments."
        return Explanation(Cause.INCOMPATIBLE_CODE, told, action, named(task))
    overdue = surroundings.why_overdue(task)
    if overdue is not None:
        return overdue
    what = {
        DelayReason.RETRY: f"is tried again (after {task.tries} of {task.max_attempts} tries)",
        DelayReason.SNOOZE: "looks again",
    }.get(DelayReason(task.delay_reason or DelayReason.LATER), "starts")
    return Explanation(
        Cause.DUE_AT, f"Task {task.id} of {task.actor} {what} at {at(task.due_at)}.", NOTHING, named(task)
    )


def _on_its_way(process: Process) -> Explanation:
    told = f"Process {process.id} moved while it was looked at."
    return Explanation(Cause.READY, told, "Ask again.", {"process": str(process.id)})
