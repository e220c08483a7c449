"""Draws flows: trees of deciders whose calls await each other, with promises handed on."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from tests.proof.model.shapes import DECIDER, EXTERNAL, GIVEN, WORKER, Awaited, Facts, after, decider
from tests.proof.stateful.actors import NAMES

MOST_TASKS = 8
MOST_CALLS = 3
KINDS = (WORKER, WORKER, DECIDER, DECIDER, EXTERNAL)


SEVERAL = (decider(1, 2, 3, promise=3), decider(4, promise=4), Facts(), Facts(awaits=after(1, 2)), Facts(accept=True))
"""A worker waits for two: for a decider whose value is an accepted failure, and for somebody who may come later."""
TELLING = (SEVERAL, GIVEN.facts)
"""Flows that chance makes too seldom."""


def facts_of_flow() -> st.SearchStrategy[tuple[Facts, ...]]:
    """The facts of a flow of 1 to 8 tasks; every call in it is one that the engine takes."""
    telling = st.sampled_from([tuple(replace(each, actor=NAMES[each.kind]) for each in facts) for facts in TELLING])
    return st.one_of(drawn_facts(), drawn_facts(), drawn_facts(), telling)


@st.composite
def drawn_facts(draw: st.DrawFn) -> tuple[Facts, ...]:
    """A tree of deciders, call by call."""
    root_kind = draw(st.sampled_from((DECIDER, DECIDER, DECIDER, DECIDER, WORKER, EXTERNAL)))
    facts = [_plain(draw, root_kind)]
    index = 0
    while index < len(facts):
        if facts[index].kind == DECIDER:
            _decide(draw, facts, index)
        index += 1
    return tuple(facts)


def _decide(draw: st.DrawFn, facts: list[Facts], index: int) -> None:
    """Give a decider its calls and its promise."""
    least = 1 if index == 0 else 0
    count = draw(st.integers(least, min(MOST_CALLS, MOST_TASKS - len(facts)) if len(facts) < MOST_TASKS else 0))
    known = list(facts[index].given)
    calls: list[int] = []
    for _ in range(count):
        facts.append(_call(draw, facts, known, calls))
        calls.append(len(facts) - 1)
        known.append(len(facts) - 1)
    promise = draw(st.sampled_from((*reversed(known), None))) if known else None
    facts[index] = replace(facts[index], calls=tuple(calls), promise=promise)


def _call(draw: st.DrawFn, facts: list[Facts], known: list[int], siblings: list[int]) -> Facts:
    called = _plain(draw, draw(st.sampled_from(KINDS)))
    awaits = tuple(Awaited(each, draw(st.integers(0, 3)) > 0) for each in known if draw(st.integers(0, 2)) == 0)
    handed = {need.task for need in awaits if need.delivers_value and need.task in siblings}
    if called.kind != DECIDER and not called.accept and any(facts[each].accept for each in handed):
        called = replace(called, takes=True)
    if called.kind == DECIDER:
        called = replace(called, given=tuple(each for each in known if draw(st.integers(0, 2)) == 0))
    return replace(called, awaits=awaits)


def _plain(draw: st.DrawFn, kind: str) -> Facts:
    seldom = st.integers(0, 5)
    return Facts(
        kind=kind,
        actor=NAMES[kind],
        accept=draw(st.integers(0, 2)) == 2,
        takes=kind != DECIDER and draw(seldom) == 5,
        delayed=draw(seldom) == 5,
        budget=draw(seldom) > 3,
        fails_when_lost=kind != EXTERNAL and draw(seldom) == 5,
        max_tries=draw(st.integers(1, 3)),
    )
