"""Actors for tests that need no database, and what a decider made of them decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tasks.actors import decider, external, worker
from tasks.builtins import collect
from tasks.decisions import Decision, recording


@worker(name="t.add")
def add(a: int, b: int = 1) -> int:
    return a + b


untyped: Any = add


@worker(name="t.forgiving", accepts_failures=True)
def forgiving(value: Any) -> Any:
    return value


@decider(name="t.decide")
def decide(value: Any) -> Any:
    return value


def decision_of(function: Callable[[], Any], given: frozenset[UUID] = frozenset()) -> Decision:
    """What a decider with this body decides."""
    with recording(given, collect.call_options) as recorder:
        returned = function()
        return recorder.finish(returned)


@worker(name="t.book", transactional=True)
def book(what: str) -> str:
    return what


@worker(name="t.elsewhere", remote=True)
def elsewhere(what: str) -> str:
    return what


@external(name="t.approve")
def approve(what: str) -> bool:
    return bool(what)
