"""Processes over HTTP: one by its id, or by its custom id."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from ninja import Router, Status

from processes.callers import ApiRequest, require
from processes.errors import NoSuchProcess
from processes.models import Process
from processes.problems import Problem
from processes.shapes import Shape, Time, Uuid, Value, shown
from processes.states import ProcessState

ERRORS = frozenset({401, 403, 404, 429, 503})
READ = "the scope read"

router = Router(tags=["watch"])


class ProcessShown(Shape):
    """A process as it is now."""

    id: Uuid
    custom_id: str | None
    actor: str
    state: Literal[tuple(ProcessState.values)]  # type: ignore[valid-type]  # the states are data
    attributes: dict[str, str | int | float | bool | None]
    created_at: Time
    registered_at: Time | None
    ended_at: Time | None
    stood_still_at: Time | None
    start_to_end_seconds: float | None
    result: Value
    failure: Value
    failed_task_id: Uuid | None
    restarted_as: Uuid | None


def shape_of(process: Process) -> ProcessShown:
    """A row for an answer."""
    return ProcessShown(
        id=process.id,
        custom_id=process.custom_id,
        actor=process.actor,
        state=process.state,
        attributes=process.attributes,
        created_at=process.created_at,
        registered_at=process.registered_at,
        ended_at=process.ended_at,
        stood_still_at=process.stood_still_at,
        start_to_end_seconds=process.start_to_end.total_seconds() if process.start_to_end else None,
        result=shown(process.result),
        failure=shown(process.failure),
        failed_task_id=process.failed_task_id,
        restarted_as=process.restarted_as,
    )


@router.get("/processes/{uuid:process_id}", operation_id="getProcess", response={200: ProcessShown, ERRORS: Problem})
def get_process(request: ApiRequest, process_id: UUID) -> Status[ProcessShown]:
    """A process, by its id."""
    require(request.auth.may_read(), READ)
    return Status(200, shape_of(found(process_id, id=process_id)))


@router.get(
    "/processes/by-custom-id/{str:custom_id}",
    operation_id="getProcessByCustomId",
    response={200: ProcessShown, ERRORS: Problem},
)
def get_process_by_custom_id(request: ApiRequest, custom_id: str) -> Status[ProcessShown]:
    """A process, by the id that its client gave it."""
    require(request.auth.may_read(), READ)
    return Status(200, shape_of(found(custom_id, custom_id=custom_id)))


def found(name: UUID | str, **by: Any) -> Process:
    """The one process that has this id. Raises NoSuchProcess."""
    process = Process.objects.filter(**by).first()
    if process is None:
        raise NoSuchProcess(name)
    return process
