"""Both sides: does the same to the model and to the engine, and compares what each answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from tasks.outcomes import Outcome
from tests.proof.model import guards, starting, steps
from tests.proof.model.acts import Told
from tests.proof.model.invariants import broken_by
from tests.proof.model.protocol import fed, ready_tasks
from tests.proof.model.shapes import EXTERNAL, Flow
from tests.proof.model.world import DELAYED, EVERYTHING, POLLED, REGISTERING, Process, Ref, Task, World
from tests.proof.stateful.actors import NAMES
from tests.proof.stateful.engine import Engine

Thing = TypeVar("Thing")
Delivery = tuple[Ref, int, str]
PEOPLE_COME_AFTER = 2
"""So many steps of the engine come between two acts of people, where the engine has anything to do."""
RULES_RUN: Counter[str] = Counter()
"""How often each rule has run in this process."""


class Sides:
    """One world twice. `held` are the leases that workers believe in, `delivered` what they may deliver once more."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.engine = Engine.empty()
        self.held: list[tuple[Ref, int]] = []
        self.delivered: list[tuple[Delivery, Outcome]] = []
        self.holders = 0
        self.steps_by_engine = 0

    def is_quiet(self) -> bool:
        """Whether it is time for people to act: the engine has worked for a while, or has nothing to do."""
        return self.steps_by_engine >= PEOPLE_COME_AFTER or not (
            self.ready() or self.held or self.in_state(DELAYED) or self.in_state(POLLED) or self.places_in(REGISTERING)
        )

    def people_have_come(self) -> None:
        """Note an act of people: the engine works on now."""
        self.steps_by_engine = -1

    def starts(self, flow: Flow, name: str | None, again: bool) -> None:
        """Somebody starts a process."""
        noted("start")
        after, code, place = starting.start(self.world, flow, name, again=again)
        told = self.engine.start(flow, name, again=again)
        assert told == (code, place), f"a start was answered {told}, not {(code, place)}"
        self.moves(after)

    def claims(self, actor: str, limit: int) -> list[tuple[Ref, int]]:
        """A worker claims; returns the leases it believes in from now on."""
        noted("claim")
        self.holders += 1
        may = [] if guards.is_blocked(self.world.blocked, actor) else self.ready()[actor]
        got = self.engine.claim(actor, limit, self.holders)
        assert not unlawful(got, may, limit, self), f"of {may} a claim of {limit} took {got}"
        self.each_process(got, lambda process, indexes: steps.claim(process, indexes, self.holders, len(got) > 1))
        claimed = [(ref, self.holders) for ref in got]
        for ref, holder in claimed:
            assert self.engine.leases[ref, holder].tries == self.task(ref).tries
        self.held += claimed
        return claimed

    def delivers(self, deliveries: Sequence[Delivery]) -> None:
        """A worker executes and releases; what it has released it may release once more."""
        noted("release")
        deliveries = self.separated(deliveries)
        outcomes = self.engine.outcomes(deliveries)
        self.releases(deliveries, outcomes)
        self.held = [each for each in self.held if each not in {(ref, holder) for ref, holder, _ in deliveries}]
        self.delivered += zip(deliveries, outcomes, strict=True)

    def separated(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """A decider whose calls wait for what it was handed is released alone.

        In one batch with what it was handed the engine counts that twice: see the expected failure in
        `test_stateful.py`. Without that flaw this can go.
        """
        for (place, index), holder, outcome in deliveries:
            process = self.world.processes[place]
            if process is not None and outcome == steps.SUCCESS and calls_on_what_is_given(process.flow, index):
                return [((place, index), holder, outcome)]
        return deliveries

    def releases(self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> None:
        """Outcomes are released together; the answers and the bells are right."""
        after, expected = self.world, dict[Ref, str]()
        for place in sorted({ref[0] for ref, _, _ in deliveries}):
            here = [(ref[1], holder, outcome) for ref, holder, outcome in deliveries if ref[0] == place]
            process = self.world.processes[place]
            answers: tuple[str, ...] = (steps.LEASE_LOST,) * len(here)
            if process is not None:
                process, answers = steps.release(process, tuple(here))
                after = after.with_process(place, process)
            expected |= {(place, index): answer for (index, _, _), answer in zip(here, answers, strict=True)}
        told, released = self.engine.release(outcomes)
        assert told == [expected[ref] for ref, _, _ in deliveries], f"a release was answered {told}, not {expected}"
        rung = frozenset().union(*map(fed, self.world.processes, after.processes))
        assert rung <= released.fed.keys(), f"nobody rings for {rung - released.fed.keys()}"
        self.moves(after)

    def scans(
        self,
        step: Callable[[Process, tuple[int, ...]], Process],
        scan: Callable[..., int],
        refs: Sequence[Ref],
        state: str,
        late: bool,
    ) -> None:
        """A scan goes through what it found; where it comes too early nothing is late, and nothing changes."""
        over = [ref for ref in refs if late and self.task(ref).state == state]
        self.each_process(over, lambda process, indexes: step(grown_late(process, indexes), indexes))
        acted = scan(refs, late=late)
        assert acted == len(over), f"a scan acted on {acted} of {refs}, not on {over}"

    def steers(self, act: Callable[[Process], Told], real: Callable[..., Any], place: int) -> None:
        """Somebody steers a process, which may be gone."""
        process = self.world.processes[place]
        after, code = (None, "no_such_process") if process is None else act(process)
        self.answers(code, self.engine.on_process(real, place))
        self.moves(self.world.with_process(place, after))

    def steers_task(self, act: Callable[[Process, int], Told], real: Callable[[UUID], Any], ref: Ref) -> None:
        """Somebody steers a task."""
        process = self.world.processes[ref[0]]
        after, code = (None, "no_such_task") if process is None else act(process, ref[1])
        self.answers(code, self.engine.on_task(real, ref))
        self.moves(self.world.with_process(ref[0], after))

    def answers(self, expected: str, told: str) -> None:
        """Both sides answer alike."""
        assert told == expected, f"the engine answered {told}, the model {expected}"

    def moves(self, after: World) -> None:
        """The model takes a step, which keeps the promises."""
        broken = list(broken_by(self.world, after))
        assert not broken, broken
        self.world = after
        self.steps_by_engine += 1

    def each_process(self, refs: Iterable[Ref], step: Callable[[Process, tuple[int, ...]], Process]) -> None:
        """The model takes a step in each process of which there are tasks."""
        after = self.world
        for place in sorted({ref[0] for ref in refs}):
            process = self.world.processes[place]
            if process is not None:
                after = after.with_process(place, step(process, tuple(index for at, index in refs if at == place)))
        self.moves(after)

    def task(self, ref: Ref) -> Task:
        """A task of a process that is not deleted."""
        process = self.world.processes[ref[0]]
        if process is None:
            raise LookupError(ref)
        return process.task(ref[1])

    def refs(self) -> list[Ref]:
        """All tasks that there are."""
        found = ((place, process) for place, process in enumerate(self.world.processes) if process is not None)
        return [(place, index) for place, process in found for index, _ in process.called()]

    def places_in(self, state: str) -> list[int]:
        """The processes in a state."""
        processes = enumerate(self.world.processes)
        return [place for place, process in processes if process is not None and process.state == state]

    def in_state(self, state: str) -> list[Ref]:
        """The tasks in a state."""
        return [ref for ref in self.refs() if self.task(ref).state == state]

    def budgeted(self) -> list[Ref]:
        """The tasks whose enqueue-to-end time may be used up."""
        processes = self.world.processes
        return [
            (place, index)
            for place, index in self.refs()
            if (process := processes[place]) is not None and steps.has_running_budget(process, index)
        ]

    def external(self) -> list[Ref]:
        """The tasks that are completed from outside."""
        return [ref for ref in self.refs() if self.actor(ref) == NAMES[EXTERNAL]]

    def actor(self, ref: Ref) -> str:
        """Whom a task calls."""
        process = self.world.processes[ref[0]]
        return "" if process is None else process.flow.facts[ref[1]].actor

    def is_blocked(self, ref: Ref) -> bool:
        """Whether the clock of a task's actor stands."""
        return not {self.actor(ref), EVERYTHING}.isdisjoint(self.world.blocked)

    def ready(self) -> dict[str, list[Ref]]:
        """What can be claimed, by actor."""
        found: dict[str, list[Ref]] = {}
        for place, process in enumerate(self.world.processes):
            if process is not None:
                for index, actor in ready_tasks(process):
                    found.setdefault(actor, []).append((place, index))
        return found


def noted(rule: str) -> None:
    """Count a rule that runs."""
    RULES_RUN[rule] += 1


def picked(things: Sequence[Thing], pick: int) -> Thing:
    """One of some things."""
    return things[pick % len(things)]


def distinct(things: Sequence[Thing], picks: Iterable[int]) -> list[Thing]:
    """Some of the things, none twice."""
    return [things[place] for place in dict.fromkeys(pick % len(things) for pick in picks)] if things else []


def grown_late(process: Process, indexes: tuple[int, ...]) -> Process:
    """The time of some tasks is up."""
    for index in indexes:
        process = steps.grow_late(process, index)
    return process


def unlawful(got: Sequence[Ref], may: Sequence[Ref], limit: int, sides: Sides) -> bool:
    """Whether a claim took what it may not, or left what it had to take. Who is oldest only the clock knows."""
    alone = [ref for ref in may if sides.task(ref).alone]
    if not set(got) <= set(may) or len(got) > limit or (may and not got):
        return True
    if set(got) & set(alone):
        return len(got) > 1
    return len(may) <= limit and len(got) < len(may) - len(alone)


def calls_on_what_is_given(flow: Flow, index: int) -> bool:
    """Whether a call of a decider waits for a task whose promise the decider was handed."""
    facts = flow.facts[index]
    return any(need.task in facts.given for each in facts.calls for need in flow.facts[each].awaits)
