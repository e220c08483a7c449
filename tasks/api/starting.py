"""Starts over HTTP: the answer codes 0, 1 and 2 in the body, and statuses that say the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from django.http import HttpResponse
from ninja import Router, Status
from pydantic import Field

from processes import wire
from processes.api import router as processes
from processes.callers import ApiRequest
from processes.errors import ProcessesError
from processes.problems import FORBIDDEN, RETRY_AFTER, Kind, Problem, kind
from processes.shapes import Attributes, Seconds, Shape, Uuid, Value
from tasks.errors import TasksError
from tasks.policies import ActorName
from tasks.registry import ACTORS
from tasks.requests import Code, Reason, Started, StartRequest
from tasks.starting import BATCH, start_processes

OUTCOME_UNKNOWN = kind(
    "outcome_unknown", 503, "The database went away at the commit: repeat with the same custom_id", is_retryable=True
)
NOT_CREATED: Mapping[Reason, Kind] = {
    Reason.INVALID: kind("start_invalid", 422, "No process can be started like this"),
    Reason.TOO_LARGE: kind("start_too_large", 413, "The arguments take more bytes than allowed"),
    Reason.DIFFERENT: kind("start_different", 409, "The custom_id belongs to a different process"),
    Reason.BUSY: kind("start_busy", 503, "Another start with this custom_id stays uncommitted", is_retryable=True),
    Reason.UNREACHABLE: kind("start_unreachable", 503, "The database cannot be reached", is_retryable=True),
}
ERRORS = frozenset({400, 401, 403, 415, 429})

router = Router(tags=["start"])


class Start(Shape):
    """One process to start."""

    actor: str = Field(description="name, name#version or name#version@list.", max_length=500)
    args: list[Value] = Field(default_factory=list)
    kwargs: dict[str, Value] = Field(default_factory=dict)
    custom_id: str | None = Field(
        default=None,
        description="With it this start may be repeated for ever, and makes one process. Without it the answer warns: "
        "whoever repeats after a lost answer gets a second process.",
    )
    if_ended: Literal["return", "start_again"] = "return"
    start_to_end_seconds: Seconds | None = None
    on_start_to_end: Literal["time_out", "alert"] = "time_out"
    attributes: Attributes = Field(default_factory=dict)


class Warned(Shape):
    """Something about a start that its client should know."""

    code: Literal["no_custom_id"]
    message: str


class Accepted(Shape):
    """Code 0: this call has created the process. Code 1: it was there, and is the very one that was asked for."""

    code: Literal[0, 1]
    process_id: Uuid
    warnings: list[Warned]


class Difference(Shape):
    """What the existing process has, and what was asked for."""

    existing: str
    asked_for: str


class NotCreated(Problem):
    """Code 2: certainly not created."""

    code: Literal[2] = 2
    reason: Literal["invalid", "too_large", "different", "busy", "database_unreachable", "forbidden"]
    process_id: Uuid | None = Field(default=None, description="The different process that has the custom_id.")
    differences: dict[str, Difference] = Field(default_factory=dict)
    warnings: list[Warned] = Field(default_factory=list)


class Starts(Shape):
    """Several processes to start; each is answered for itself."""

    items: list[Start] = Field(min_length=1, max_length=BATCH)


class StartsAnswered(Shape):
    """The answers, in the order of the items."""

    items: list[Accepted | NotCreated]


LOCATION = {"headers": {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}}
RETRY = {"headers": {"Retry-After": {"schema": {"type": "integer"}}}}


# A path is served by one router, and the list of processes has this one.
@processes.post(
    "/processes",
    operation_id="startProcess",
    tags=["start"],
    response={
        201: Accepted,
        200: Accepted,
        frozenset({409, 413, 422}): NotCreated | Problem,
        503: NotCreated | Problem,
        ERRORS: Problem,
    },
    openapi_extra={"responses": {200: LOCATION, 201: LOCATION, 503: RETRY}},
)
def start(request: ApiRequest, body: Start, response: HttpResponse) -> Status[Any]:
    """Start one process. Safe to repeat for ever where it has a `custom_id`."""
    [answer] = answers_to(request, [body])
    if isinstance(answer, NotCreated):
        if answer.status == 503:
            response["Retry-After"] = RETRY_AFTER["Retry-After"]
        return Status(answer.status, answer)
    response["Location"] = f"/api/v1/processes/{answer.process_id}"
    return Status(201 if answer.code == 0 else 200, answer)


@router.post(
    "/processes/batch",
    operation_id="startProcesses",
    response={200: StartsAnswered, frozenset({413, 422}): Problem, 503: Problem, ERRORS: Problem},
    openapi_extra={"responses": {503: RETRY}},
)
def start_batch(request: ApiRequest, body: Starts) -> Status[Any]:
    """Start up to 1000 processes; one that is refused does not hold up the others."""
    return Status(200, StartsAnswered(items=answers_to(request, body.items)))


def answers_to(request: ApiRequest, starts: list[Start]) -> list[Accepted | NotCreated]:
    """Start what can be started, in one call; an answer to each."""
    asked = [request_of(each, request) for each in starts]
    made = iter(start_processes([each for each in asked if isinstance(each, StartRequest)]))
    return [each if isinstance(each, NotCreated) else answer_of(next(made)) for each in asked]


def request_of(start: Start, request: ApiRequest) -> StartRequest | NotCreated:
    """What is asked of the engine, or why it cannot be."""
    try:
        name = ActorName.parse(start.actor)
        if not request.auth.may_start(start.actor):
            return not_created(FORBIDDEN, "forbidden", f"this needs the scope start for {name.name}")
        actor = ACTORS.find(name)
        if actor is None:
            return not_created(NOT_CREATED[Reason.INVALID], "invalid", f"there is no actor {name}")
        return StartRequest(
            actor=actor.options(task_list=name.task_list) if name.task_list else actor,
            args=tuple(wire.read(each, path=f"args[{place}]") for place, each in enumerate(start.args)),
            kwargs={key: wire.read(each, path=f"kwargs.{key}") for key, each in start.kwargs.items()},
            custom_id=start.custom_id,
            if_ended=start.if_ended,
            start_to_end=None if start.start_to_end_seconds is None else timedelta(seconds=start.start_to_end_seconds),
            on_start_to_end=start.on_start_to_end,
            attributes=start.attributes,
        )
    except (TasksError, ProcessesError, OverflowError) as error:
        return not_created(NOT_CREATED[Reason.INVALID], "invalid", str(error))


def answer_of(started: Started) -> Accepted | NotCreated:
    """The engine's answer, for the client."""
    warnings = [Warned(code="no_custom_id", message=each) for each in started.warnings]
    if started.reason is None and started.process_id is not None:
        return Accepted(code=0 if started.code is Code.CREATED else 1, process_id=started.process_id, warnings=warnings)
    assert started.reason is not None
    differences = {
        name: Difference(existing=existing, asked_for=asked) for name, (existing, asked) in started.differences.items()
    }
    return not_created(
        NOT_CREATED[started.reason], started.reason.value, started.message, started.process_id, differences
    )


def not_created(
    kind: Kind,
    reason: Any,
    message: str,
    process_id: Any = None,
    differences: Mapping[str, Difference] | None = None,
) -> NotCreated:
    """Code 2, with its reason."""
    return NotCreated(**kind.told(message), reason=reason, process_id=process_id, differences=dict(differences or {}))
