"""What a search lets happen: which processes there are, who acts on them, and which faults strike."""

from __future__ import annotations

from dataclasses import dataclass

from tests.proof.model import steps
from tests.proof.model.shapes import Flow
from tests.proof.model.world import Client, Process, Worker, World

DIES, ANSWER_IS_LOST, LEASE_ENDS, SPENT, TIME_IS_UP = "dies", "answer is lost", "lease ends", "spent", "time is up"
BELLS, IN_TWO_STEPS, REGISTRATIONS, NO_SCAN = "bells", "scans in two steps", "registrations in two steps", "no scan"
PAUSE, ABORT, RESTART_TASK, RESTART, BLOCK, PAUSE_ALL = (
    "pause",
    "abort",
    "restart task",
    "restart",
    "block",
    "pause all",
)
DELETE = "delete"
ALL_OUTCOMES = (steps.SUCCESS, steps.FAILURE, steps.GIVEN_UP, steps.SNOOZE, steps.BACK)


@dataclass(frozen=True, eq=False)
class Setting:
    """One configuration of the search: processes of these flows, so many workers that claim up to `limit` at once.

    `names` are custom ids of the processes that are there at first; `places` bounds how many there may ever be.
    """

    title: str
    flows: tuple[Flow, ...] = ()
    workers: int = 1
    limit: int = 1
    outcomes: tuple[str, ...] = (steps.SUCCESS, steps.FAILURE)
    may: frozenset[str] = frozenset()
    clients: tuple[Client, ...] = ()
    scans: int = 0
    names: tuple[str | None, ...] = ()
    places: int = 4

    @property
    def beginning(self) -> World:
        """The world before anything has happened."""
        names = self.names or (None,) * len(self.flows)
        return World(
            processes=tuple(Process.new(flow, name) for flow, name in zip(self.flows, names, strict=True)),
            created=frozenset(name for name in names if name is not None),
            workers=(Worker(),) * self.workers,
            clients=self.clients,
            scans=(None,) * self.scans,
        )


def may(*words: str) -> frozenset[str]:
    """What is on in a setting."""
    return frozenset(words)
