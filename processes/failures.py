"""What is told of a failure: to whoever accepts it as a value, and to people."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

import orjson

MESSAGE_LIMIT = 10_000
TRACEBACK_LIMIT = 20_000
CAUSES_LIMIT = 20
DEPENDENCY_FAILED = "dependency_failed"
"""The type of what fails because it would be handed a failure that it does not accept."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed. A value like any other where the failure was accepted.

    `type` is the qualified name of the exception, or a word of the engine (`timeout`, `dependency_failed`,
    `incompatible_code`); `detail` is plain JSON; `cause` is the failure that this one comes from.
    Raises TypeError for fields of other types.
    """

    type: str
    message: str
    detail: Any = None
    cause: Failure | None = None
    traceback: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.type, str) or not isinstance(self.message, str):
            raise TypeError("type and message of a Failure are text")
        if self.cause is not None and not isinstance(self.cause, Failure):
            raise TypeError("the cause of a Failure is a Failure")

    @staticmethod
    def of(error: BaseException) -> Failure:
        """What is told of an exception. Never raises, whatever the exception does when it is printed."""
        return Failure(
            _clean(_named(error), MESSAGE_LIMIT),
            _clean(_printed(error), MESSAGE_LIMIT),
            traceback=_clean(_traced(error), -TRACEBACK_LIMIT),
        )

    def causes(self) -> list[Failure]:
        """What this failure comes from, and what that comes from, down to the one that it all began with."""
        causes = []
        cause = self.cause
        while cause is not None:
            causes.append(cause)
            cause = cause.cause
        return causes

    def to_record(self) -> dict[str, Any]:
        """As plain JSON. Of a long row of causes the nearest and the first one are kept, CAUSES_LIMIT in all."""
        *nearer, last = [self, *self.causes()]
        record = last._to_record(None)
        for failure in reversed(nearer[:CAUSES_LIMIT]):
            record = failure._to_record(record)
        return record

    def _to_record(self, cause: dict[str, Any] | None) -> dict[str, Any]:
        told = {"detail": self.detail, "cause": cause, "traceback": self.traceback or None}
        return {"type": self.type, "message": self.message} | {
            name: each for name, each in told.items() if each is not None
        }

    def to_text(self) -> str:
        """As JSON text."""
        return orjson.dumps(self.to_record()).decode()

    @staticmethod
    def from_record(record: dict[str, Any]) -> Failure:
        """The failure that `to_record` made."""
        cause = record.get("cause")
        return Failure(
            record["type"],
            record["message"],
            record.get("detail"),
            Failure.from_record(cause) if cause is not None else None,
            record.get("traceback", ""),
        )

    @staticmethod
    def from_text(text: str) -> Failure:
        """The failure that `to_text` made."""
        return Failure.from_record(orjson.loads(text))


def _named(error: BaseException) -> str:
    kind = type(error)
    try:
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    # A metaclass may raise anything too.
    except BaseException:  # noqa: BLE001
        return "an exception without a name"


def _printed(error: BaseException) -> str:
    try:
        return str(error)
    # An exception may raise anything when it is printed; it still must end its attempt and nothing else.
    except BaseException as second:  # noqa: BLE001
        return f"<the message cannot be printed: {type(second).__name__}>"


def _traced(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    # As above: formatting calls the exception's own code.
    except BaseException as second:  # noqa: BLE001
        return f"<the traceback cannot be printed: {_named(second)}>"


def _clean(text: object, limit: int) -> str:
    """Plain text that every column takes, jsonb too; a negative limit keeps the end instead of the beginning."""
    plain = str.__str__(text) if isinstance(text, str) else ""
    shown = _cut(plain, limit).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return _cut(shown, limit)


def _cut(text: str, limit: int) -> str:
    return text[:limit] if limit > 0 else text[limit:]
