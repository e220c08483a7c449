"""Leases as they stand in the database: found again, extended, and told from those that are lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import DateTimeField, F, Func, QuerySet

from tasks.models import Task
from tasks.outcomes import Lease
from tasks.statements import fetch, records
from tasks.states import TaskState


class Standing(StrEnum):
    """What has become of a lease."""

    HELD = "held"
    CANCELLED = "cancelled"
    """The process ended: nobody wants the outcome."""
    LOST = "lost"
    """It was released, or it ran out and was taken back."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How a lease stands after a heartbeat; `seconds_left` only where it is held."""

    standing: Standing
    seconds_left: float = 0.0


def lease_of(task: Task, attempt: int, seconds_left: float = 0.0) -> Lease:
    """The lease on a task that somebody says to hold; whether they do is for the fence to say."""
    return Lease(
        task_id=task.id,
        process_id=task.process_id,
        actor=task.actor,
        kind=task.kind,
        attempt=attempt,
        tries=task.tries,
        max_attempts=task.max_attempts,
        retry=task.retry,
        arguments=task.arguments,
        details=task.details,
        priority=task.priority,
        enqueued_at=task.enqueued_at or task.created_at,
        heartbeat_seconds=task.heartbeat.total_seconds(),
        accepts_failures=task.accepts_failures,
        seconds_left=seconds_left,
    )


def held_by(worker: str, actors: Collection[str]) -> list[Lease]:
    """What a worker of this name holds of these actors, most urgent and oldest first."""
    held = _with_time_left(Task.objects.filter(state=TaskState.POLLED, worker=worker, actor__in=actors))
    return [lease_of(task, task.attempt, _seconds(task)) for task in held.order_by("priority", "enqueued_at", "id")]


def extend(held: Mapping[UUID, int], details: Mapping[UUID, str], *, batch_size: int | None = None) -> dict[UUID, Kept]:
    """Extend leases, given as attempts by task id, and note heartbeat details (encoded). Tells how each one stands.

    `batch_size` is how many their holder holds now: what is held alone pays alone for its loss. Without it that stays
    as the claim has left it, for nobody knows what else the holder holds.
    """
    rows = fetch(
        "heartbeat",
        held=records(
            [{"id": each, "attempt": attempt, "details": details.get(each)} for each, attempt in held.items()]
        ),
        batch_size=batch_size,
    )
    kept = {task_id: Kept(Standing.HELD, seconds_left) for task_id, seconds_left in rows}
    return kept | _others({each: attempt for each, attempt in held.items() if each not in kept})


def _others(held: Mapping[UUID, int]) -> dict[UUID, Kept]:
    """How leases stand that were not extended: lost, or in the hands of another transaction right now."""
    if not held:
        return {}
    tasks = _with_time_left(Task.objects.only("attempt", "state")).in_bulk(list(held))
    return {task_id: _kept(tasks.get(task_id), attempt) for task_id, attempt in held.items()}


def _kept(task: Task | None, attempt: int) -> Kept:
    if task is None or task.attempt != attempt:
        return Kept(Standing.LOST)
    if task.state == TaskState.POLLED:
        return Kept(Standing.HELD, _seconds(task))
    return Kept(Standing.CANCELLED if task.state == TaskState.CANCELLED else Standing.LOST)


def _with_time_left(tasks: QuerySet[Task]) -> QuerySet[Task]:
    clock = Func(function="clock_timestamp", output_field=DateTimeField())
    return tasks.annotate(time_left=F("lease_ends_at") - clock)


def _seconds(task: Task) -> float:
    left: timedelta = task.time_left  # type: ignore[attr-defined]  # annotated above
    return left.total_seconds()


def tasks_of(ids: Iterable[UUID], *columns: str) -> dict[UUID, Task]:
    """Those of the tasks that there are, by id; with these columns only, where any are named."""
    tasks = Task.objects.only(*columns) if columns else Task.objects.all()
    return tasks.in_bulk(list(ids))
