"""Actors whose processes are steered, and whose failures climb; driven by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tasks.actors import Retry, decider, external, no_wait, worker
from tests.flows.actors import add, describe, echo, fail, judge


@worker(retry=Retry(max_attempts=3, initial=timedelta(seconds=40), factor=3.0, jitter=0.0))
def stumble(message: str) -> None:
    raise ValueError(message)


@decider
def stumbling(message: str) -> Any:
    return stumble(message)


@decider
def heard_twice(message: str) -> Any:
    failed: Any = fail.options(accept_failure=True)(message)
    return [judge(failed), describe(failed)]


@decider
def lost(message: str) -> Any:
    return fail.options(accept_failure=True)(message)


@decider
def lost_in_a_list(message: str) -> Any:
    return [echo(1), fail.options(accept_failure=True)(message)]


@decider
def passing(message: str) -> Any:
    return fail(message)


@decider
def handing(promise: Any) -> Any:
    return promise


@decider
def overheard(message: str) -> Any:
    return judge(lending.options(accept_failure=True)(message))


@decider
def lending(message: str) -> Any:
    inner = passing(message)
    echo(inner)
    return inner


@decider
def shared(message: str) -> Any:
    promise: Any = fail(message)
    handing(no_wait(promise))
    return judge(handing.options(accept_failure=True)(no_wait(promise)))


@decider
def told_later(message: str, accepting: bool) -> Any:
    inner: Any = telling.options(accept_failure=accepting)(message)
    return judge(inner)


@decider
def telling(message: str) -> Any:
    inner: Any = passing(message)
    asking(no_wait(inner))
    peeking(no_wait(inner))
    return inner


@decider
def asking(promise: Any) -> Any:
    add.options(accept_failure=True)(promise)
    return describe(promise)


@decider
def peeking(promise: Any) -> Any:
    return promise.is_resolved


@decider
def two_failing() -> Any:
    return [fail("one"), fail("two"), echo("beside")]


@decider
def doomed() -> Any:
    failed: Any = fail.options(accept_failure=True)("no input")
    return forwarding(no_wait(failed))


@decider
def forwarding(promise: Any) -> Any:
    return add(promise)


@external
def approve(what: str) -> bool:
    return bool(what)


@decider
def approval(what: str) -> Any:
    return echo(approve(what))


@decider
def asked_later(what: str) -> Any:
    return approve(echo(what))


@decider
def bounded_approval(what: str, accepting: bool) -> Any:
    answer: Any = approve.options(accept_failure=accepting, enqueue_to_end=timedelta(hours=1))(what)
    return judge(answer)


@decider
def bounded(value: int) -> Any:
    return add.options(enqueue_to_end=timedelta(hours=1))(value)


@decider
def beside_failing(enqueue_to_end_minutes: int) -> Any:
    budget = timedelta(minutes=enqueue_to_end_minutes) if enqueue_to_end_minutes else None
    return [fail("no"), add.options(enqueue_to_end=budget)(1)]


@decider
def bounded_later(value: int) -> Any:
    return add.options(start_in=timedelta(hours=1), enqueue_to_end=timedelta(hours=1))(value)
