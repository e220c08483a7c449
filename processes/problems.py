"""What can be wrong with a request over HTTP, as RFC 9457 problem documents; `docs/problems.md` lists them all.

A kind of problem is known for ever by its `code`, the end of its `type`. Refusals of the engine (`processes.errors`)
are kinds of their own, by their codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from processes.errors import Refused
from processes.shapes import Shape

TYPE = "urn:orchestrator:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. `is_retryable`: repeating the same request can help."""

    code: str
    status: int
    title: str
    is_retryable: bool = False

    @property
    def type(self) -> str:
        """Its URI."""
        return TYPE + self.code

    def told(self, detail: str = "") -> dict[str, Any]:
        """The fields of a problem document of this kind."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": detail,
            "retryable": self.is_retryable,
        }


KINDS: dict[str, Kind] = {}


def kind(code: str, status: int, title: str, *, is_retryable: bool = False) -> Kind:
    """Make a kind of problem known. Each code is made known once."""
    assert code not in KINDS, code
    KINDS[code] = Kind(code, status, title, is_retryable)
    return KINDS[code]


MALFORMED = kind("malformed", 400, "The body is no JSON that can be read")
UNAUTHENTICATED = kind("unauthenticated", 401, "Neither a live token nor a session")
FORBIDDEN = kind("forbidden", 403, "The caller may not do this")
CSRF_FAILED = kind("csrf_failed", 403, "A session needs the CSRF token of its page")
NOT_FOUND = kind("not_found", 404, "There is no such path")
METHOD_NOT_ALLOWED = kind("method_not_allowed", 405, "The path does not take this method")
BODY_TOO_LARGE = kind("body_too_large", 413, "The body is larger than allowed")
UNSUPPORTED_MEDIA_TYPE = kind("unsupported_media_type", 415, "The body must be application/json")
INVALID = kind("invalid", 422, "The request does not fit its schema")
RATE_LIMITED = kind("rate_limited", 429, "The token has made its requests of this second", is_retryable=True)
TOO_MANY_WAITING = kind("too_many_waiting", 429, "Too many requests of this token wait already", is_retryable=True)
INTERNAL = kind("internal", 500, "A fault of the server; its log has more")
UNREACHABLE = kind("database_unreachable", 503, "The database cannot be reached", is_retryable=True)
WAITING_ROOM_FULL = kind("waiting_room_full", 503, "Too many requests wait at this server already", is_retryable=True)

WITH_BODY = frozenset({400, 401, 403, 413, 415, 422, 429, 503})
"""What an operation that takes a body may be answered, whatever it does."""
RETRY_AFTER = {"Retry-After": "1"}
MISSING = frozenset({"no_such_process", "no_such_task"})
"""Refusals that are answered with 404."""


class FieldError(Shape):
    """What is wrong at one place of the request."""

    where: list[str | int] = Field(description="`body` or `query`, and the way to the place.")
    message: str


class Problem(Shape):
    """A problem document."""

    type: str
    title: str
    status: int
    detail: str = ""
    retryable: bool = Field(default=False, description="Whether repeating the same request can help.")
    errors: list[FieldError] = Field(default_factory=list)


class Rejected(Exception):
    """A request is answered with a problem; nothing was changed."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[FieldError] | None = None,
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind, self.headers = kind, dict(headers or {})
        self.problem = problem_of(kind, detail, errors)


def problem_of(kind: Kind, detail: str = "", errors: list[FieldError] | None = None) -> Problem:
    """The document of a problem of this kind."""
    return Problem(**kind.told(detail), errors=errors or [])


def kind_of(refusal: type[Refused]) -> Kind:
    """The kind of problem that a refusal of the engine is."""
    title = (refusal.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return Kind(refusal.code, 404 if refusal.code in MISSING else 409, title)
