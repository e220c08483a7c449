"""Looks at every row: whether any has changed, whether they agree with each other; and moves their clocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import DateTimeField, F, Model

from processes.errors import ProcessesError
from processes.models import Event, Process, Tombstone
from tasks.models import ActorStatus, Dependency, Task

ROWS: tuple[type[Model], ...] = (Process, Task, Dependency, ActorStatus, Event, Tombstone)
WITH_CLOCKS: tuple[type[Model], ...] = (Process, Task, ActorStatus)

DISAGREEMENTS = {
    "open_tasks counts what is not settled": """
        SELECT process.id FROM processes_process AS process
        WHERE process.open_tasks <> (
            SELECT count(*) FROM tasks_task AS task
            WHERE task.process_id = process.id
              AND process.state NOT IN ('COMPLETED', 'TIMED_OUT', 'ABORTED')
              AND NOT (task.state IN ('COMPLETED', 'CANCELLED') OR task.failure_accepted)
        )""",
    "no open task in a final process": """
        SELECT task.id FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state IN ('COMPLETED', 'TIMED_OUT', 'ABORTED')
          AND task.state NOT IN ('COMPLETED', 'CANCELLED', 'FAILED')""",
    "no unaccepted failed task in a running process": """
        SELECT task.id FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state = 'RUNNING' AND task.state = 'FAILED' AND NOT task.failure_accepted""",
    "nothing to hand out in a standstill": """
        SELECT task.id FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state <> 'RUNNING' AND task.state = 'ENQUEUED'""",
    "nothing held in a running process": """
        SELECT task.id FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state = 'RUNNING' AND task.state = 'HELD'""",
    "no clock runs in a standstill": """
        SELECT task.id FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state IN ('PAUSED', 'FAILED')
          AND (process.deadline_at IS NOT NULL
            OR task.deadline_at IS NOT NULL AND task.state IN ('WAITING', 'DELAYED', 'HELD', 'POLLED'))""",
    "no clock stands in a running process": """
        SELECT task.id FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state = 'RUNNING'
          AND (process.start_to_end_left IS NOT NULL
            OR task.budget_left IS NOT NULL AND task.state IN ('WAITING', 'DELAYED', 'ENQUEUED', 'POLLED'))""",
    "pending counts what is awaited": """
        SELECT waiter.id FROM tasks_task AS waiter
        WHERE waiter.state <> 'CANCELLED' AND waiter.pending <> (
            SELECT count(*) FROM tasks_dependency AS dependency
            JOIN tasks_task AS awaited ON awaited.id = dependency.awaited_id
            WHERE dependency.waiter_id = waiter.id AND NOT (awaited.state = 'COMPLETED' OR awaited.failure_accepted)
        )""",
}
"""What must never be found, each with the statement that finds it."""


def every_row() -> dict[str, list[dict[str, Any]]]:
    """All rows as they stand in the database now, by model."""
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in ROWS}


@contextmanager
def refused(error: type[ProcessesError], match: str | None = None) -> Iterator[pytest.ExceptionInfo[Any]]:
    """The block raises exactly this error, and leaves every row as it is."""
    before = every_row()
    with pytest.raises(error, match=match) as raised:
        yield raised
    assert raised.type is error
    assert every_row() == before


def disagreements() -> dict[str, list[Any]]:
    """The rows that do not agree with others, by the rule that they break; empty if all is well."""
    found = {}
    for rule, statement in DISAGREEMENTS.items():
        with connection.cursor() as cursor:
            cursor.execute(statement)
            if rows := cursor.fetchall():
                found[rule] = rows
    return found


def let_pass(duration: timedelta) -> None:
    """Let time pass without waiting: every moment that is written down lies further back afterwards."""
    for model in WITH_CLOCKS:
        moments = [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]
        model._default_manager.update(**{name: F(name) - duration for name in moments})
