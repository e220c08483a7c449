"""Pages of lists: where the next one begins says a cursor, which only the server reads.

A cursor holds the last row's place in the order of the list, so rows that come and go meanwhile shift nothing.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from processes.problems import Rejected, kind
from processes.shapes import Question

INVALID_CURSOR = kind("invalid_cursor", 422, "The cursor is none that this list has given")
Next = Annotated[
    str | None, Field(description="Ask for the next page with it; null: there is none. Only this ends a list.")
]


class Paged(Question):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=500, description="So many items at most.")
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before.")


def cursor_at(*place: object) -> str:
    """The cursor behind this place: what the list is ordered by, times and words without blanks."""
    parts = (part.isoformat() if isinstance(part, datetime) else str(part) for part in place)
    return urlsafe_b64encode(" ".join(parts).encode()).decode().rstrip("=")


def place_at(cursor: str, *readers: Callable[[str], Any]) -> tuple[Any, ...]:
    """The place that a cursor names, each part read by its reader. Raises Rejected for what is none of ours."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        place = tuple(read(part) for read, part in zip(readers, text.split(" "), strict=True))
    except (ValueError, OverflowError):
        raise Rejected(INVALID_CURSOR) from None
    if cursor_at(*place) != cursor:
        raise Rejected(INVALID_CURSOR)
    return place


def moment(text: str) -> datetime:
    """A time in a cursor. Raises ValueError, also without a zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time
