"""What goes over HTTP, field by field: unknown fields are refused, and nothing is converted in silence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from processes import wire
from processes.errors import NotJson


class Shape(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Question(BaseModel):
    """The parameters of a query; they arrive as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


Uuid = Annotated[UUID, Field(strict=False)]
Time = Annotated[datetime, Field(strict=False), PlainSerializer(_rfc3339, return_type=str)]
"""RFC 3339, in UTC."""


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("no time that a calendar has") from None


AskedTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time in a query: RFC 3339, with its offset."""
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text that the database can hold: without NUL."""
Attributes = dict[str, str | int | float | bool | None]


def _read(asked: object) -> object:
    try:
        read = wire.parse(str(asked).encode(), path="attributes")
    except NotJson as error:
        raise ValueError(str(error)) from None
    if type(read) is not dict or any(isinstance(value, list | dict) for value in read.values()):
        raise ValueError("an object of text, numbers, booleans and null is expected")
    if any("\0" in str(part) for pair in read.items() for part in pair):
        raise ValueError("no attribute has a NUL")
    return read


AskedAttributes = Annotated[
    Attributes,
    BeforeValidator(_read),
    WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
    Field(description='A JSON object as text: processes whose attributes include these, as `{"region": "eu"}`.'),
]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Value = Annotated[Any, Field(description="A value: any JSON, and the tags of docs/values.md.")]


def shown(stored: str | None) -> Any:
    """A stored value for an answer; None where there is none."""
    return None if stored is None else orjson.Fragment(wire.to_client(stored))
