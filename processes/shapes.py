"""What goes over HTTP, field by field: unknown fields are refused, and nothing is converted in silence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from processes import wire


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
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Value = Annotated[Any, Field(description="A value: any JSON, and the tags of docs/values.md.")]


def shown(stored: str | None) -> Any:
    """A stored value for an answer; None where there is none."""
    return None if stored is None else orjson.Fragment(wire.to_client(stored))
