"""Runs the machine: with a seed and a bound, and tells what it did and, shrunk, what differs."""

from __future__ import annotations

from time import monotonic

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.proof.stateful.machine import Machine

STEPS = 40
EXAMPLES_AT_ONCE = 10
UNSHRUNK = (Phase.explicit, Phase.generate)


def bounded(examples: int, *, shrinks: bool = True) -> settings:
    """So many examples; nothing is kept between runs, and a slow machine is no failure."""
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        phases=tuple(Phase) if shrinks else UNSHRUNK,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
    )


def run(first_seed: int, examples: int, *, shrinks: bool = True) -> None:
    """Run so many examples. Raises AssertionError, with the steps in its notes, where both sides differ."""
    machine = seed(first_seed)(type("Machine", (Machine,), {}))
    run_state_machine_as_test(machine, settings=bounded(examples, shrinks=shrinks))


def run_for(seconds: float, first_seed: int, *, shrinks: bool = True) -> int:
    """Run examples until the time is up; how many. Raises as `run`."""
    until = monotonic() + seconds
    rounds = 0
    while monotonic() < until:
        run(first_seed + rounds, EXAMPLES_AT_ONCE, shrinks=shrinks)
        rounds += 1
    return rounds * EXAMPLES_AT_ONCE
