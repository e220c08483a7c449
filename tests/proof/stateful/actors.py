"""Actors that do what the machine wants: their flow says what they call, the order of the attempt how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from tasks.actors import Promise, Retry, Snooze, current_task, decider, external, no_wait, worker
from tasks.declaring import BoundActor
from tests.proof.model import steps
from tests.proof.model.shapes import DECIDER, EXTERNAL, Facts, Flow

FLOWS: dict[str, Flow] = {}
"""The flows that processes of this example may have, by title: the plan that a decider interprets."""
ORDERS: dict[UUID, str] = {}
"""How the attempt that runs next on a task is to end."""
LATER = timedelta(minutes=40)
BUDGET = timedelta(hours=1)


class Stumbled(Exception):
    """An attempt failed; another one may do better."""


class GaveUp(Exception):
    """An attempt failed, and no other one will do better."""


RETRY = Retry(max_attempts=3, initial=LATER, factor=1.0, jitter=0.0, give_up_on=(GaveUp,))


@worker(name="proof.work", retry=RETRY)
def work(flow: str, index: int, inputs: Any, given: Any) -> str:
    _obey()
    return value_of(index)


@decider(name="proof.decide", retry=RETRY)
def decide(flow: str, index: int, inputs: Any, given: Sequence[Promise]) -> Any:
    _obey()
    facts = FLOWS[flow].facts
    promises: dict[int, Any] = dict(zip(facts[index].given, given, strict=True))
    for each in facts[index].calls:
        promises[each] = _call(flow, each, facts[each], promises)
    promise = facts[index].promise
    return value_of(index) if promise is None else promises[promise]


@external(name="proof.ask")
def ask(flow: str, index: int, inputs: Any, given: Any) -> str:
    return value_of(index)


NAMES: dict[str, str] = {each.kind: str(each.actor_name) for each in (work, decide, ask)}


def value_of(index: int) -> str:
    """The value of the task in this place of its flow, where it has one of its own."""
    return f"value {index}"


def bound(facts: Facts, after: Sequence[Any] = ()) -> BoundActor[..., Any]:
    """The actor of a task, with the options that its facts mean."""
    actor = {DECIDER: decide, EXTERNAL: ask}.get(facts.kind, work)
    return actor.options(
        after=list(after),
        accept_failure=facts.accept,
        accepts_failures=facts.takes,
        max_attempts=facts.max_tries,
        start_in=LATER if facts.delayed else None,
        enqueue_to_end=BUDGET if facts.budget else None,
        on_lease_lost="fail" if facts.fails_when_lost else "retry",
    )


def _call(flow: str, index: int, facts: Facts, promises: dict[int, Any]) -> Any:
    after = [promises[need.task] for need in facts.awaits if not need.delivers_value]
    inputs = [promises[need.task] for need in facts.awaits if need.delivers_value]
    given = [no_wait(promises[each]) for each in facts.given]
    return bound(facts, after)(flow, index, inputs, given)


def _obey() -> None:
    order = ORDERS.get(current_task().id, steps.SUCCESS)
    if order == steps.SNOOZE:
        raise Snooze(LATER)
    if order == steps.FAILURE:
        raise Stumbled
    if order == steps.GIVEN_UP:
        raise GaveUp
