"""Completes and fails the tasks of external actors: the outcome comes from a person or a webhook, not from a lease.

What follows from it is what follows from a release: `tasks.transitions.conclude`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from django.db.models.functions import Now

from processes.errors import NotStorable
from processes.failures import Failure
from processes.models import Event, Process
from processes.values import canonical
from tasks.aborting import check_not_ended
from tasks.acts import Order
from tasks.arguments import encode_result
from tasks.errors import AlreadySettled, NotExternal, NotReady
from tasks.models import Kind, Task
from tasks.states import TaskState
from tasks.steering import steer_task
from tasks.transitions import Changes, conclude

COMPLETED = "external_task_completed"
FAILED = "external_task_failed"


def complete_task(
    task: Task | UUID, value: object = None, *, by: str = "", reason: str = "", request_id: str | None = None
) -> Event:
    """Complete the task of an external actor with a value (any storable one). Also while its process stands still.

    Returns the audit record; completing it again with an equal value returns the first one. Raises NoSuchTask,
    NotExternal, NotReady (it waits for others, or for its time), AlreadySettled (it has another outcome), AlreadyEnded
    (its process ended first), NotStorable, ValueTooLarge, RequestIdTaken, InvalidOrder; all change nothing.
    """
    columns = {"state": TaskState.COMPLETED, "result": encode_result(value)}
    return _settle(COMPLETED, task, Order(by=by, reason=reason, request_id=request_id), columns)


def fail_task(
    task: Task | UUID,
    message: str,
    *,
    type: str = "external",  # noqa: A002  # the word that Failure has for it
    detail: Any = None,
    by: str = "",
    reason: str = "",
    request_id: str | None = None,
) -> Event:
    """Fail the task of an external actor for good; whether that is accepted says its call. Otherwise `complete_task`.

    `type` and `detail` (plain JSON) become those of the Failure. Failing it again with an equal failure returns
    the first record.
    """
    columns = {"state": TaskState.FAILED, "failure": failure_told(type, message, detail).to_text()}
    return _settle(FAILED, task, Order(by=by, reason=reason, request_id=request_id), columns)


def check_ready(task: Task) -> None:
    """Raise what refuses an outcome from outside: NotExternal, AlreadySettled, AlreadyEnded, NotReady."""
    if task.kind != Kind.EXTERNAL:
        raise NotExternal(task.id, task.kind)
    if task.state in (TaskState.COMPLETED, TaskState.FAILED):
        raise AlreadySettled(task.id, task.state)
    check_not_ended(task.process)
    if task.state not in (TaskState.ENQUEUED, TaskState.HELD):
        raise NotReady(task.id, task.state)


def failure_told(name: str, message: str, detail: Any) -> Failure:
    """The Failure that somebody outside tells of; `detail` is plain JSON. Raises NotStorable and ValueTooLarge."""
    for field, text in (("type", name), ("message", message)):
        if not isinstance(text, str) or "\0" in text:
            raise NotStorable(field, "must be text without NUL")
    try:
        storable = orjson.loads(orjson.dumps([name, message, detail])) == [name, message, detail]
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise NotStorable("failure", str(error)) from error
    if not storable or "\\u0000" in orjson.dumps(detail).decode():
        raise NotStorable("detail", "must be plain JSON without NUL")
    encode_result([name, message, detail])
    return Failure(name, message, detail)


def _settle(event_kind: str, task: Task | UUID, order: Order, columns: Mapping[str, Any]) -> Event:
    def do(process: Process, current: Task, changes: Changes) -> Mapping[str, object]:
        check_ready(current)
        _write(current, columns, changes)
        return {"actor": current.actor, "state_before": current.state}

    try:
        return steer_task(event_kind, task, order, do)
    except AlreadySettled as refusal:
        first = _same_answer(event_kind, refusal.subject_id, columns)
        if first is None:
            raise
        return first


def _write(task: Task, columns: Mapping[str, Any], changes: Changes) -> None:
    Task.objects.filter(id=task.id, state__in=[TaskState.ENQUEUED, TaskState.HELD]).update(ended_at=Now(), **columns)
    if columns["state"] == TaskState.COMPLETED:
        changes.open_tasks[task.process_id] -= 1
        conclude(changes, settled=[task.id])
    else:
        conclude(changes, failed=[task.id])


def _same_answer(event_kind: str, task_id: UUID | str, columns: Mapping[str, Any]) -> Event | None:
    """The record of the same outcome, delivered before; None where the task has another one."""
    task = Task.objects.filter(id=task_id, state=columns["state"]).first()
    [(column, text)] = [each for each in columns.items() if each[0] != "state"]
    if task is None or _compared(column, getattr(task, column)) != _compared(column, text):
        return None
    return Event.objects.filter(kind=event_kind, task_id=task_id).order_by("-id").first()


def _compared(column: str, text: str) -> str:
    """The same for outcomes that differ in the order of keys only. A failure is no value: its detail is plain JSON."""
    if column == "result":
        return canonical(text)
    return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
