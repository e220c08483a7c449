"""What a client asks for when it starts a process, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Any, Literal
from uuid import UUID

import orjson
from django.conf import settings

from processes.errors import ProcessesError, ValueTooLarge
from processes.models import Process, StartToEndPolicy, new_id
from processes.values import encode
from tasks.declaring import Actor, BoundActor
from tasks.errors import InvalidStart, TasksError
from tasks.policies import check_duration

CUSTOM_ID_LIMIT = 255
ATTRIBUTES_LIMIT_BYTES = 65_536
NO_CUSTOM_ID = (
    "no_custom_id: without a custom_id a lost answer cannot be told from a lost request, "
    "so repeating this start makes another process"
)


class Code(IntEnum):
    """The answer to a start."""

    CREATED = 0
    """The row is committed (inside the caller's transaction: will be, with it)."""
    EXISTS = 1
    """This very process exists already; the answer names it."""
    NOT_CREATED = 2
    """Certainly not created; the answer says why."""


class Reason(StrEnum):
    """Why a process was certainly not created."""

    INVALID = "invalid"
    TOO_LARGE = "too_large"
    DIFFERENT = "different"
    """The custom_id belongs to a different process."""
    BUSY = "busy"
    """Another start with this custom_id stays uncommitted. Repeating can help."""
    UNREACHABLE = "database_unreachable"
    """Repeating can help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """One process to start. `actor` is called with `args` and `kwargs`; the rest says how the process runs.

    `custom_id` makes the start safe to repeat for ever. `if_ended="start_again"` starts anew where the existing
    process was aborted or timed out. `start_to_end` bounds the life of the process, standstills not counted.
    """

    actor: Actor[..., Any] | BoundActor[..., Any]
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    custom_id: str | None = None
    if_ended: Literal["return", "start_again"] = "return"
    start_to_end: timedelta | None = None
    on_start_to_end: Literal["time_out", "alert"] = "time_out"
    attributes: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The answer to one start. `differences` maps what differs to (existing, asked for)."""

    code: Code
    process_id: UUID | None = None
    reason: Reason | None = None
    message: str = ""
    differences: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def process(self) -> Process | None:
        """The row of the process; None where there is none (code 2), or none any more (deleted)."""
        return Process.objects.filter(id=self.process_id).first() if self.process_id else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProcess:
    """A checked request: the row to insert."""

    id: UUID
    custom_id: str | None
    start_again: bool
    actor: str
    actor_name: str
    kind: str
    arguments: str
    options: str
    attributes: Mapping[str, object]
    start_to_end: timedelta | None
    on_start_to_end: str

    def to_record(self) -> dict[str, object]:
        """The columns of the row, for `insert_processes.sql`."""
        return {
            "id": self.id,
            "custom_id": self.custom_id,
            "actor": self.actor,
            "kind": self.kind,
            "arguments": self.arguments,
            "options": self.options,
            "attributes": self.attributes,
            "start_to_end": self.start_to_end.total_seconds() if self.start_to_end else None,
            "on_start_to_end": self.on_start_to_end,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the answer must warn of."""
        return () if self.custom_id is not None else (NO_CUSTOM_ID,)


def check(request: StartRequest) -> NewProcess | Started:
    """The row that a request asks for, or the answer (code 2) that says what is wrong with it."""
    try:
        return _check(request)
    except ValueTooLarge as error:
        return Started(code=Code.NOT_CREATED, reason=Reason.TOO_LARGE, message=str(error))
    except (ProcessesError, TasksError) as error:
        return Started(code=Code.NOT_CREATED, reason=Reason.INVALID, message=str(error))


def _check(request: StartRequest) -> NewProcess:
    bound = request.actor
    if isinstance(bound, BoundActor) and bound.after:
        raise InvalidStart("a process waits for no promise: it has no after")
    arguments = bound.bind(request.args, dict(request.kwargs))
    _check_custom_id(request.custom_id)
    _check_attributes(request.attributes)
    check_duration("start_to_end", request.start_to_end, optional=True)
    if request.on_start_to_end not in StartToEndPolicy.values:
        raise InvalidStart(f"on_start_to_end must be one of {', '.join(StartToEndPolicy.values)}")
    if request.if_ended not in ("return", "start_again"):
        raise InvalidStart('if_ended must be "return" or "start_again"')
    return NewProcess(
        id=new_id(),
        custom_id=request.custom_id,
        start_again=request.if_ended == "start_again",
        actor=str(bound.actor_name),
        actor_name=bound.actor_name.name,
        kind=bound.kind,
        arguments=encode(arguments, limit=settings.ORCHESTRATOR_VALUE_LIMIT_BYTES, path="arguments"),
        options=bound.call_options.to_json(),
        attributes=request.attributes,
        start_to_end=request.start_to_end,
        on_start_to_end=request.on_start_to_end,
    )


def _check_custom_id(custom_id: object) -> None:
    if custom_id is None:
        return
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= CUSTOM_ID_LIMIT:
        raise InvalidStart(f"custom_id must be text of 1 to {CUSTOM_ID_LIMIT} characters")
    if "\0" in custom_id or not _is_encodable(custom_id):
        raise InvalidStart("custom_id must not contain NUL or lone surrogates")


def _check_attributes(attributes: object) -> None:
    if not isinstance(attributes, dict):
        raise InvalidStart("attributes must be a dict")
    for key, value in attributes.items():
        if type(key) is not str or type(value) not in (str, int, float, bool, type(None)):
            raise InvalidStart("attributes must map text to text, numbers, booleans or None")
        if any(isinstance(each, str) and "\0" in each for each in (key, value)):
            raise InvalidStart("attributes must not contain NUL")
    if len(encode(dict(attributes))) > ATTRIBUTES_LIMIT_BYTES:
        raise InvalidStart(f"attributes must not take more than {ATTRIBUTES_LIMIT_BYTES} bytes")


def _is_encodable(text: str) -> bool:
    try:
        return bool(orjson.dumps(text))
    except orjson.JSONEncodeError:
        return False
