"""Tasks and actors over HTTP: the tasks of a process as a graph, and what each actor has to hand out."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import Field, model_validator

from processes.api import ERRORS, LIST_ERRORS, READ, found
from processes.callers import ApiRequest, require
from processes.paging import Next, Paged, cursor_at, moment, place_at
from processes.problems import Problem
from processes.shapes import Shape, Time, Uuid, Value, shown
from tasks.blocking import status_of
from tasks.models import EVERYTHING, ActorStatus, DelayReason, Dependency, Kind, Task
from tasks.queries import depths
from tasks.states import TaskState

VALUES_LIMIT = 50
"""Values may be large: so many tasks at most are answered with them."""
LARGE_COLUMNS = ("result", "failure")

router = Router(tags=["watch"])


class TaskShown(Shape):
    """A task as it is now. A task that stands for another's value has `value_from`, and no value of its own."""

    id: Uuid
    process_id: Uuid
    parent_id: Uuid | None = Field(description="The decider that called it; null for the root.")
    awaits: list[Uuid] = Field(description="The tasks that must be settled before it may run.")
    actor: str
    kind: Literal[tuple(Kind.values)]  # type: ignore[valid-type]  # the kinds are data
    state: Literal[tuple(TaskState.values)]  # type: ignore[valid-type]  # the states are data
    priority: int
    attempt: int
    tries: int
    max_attempts: int
    created_at: Time
    due_at: Time | None
    delay_reason: Literal[tuple(DelayReason.values)] | None  # type: ignore[valid-type]  # the reasons are data
    enqueued_at: Time | None
    polled_at: Time | None
    lease_ends_at: Time | None
    deadline_at: Time | None
    ended_at: Time | None
    worker: str | None
    failure_accepted: bool
    value_from: Uuid | None
    value: Value = Field(description="Null where `with_values` was not asked for.")
    failure: Value = Field(description="Null where `with_values` was not asked for.")


class Tasks(Shape):
    """Tasks of a process, oldest first."""

    items: list[TaskShown]
    next_cursor: Next


class TasksAsked(Paged):
    """Which part of the tasks, and whether with values."""

    with_values: bool = Field(default=False, description="Also values and failures; then `limit` is at most 50.")

    @model_validator(mode="after")
    def _check(self) -> TasksAsked:
        if self.with_values and self.limit > VALUES_LIMIT:
            raise ValueError(f"with values, the limit is at most {VALUES_LIMIT}")
        return self


class ActorShown(Shape):
    """What an actor has to hand out (its ENQUEUED tasks), and who has asked for it."""

    name: str
    depth: int
    oldest_enqueued_at: Time | None
    oldest_age_seconds: float | None
    last_polled_at: Time | None
    blocked_at: Time | None


class ActorsShown(Shape):
    """Actors by their names. External ones hand nothing out; they are here only while blocked."""

    everything_paused_at: Time | None
    items: list[ActorShown]
    next_cursor: Next


@router.get("/processes/{uuid:process_id}/tasks", operation_id="listTasks", response={200: Tasks, ERRORS: Problem})
def list_tasks(request: ApiRequest, process_id: UUID, asked: Query[TasksAsked]) -> Status[Tasks]:
    """The tasks of a process, oldest first; what they await and who called them makes them a graph."""
    require(request.auth.may_read(), READ)
    found(process_id, id=process_id)
    # By `created_at`, for which there is no index: a walk along the primary key would pass all other processes.
    tasks = Task.objects.filter(process_id=process_id).order_by("created_at", "id")
    if asked.cursor is not None:
        at, last = place_at(asked.cursor, moment, UUID)
        tasks = tasks.filter(Q(created_at__gt=at) | Q(created_at=at, id__gt=last))
    tasks = tasks.defer("arguments", *(() if asked.with_values else LARGE_COLUMNS))
    rows = list(tasks[: asked.limit + 1])
    page = rows[: asked.limit]
    awaits = _awaits(page)
    items = [_task(each, awaits[each.id], asked.with_values) for each in page]
    more = len(rows) > asked.limit
    return Status(200, Tasks(items=items, next_cursor=cursor_at(page[-1].created_at, page[-1].id) if more else None))


@router.get("/actors", operation_id="listActors", response={200: ActorsShown, LIST_ERRORS: Problem})
def list_actors(request: ApiRequest, asked: Query[Paged]) -> Status[ActorsShown]:
    """Actors with work to hand out, and those that were polled or blocked."""
    require(request.auth.may_read(), READ)
    [after] = place_at(asked.cursor, str) if asked.cursor is not None else [""]
    statuses = {each.name: each for each in ActorStatus.objects.exclude(name=EVERYTHING)}
    ready = {name: (depth, oldest) for name, depth, oldest in depths()}
    names = sorted(name for name in statuses.keys() | ready.keys() if name > after)
    page, now = names[: asked.limit], timezone.now()
    items = [_actor(statuses.get(each) or ActorStatus(name=each), ready.get(each), now) for each in page]
    return Status(
        200,
        ActorsShown(
            everything_paused_at=status_of(EVERYTHING).blocked_at,
            items=items,
            next_cursor=cursor_at(page[-1]) if len(names) > asked.limit else None,
        ),
    )


def _awaits(tasks: list[Task]) -> dict[UUID, list[UUID]]:
    awaits: dict[UUID, list[UUID]] = defaultdict(list)
    pairs = Dependency.objects.filter(waiter_id__in=[each.id for each in tasks]).order_by("waiter_id", "awaited_id")
    for waiter, awaited in pairs.values_list("waiter_id", "awaited_id"):
        awaits[waiter].append(awaited)
    return awaits


def _task(task: Task, awaits: list[UUID], with_values: bool) -> TaskShown:
    plain = TaskShown.model_fields.keys() - {"awaits", "value", "failure"}
    return TaskShown(
        awaits=awaits,
        value=shown(task.result) if with_values else None,
        failure=shown(task.failure) if with_values else None,
        **{name: getattr(task, name) for name in plain},
    )


def _actor(status: ActorStatus, ready: tuple[int, datetime] | None, now: datetime) -> ActorShown:
    depth, oldest = ready or (0, None)
    return ActorShown(
        name=status.name,
        depth=depth,
        oldest_enqueued_at=oldest,
        oldest_age_seconds=max(0.0, (now - oldest).total_seconds()) if oldest else None,
        last_polled_at=status.last_polled_at,
        blocked_at=status.blocked_at,
    )
