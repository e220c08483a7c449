"""Processes over HTTP: lists, one by its id or its custom id, and what happened to one."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import Field

from processes.callers import ApiRequest, require
from processes.errors import NoSuchProcess
from processes.models import Event, Process
from processes.paging import Next, Paged, cursor_at, place_at
from processes.problems import Problem
from processes.queries import newest_first
from processes.shapes import AskedAttributes, AskedTime, Attributes, Question, Shape, Text, Time, Uuid, Value, shown
from processes.states import NOT_MOVING, ProcessState
from processes.waiting import HEADER, LONGEST_SECONDS, Wish

ERRORS = frozenset({401, 403, 404, 422, 429, 503})
LIST_ERRORS = ERRORS - {404}
READ = "the scope read"

router = Router(tags=["watch"])
"""Also of those views elsewhere whose path is one of these: a path is served by one router."""


class ProcessListed(Shape):
    """A process as it is now, without what may be large."""

    id: Uuid
    custom_id: str | None
    actor: str
    state: Literal[tuple(ProcessState.values)]  # type: ignore[valid-type]  # the states are data
    attributes: Attributes
    created_at: Time
    registered_at: Time | None
    ended_at: Time | None
    stood_still_at: Time | None
    start_to_end_seconds: float | None
    failed_task_id: Uuid | None
    restarted_as: Uuid | None


class ProcessShown(ProcessListed):
    """A process as it is now."""

    result: Value
    failure: Value


class Processes(Shape):
    """Processes, newest first. A page may hold fewer than asked for, even none, and yet have a next one."""

    items: list[ProcessListed]
    next_cursor: Next


class Happened(Shape):
    """Something that happened to a process, a task or an actor; `detail` is plain JSON and depends on the kind."""

    id: int
    kind: str
    at: Time
    process_id: Uuid | None
    task_id: Uuid | None
    by: str = Field(description="Who did it; empty for the engine itself.")
    reason: str
    request_id: str | None
    detail: dict[str, Any]


class History(Shape):
    """What happened to a process, in order."""

    items: list[Happened]
    next_cursor: Next


class Wanted(Question):
    """Which processes: those for which all that is given holds."""

    state: ProcessState | None = None
    actor: Text | None = Field(default=None, description="As the answers have it: name#version or name#version@list.")
    custom_id_prefix: Text | None = None
    attributes: AskedAttributes | None = None
    created_after: AskedTime | None = Field(default=None, description="Created then or later.")
    created_before: AskedTime | None = None


class WantedPage(Paged, Wanted):
    """Which processes, and which part of their list."""


class Wait(Question):
    """How long to wait for the answer."""

    wait_seconds: float = Field(
        default=0,
        ge=0,
        le=LONGEST_SECONDS,
        description="Wait so long for the process to end or to stand still; the answer tells how it is then.",
    )


@router.get("/processes", operation_id="listProcesses", response={200: Processes, LIST_ERRORS: Problem})
def list_processes(request: ApiRequest, asked: Query[WantedPage]) -> Status[Processes]:
    """Processes, newest first."""
    require(request.auth.may_read(), READ)
    [below] = place_at(asked.cursor, UUID) if asked.cursor is not None else [None]
    page = newest_first(below=below, limit=asked.limit, **asked.model_dump(exclude={"limit", "cursor"}))
    return Status(
        200,
        Processes(
            items=[ProcessListed(**_fields(each)) for each in page.processes],
            next_cursor=cursor_at(page.next_below) if page.next_below else None,
        ),
    )


@router.get("/processes/{uuid:process_id}", operation_id="getProcess", response={200: ProcessShown, ERRORS: Problem})
def get_process(
    request: ApiRequest, process_id: UUID, asked: Query[Wait], response: HttpResponse
) -> Status[ProcessShown]:
    """A process, by its id."""
    require(request.auth.may_read(), READ)
    return _shown(found(process_id, id=process_id), asked, response)


@router.get(
    "/processes/by-custom-id/{str:custom_id}",
    operation_id="getProcessByCustomId",
    response={200: ProcessShown, ERRORS: Problem},
)
def get_process_by_custom_id(
    request: ApiRequest, custom_id: str, asked: Query[Wait], response: HttpResponse
) -> Status[ProcessShown]:
    """A process, by the id that its client gave it."""
    require(request.auth.may_read(), READ)
    return _shown(found(custom_id, custom_id=custom_id), asked, response)


@router.get("/processes/{uuid:process_id}/history", operation_id="getHistory", response={200: History, ERRORS: Problem})
def get_history(request: ApiRequest, process_id: UUID, asked: Query[Paged]) -> Status[History]:
    """What happened to a process, oldest first."""
    require(request.auth.may_read(), READ)
    [after] = place_at(asked.cursor, int) if asked.cursor is not None else [0]
    found(process_id, id=process_id)
    events = list(Event.objects.filter(process_id=process_id, id__gt=after).order_by("id")[: asked.limit + 1])
    items = [happened(each) for each in events[: asked.limit]]
    return Status(200, History(items=items, next_cursor=cursor_at(items[-1].id) if len(events) > asked.limit else None))


def happened(event: Event) -> Happened:
    """An event for an answer."""
    return Happened(
        id=event.id,
        kind=event.kind,
        at=event.at,
        process_id=event.process_id,
        task_id=event.task_id,
        by=event.by,
        reason=event.detail.get("reason", ""),
        request_id=event.request_id,
        detail={name: value for name, value in event.detail.items() if name != "reason"},
    )


def found(name: UUID | str, **by: Any) -> Process:
    """The one process that has this id. Raises NoSuchProcess."""
    process = None if "\0" in str(name) else Process.objects.filter(**by).first()
    if process is None:
        raise NoSuchProcess(name)
    return process


def _shown(process: Process, asked: Wait, response: HttpResponse) -> Status[ProcessShown]:
    if asked.wait_seconds and process.state not in NOT_MOVING:
        response[HEADER] = str(Wish(asked.wait_seconds, (process.id,)))
    return Status(200, ProcessShown(**_fields(process), result=shown(process.result), failure=shown(process.failure)))


def _fields(process: Process) -> dict[str, Any]:
    plain = ProcessListed.model_fields.keys() - {"start_to_end_seconds"}
    seconds = process.start_to_end.total_seconds() if process.start_to_end else None
    return {name: getattr(process, name) for name in plain} | {"start_to_end_seconds": seconds}
