"""Finds tasks and processes of the model by what may be done to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from tests.proof.model import steps
from tests.proof.model.protocol import ready_tasks
from tests.proof.model.shapes import EXTERNAL
from tests.proof.model.world import EVERYTHING, Ref, Task, World
from tests.proof.stateful.actors import NAMES

Thing = TypeVar("Thing")


class Lookups:
    """What there is in a world."""

    world: World

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

    def ended_by_name(self) -> list[int]:
        """The processes that have ended and are named by a custom id."""
        processes = enumerate(self.world.processes)
        return [place for place, process in processes if process and process.is_final and process.name is not None]

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

    def found(self, refs: Sequence[Ref], chosen: list[int], other: int | None) -> list[Ref]:
        """What a scan found: some of the tasks it looks for, and perhaps one that has changed since."""
        found = distinct(refs, chosen)
        strays = [] if other is None else [picked(self.refs(), other)]
        return found + [ref for ref in strays if ref not in found]

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


def picked(things: Sequence[Thing], pick: int) -> Thing:
    """One of some things."""
    return things[pick % len(things)]


def distinct(things: Sequence[Thing], picks: Iterable[int]) -> list[Thing]:
    """Some of the things, none twice."""
    return [things[place] for place in dict.fromkeys(pick % len(things) for pick in picks)] if things else []
