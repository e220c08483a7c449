"""What is told of a failure: to whoever accepts it as a value, and to people."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

import orjson

MESSAGE_LIMIT = 10_000
TRACEBACK_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed. A value like any other where the failure was accepted.

    `type` is the qualified name of the exception, or a word of the engine (`timeout`, `dependency_failed`,
    `incompatible_code`); `detail` is plain JSON; `cause` is the failure that this one comes from.
    """

    type: str
    message: str
    detail: Any = None
    cause: Failure | None = None
    traceback: str = field(default="", compare=False, repr=False)

    @staticmethod
    def of(error: BaseException) -> Failure:
        """What is told of an exception. Never raises, whatever the exception does when it is printed."""
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return Failure(
            _clean(name, MESSAGE_LIMIT),
            _clean(_printed(error), MESSAGE_LIMIT),
            traceback=_clean(_traced(error), -TRACEBACK_LIMIT),
        )

    def to_record(self) -> dict[str, Any]:
        """As plain JSON."""
        record: dict[str, Any] = {"type": self.type, "message": self.message}
        if self.detail is not None:
            record["detail"] = self.detail
        if self.cause is not None:
            record["cause"] = self.cause.to_record()
        if self.traceback:
            record["traceback"] = self.traceback
        return record

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
    except BaseException:  # noqa: BLE001
        return "".join(traceback.format_tb(error.__traceback__))


def _clean(text: object, limit: int) -> str:
    """Plain, storable text; a negative limit keeps the end instead of the beginning."""
    plain = str.__str__(text) if isinstance(text, str) else ""
    cut = plain[:limit] if limit > 0 else plain[limit:]
    return cut.encode("utf-8", "backslashreplace").decode()
