"""Writes the history of processes: one event per thing that the rows alone do not tell."""

from collections.abc import Iterable
from uuid import UUID

from processes.models import Event


def event(kind: str, process_id: UUID | None, task_id: UUID | None = None, *, by: str = "", **detail: object) -> Event:
    """An event not yet written. `detail` must be plain JSON; `by` names who did it, empty for the engine."""
    return Event(kind=kind, process_id=process_id, task_id=task_id, by=by, detail=detail)


def record(events: Iterable[Event]) -> None:
    """Write events in the caller's transaction, in one statement; none at all costs none."""
    events = list(events)
    if events:
        Event.objects.bulk_create(events)
