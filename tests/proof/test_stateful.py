"""The engine on a real database does what the model says, step by step."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.proof.model import steps
from tests.proof.model.shapes import DECIDER, GIVEN, Facts, Flow, after
from tests.proof.stateful.actors import FLOWS, NAMES
from tests.proof.stateful.running import run_for
from tests.proof.stateful.sides import Sides

pytestmark = pytest.mark.usefixtures("rows")
SECONDS = float(os.environ.get("PROOF_SECONDS", "20"))
SEED = int(os.environ.get("PROOF_SEED", "1"))


def test_after_each_step_the_database_holds_what_the_model_says() -> None:
    assert run_for(SECONDS, SEED) > 0


@pytest.mark.parametrize(
    ("handed", "called", "outcome"),
    [
        (GIVEN.facts[1], GIVEN.facts[4], steps.SUCCESS),
        (replace(GIVEN.facts[1], accept=True), GIVEN.facts[4], steps.GIVEN_UP),
        (replace(GIVEN.facts[1], accept=True), replace(GIVEN.facts[4], awaits=after(1)), steps.GIVEN_UP),
    ],
    ids=["a value beside another task", "a failure beside another task", "a failure alone"],
)
@pytest.mark.parametrize("together", [False, True])
def test_a_decider_is_released_with_the_task_whose_promise_it_was_handed(
    handed: Facts, called: Facts, outcome: str, together: bool
) -> None:
    """Together or one after the other: what the decider calls on it counts the settled task once."""
    sides = Sides()
    facts = (GIVEN.facts[0], handed, *GIVEN.facts[2:4], called)
    flow = FLOWS["given"] = Flow("given", tuple(replace(each, actor=NAMES[each.kind]) for each in facts))
    sides.starts(flow, None, again=False)
    sides.engine.register([0])
    sides.each_process([(0, 0)], lambda process, _: steps.register(process))
    sides.compares()
    sides.delivers([(ref, holder, steps.SUCCESS) for ref, holder in sides.claims(NAMES[DECIDER], 1)])
    sides.compares()
    held = dict(sides.claims(NAMES[DECIDER], 2))
    deliveries = [((0, 1), held[0, 1], outcome), ((0, 2), held[0, 2], steps.SUCCESS)]
    for batch in [deliveries] if together else [[each] for each in deliveries]:
        sides.releases(batch, sides.engine.outcomes(batch))
    sides.compares()
