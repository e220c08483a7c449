"""Breadth-first search through all worlds of a setting, with the shortest way to whatever breaks a promise."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from time import perf_counter

from tests.proof.model.invariants import broken_by, broken_in
from tests.proof.model.protocol import moves
from tests.proof.model.settings import Setting
from tests.proof.model.world import World


@dataclass(frozen=True)
class Explored:
    """What a search found: how many worlds and steps, how far the last world is, and what is broken (and how)."""

    title: str
    states: int
    edges: int
    depth: int
    seconds: float
    is_complete: bool
    broken: str = ""
    way: tuple[str, ...] = ()

    def told(self) -> str:
        """The counter-example, a step a line."""
        steps = "\n".join(f"  {number}. {step}" for number, step in enumerate(self.way, 1))
        return f"{self.title}: {self.broken}\n{steps}"


class Search:
    """One search: every world has a number, and each knows from which it was first reached, and how."""

    def __init__(self, setting: Setting, limit: int | None = None) -> None:
        self.setting = setting
        self.limit = limit
        self.began_at = perf_counter()
        self.numbers: dict[World, int] = {}
        self.parents = array("l")
        self.depths = array("l")
        self.labels: list[str] = []
        self.helping_from = array("l")
        self.helping_to = array("l")
        self.edges = 0

    def run(self) -> Explored:
        """Go through all worlds, or through `limit` of them; then ask whether each can come to a good end."""
        beginning = self.setting.beginning
        worlds = [beginning]
        self._note(beginning, -1, "")
        broken = next(broken_in(beginning), "")
        for number, world in enumerate(worlds):
            if broken or (self.limit is not None and len(worlds) >= self.limit):
                break
            broken = self._expand(number, world, worlds)
        if broken:
            return self._explored(broken, len(worlds) - 1)
        stuck = None if self.limit is not None and len(worlds) >= self.limit else self._first_stuck(worlds)
        return self._explored("" if stuck is None else "no good end can be reached from here", stuck)

    def _expand(self, number: int, world: World, worlds: list[World]) -> str:
        for label, after, helps in moves(world, self.setting):
            self.edges += 1
            reached = self.numbers.get(after)
            is_new = reached is None
            if reached is None:
                reached = self._note(after, number, label)
                worlds.append(after)
            if helps:
                self.helping_from.append(number)
                self.helping_to.append(reached)
            broken = next(broken_by(world, after), "") or (next(broken_in(after), "") if is_new else "")
            if broken:
                if not is_new:
                    self._note(after._replace(wrong=broken), number, label)
                    worlds.append(after)
                return broken
        return ""

    def _note(self, world: World, parent: int, label: str) -> int:
        number = len(self.numbers)
        self.numbers[world] = number
        self.parents.append(parent)
        self.depths.append(self.depths[parent] + 1 if parent >= 0 else 0)
        self.labels.append(label)
        return number

    def _first_stuck(self, worlds: list[World]) -> int | None:
        """The first world from which no world with all processes at their end is reached by steps that help."""
        before: list[list[int]] = [[] for _ in worlds]
        for source, target in zip(self.helping_from, self.helping_to, strict=True):
            before[target].append(source)
        good = bytearray(len(worlds))
        reached = [number for number, world in enumerate(worlds) if _has_ended(world)]
        for number in reached:
            good[number] = 1
        for number in reached:
            for source in before[number]:
                if not good[source]:
                    good[source] = 1
                    reached.append(source)
        stuck = good.find(0)
        return None if stuck < 0 else stuck

    def _explored(self, broken: str, number: int | None) -> Explored:
        way: list[str] = []
        while broken and number is not None and number > 0:
            way.append(self.labels[number])
            number = self.parents[number]
        states = len(self.numbers)
        return Explored(
            self.setting.title,
            states,
            self.edges,
            max(self.depths),
            perf_counter() - self.began_at,
            self.limit is None or states < self.limit,
            broken,
            tuple(reversed(way)),
        )


def explore(setting: Setting, limit: int | None = None) -> Explored:
    """Search a setting; with a `limit` no further than so many worlds."""
    return Search(setting, limit).run()


def _has_ended(world: World) -> bool:
    return all(process is None or process.is_final for process in world.processes) and all(
        client.step == "answered" for client in world.clients
    )
