"""Reads of tasks that the engine makes beside its transitions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from tasks.errors import NoSuchTask
from tasks.models import Task
from tasks.statements import fetch


def ready_actors(actors: Collection[str]) -> set[str]:
    """Those of the actors that have an ENQUEUED task. One index probe each; no actors cost nothing."""
    if not actors:
        return set()
    return {str(row[0]) for row in fetch("ready_actors", actors=list(actors))}


def unpolled_actors(age: timedelta, now: datetime | None = None) -> list[str]:
    """Actors with a task that has been ENQUEUED for `age`, and that nobody has polled for as long."""
    return [str(row[0]) for row in fetch("unpolled_actors", seconds=age.total_seconds(), now=now)]


def due_budgets(limit: int, now: datetime | None = None) -> list[tuple[UUID, UUID]]:
    """Tasks (and their processes) whose enqueue-to-end time is used up on the clock of their actor."""
    return [(task_id, process_id) for task_id, process_id in fetch("due_budgets", limit=limit, now=now)]


def way_to_blocking_task(task_id: UUID) -> list[UUID]:
    """The tasks from this one to the one that it waits for in the end, in order; itself alone if it waits for none."""
    return [task_id for task_id, _ in fetch("blocking_task", task=task_id)]


def depths() -> list[tuple[str, int, datetime]]:
    """For each actor with work to hand out: its name, how many tasks are ENQUEUED, since when the oldest is."""
    return [(str(actor), count, oldest) for actor, count, oldest in fetch("depths")]


def note_poll(*actors: str) -> None:
    """Note that somebody is polling for actors; at most every other second per actor it is written."""
    fetch("note_poll", actors=list(actors))


def task_in_process(task_id: UUID) -> Task:
    """A task, its process read with it. Raises NoSuchTask."""
    task = Task.objects.select_related("process").filter(id=task_id).first()
    if task is None:
        raise NoSuchTask(task_id)
    return task
