"""Rows for the tests of recovery, in any state and with any clock, and what a scan may not have changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from processes.models import Event, Process, ProcessState
from tasks.models import Task, TaskState
from tasks.states import ENDED_STATES

NOW = datetime(2031, 5, 5, 12, 0, tzinfo=UTC)
"""Where the tests put the clock of the scans."""
TICK = timedelta(microseconds=1)
"""The shortest time that a row can be away from being due."""
ACTOR = "tests.nobody#1.0"


def process(state: str = ProcessState.RUNNING, **fields: Any) -> Process:
    """A process, registered unless it is REGISTERING, without tasks."""
    if state != ProcessState.REGISTERING:
        fields.setdefault("registered_at", NOW - timedelta(days=1))
    if state in (ProcessState.PAUSED, ProcessState.FAILED):
        fields.setdefault("stood_still_at", NOW - timedelta(hours=1))
    if state == ProcessState.FAILED:
        fields.setdefault("failure", '{"type":"test","message":"made by a test"}')
    if state in (ProcessState.COMPLETED, ProcessState.TIMED_OUT, ProcessState.ABORTED):
        fields.setdefault("ended_at", NOW - timedelta(hours=1))
    if state == ProcessState.COMPLETED:
        fields.setdefault("result", "1")
    if "start_to_end" not in fields and fields.get("deadline_at") is not None:
        fields["start_to_end"] = timedelta(hours=1)
    return Process.objects.create(
        state=state, actor=fields.pop("actor", ACTOR), kind="worker", arguments="{}", **fields
    )


def task(of: Process | None = None, state: str = TaskState.ENQUEUED, **fields: Any) -> Task:
    """A task in `state`: the root of its process unless `id` says otherwise. Open ones are counted."""
    of = of or process()
    fields.setdefault("enqueued_at", NOW - timedelta(hours=1))
    fields.setdefault("poll_to_end", timedelta(minutes=5))
    fields.setdefault("heartbeat", timedelta(seconds=30))
    if state == TaskState.POLLED:
        fields = {"attempt": 1, "batch_size": 1, "worker": "w:1"} | fields
        fields.setdefault("poll_ends_at", NOW + timedelta(minutes=1))
        fields.setdefault("lease_ends_at", NOW + timedelta(seconds=10))
    if state == TaskState.DELAYED:
        fields = {"delay_reason": "later", "due_at": NOW + timedelta(hours=1)} | fields
    if state in ENDED_STATES:
        fields.setdefault("ended_at", NOW - timedelta(minutes=1))
    if state == TaskState.COMPLETED:
        fields.setdefault("result", "1")
    if state == TaskState.FAILED:
        fields.setdefault("failure", '{"type":"test","message":"made by a test"}')
    if fields.get("deadline_at") is not None or fields.get("budget_left") is not None:
        fields.setdefault("enqueue_to_end", timedelta(minutes=30))
    made = Task.objects.create(
        id=fields.pop("id", of.id),
        process=of,
        state=state,
        actor=fields.pop("actor", ACTOR),
        kind=fields.pop("kind", "worker"),
        arguments="{}",
        **fields,
    )
    if state not in ENDED_STATES and not of.is_final:
        of.open_tasks += 1
        of.save(update_fields=["open_tasks"])
    return made


def columns(row: Process | Task) -> dict[str, Any]:
    """A row as it stands in the database now."""
    return dict(type(row)._default_manager.filter(pk=row.pk).values().get())


def changed(row: Process | Task, before: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row that differ from `before`, with what they hold now."""
    return {name: value for name, value in columns(row).items() if value != before[name]}


def events(of: UUID | None = None) -> list[tuple[str, UUID | None, UUID | None, dict[str, Any]]]:
    """What the history holds (of one process, or of all), oldest first."""
    found = Event.objects.order_by("id")
    if of is not None:
        found = found.filter(process_id=of)
    return list(found.values_list("kind", "process_id", "task_id", "detail"))
