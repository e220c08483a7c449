"""Both sides: does the same to the model and to the engine, and compares what each answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from tasks import actors as acting
from tasks.outcomes import Outcome
from tests.proof.model import acts, guards, starting, steps
from tests.proof.model.acts import Told
from tests.proof.model.invariants import broken_by, broken_in
from tests.proof.model.protocol import fed
from tests.proof.model.shapes import Flow
from tests.proof.model.world import DELAYED, POLLED, REGISTERING, Process, Ref, World
from tests.proof.stateful.comparing import differences, expected
from tests.proof.stateful.engine import Engine
from tests.proof.stateful.lookups import Lookups

Delivery = tuple[Ref, int, str]
PEOPLE_COME_AFTER = 2
"""So many steps of the engine come between two acts of people, where the engine has anything to do."""
STEERINGS: Mapping[str, tuple[Callable[[Process], Told], Callable[..., Any]]] = {
    "resume": (acts.resume, acting.resume),
    "restart failed tasks": (acts.restart_failed, acting.restart_failed_tasks),
    "pause": (acts.pause, acting.pause),
    "abort": (acts.abort, acting.abort),
}
"""How a process can be steered, in the model and in fact."""
RULES_RUN: Counter[str] = Counter()
"""How often each rule has run in this process."""


class Sides(Lookups):
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

    def people_come(self, rule: str) -> None:
        """Count an act of people; the engine works on now."""
        noted(rule)
        self.steps_by_engine = -1

    def starts(self, flow: Flow, name: str | None, again: bool) -> None:
        """Somebody starts a process."""
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
        outcomes = self.engine.outcomes(deliveries)
        self.releases(deliveries, outcomes)
        self.held = [each for each in self.held if each not in {(ref, holder) for ref, holder, _ in deliveries}]
        self.delivered += zip(deliveries, outcomes, strict=True)

    def sends_heartbeat(self, ref: Ref, holder: int) -> None:
        """A worker is told whether it still holds a lease; whoever else holds it notices nothing."""
        is_there = self.world.processes[ref[0]] is not None
        holds = is_there and guards.holds_the_lease(self.task(ref), holder)
        told = self.engine.heartbeat(ref, holder, mates=is_there and self.task(ref).mates)
        assert told == holds, f"a heartbeat of worker {holder} for {ref} was answered {told}, not {holds}"

    def starts_beside_deletion(self, place: int) -> None:
        """A process is deleted, and started once more before that has committed."""
        process = self.world.processes[place]
        if process is None or process.name is None:
            raise LookupError(place)
        deleted, _ = starting.delete_process(self.world, place)
        after, code, found = starting.start(deleted, process.flow, process.name)
        told = self.engine.start_beside_deletion(place, process.flow, process.name)
        assert told == (code, found), f"a start beside a deletion was answered {told}, not {(code, found)}"
        self.moves(after)

    def releases(self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> None:
        """Outcomes are released together; the answers and the bells are right."""
        after, due = self.world, dict[Ref, str]()
        for place in sorted({ref[0] for ref, _, _ in deliveries}):
            here = [(ref[1], holder, outcome) for ref, holder, outcome in deliveries if ref[0] == place]
            process = self.world.processes[place]
            answers: tuple[str, ...] = (steps.LEASE_LOST,) * len(here)
            if process is not None:
                process, answers = steps.release(process, tuple(here))
                after = after.with_process(place, process)
            due |= {(place, index): answer for (index, _, _), answer in zip(here, answers, strict=True)}
        told, released = self.engine.release(outcomes)
        assert told == [due[ref] for ref, _, _ in deliveries], f"a release was answered {told}, not {due}"
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

    def looks_for_unheard(self, polled: str | None, late: bool) -> None:
        """A scan rings for what is ready and nobody has polled for of late, and for nothing else."""
        due = {actor for actor in self.ready() if late and not guards.is_blocked(self.world.blocked, actor)}
        told = self.engine.unheard(polled, late=late)
        assert told == due, f"a scan would ring for {told}, not for {due}"

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

    def compares(self) -> None:
        """The database holds what the model says, and that keeps the promises."""
        found = self.engine.look()
        different = differences(found.told, expected(self.world, self.engine.attempts, found.told))
        assert not different, "\n".join(different)
        broken = list(broken_in(self.world))
        assert not broken, broken

    def answers(self, code: str, told: str) -> None:
        """Both sides answer alike."""
        assert told == code, f"the engine answered {told}, the model {code}"

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


def noted(rule: str) -> None:
    """Count a rule that runs."""
    RULES_RUN[rule] += 1


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
