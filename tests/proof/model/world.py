"""What the model knows of the world: processes with their tasks, and everybody who may act on them.

All values are immutable. Nothing counts for ever and nothing is a clock, so that worlds that behave alike are equal: an
attempt is the name of whoever holds its lease, and time is only "it is up" (`late`).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from tests.proof.model.shapes import Flow

REGISTERING, RUNNING, PAUSED = "REGISTERING", "RUNNING", "PAUSED"
COMPLETED, FAILED, CANCELLED = "COMPLETED", "FAILED", "CANCELLED"
TIMED_OUT, ABORTED = "TIMED_OUT", "ABORTED"
WAITING, DELAYED, ENQUEUED = "WAITING", "DELAYED", "ENQUEUED"
HELD, POLLED, DECIDED = "HELD", "POLLED", "DECIDED"

FINAL = frozenset({COMPLETED, TIMED_OUT, ABORTED})
STANDSTILLS = frozenset({PAUSED, FAILED})
UNSETTLED = frozenset({WAITING, DELAYED, ENQUEUED, HELD, POLLED, DECIDED})
EVERYTHING = "*"
REGISTRATION = "registration"

Ref = tuple[int, int]
"""A task: the place of its process in the world, and its own in the flow."""


class Task(NamedTuple):
    """A task that has been called. `lease` tells who holds it, `released` whose release was accepted last."""

    state: str
    pending: int = 0
    tries: int = 0
    alone: bool = False
    mates: bool = False
    lease: int | None = None
    released: int | None = None
    late: bool = False
    clocked: bool = False
    hurt: bool = False
    accepted: bool = False
    value_from: int | None = None
    failure: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether those who wait for it need wait no longer."""
        return self.state in (COMPLETED, CANCELLED) or self.accepted

    @property
    def has_failed(self) -> bool:
        """Whether it failed for good, and nobody accepts that."""
        return self.state == FAILED and not self.accepted


class Process:
    """A process with its tasks. Interned: equal ones are one object, hashed and compared by what it is."""

    __slots__ = ("failed_task", "flow", "name", "open_tasks", "restarted", "state", "tasks")
    _known: ClassVar[dict[tuple[object, ...], Process]] = {}

    flow: Flow
    state: str
    name: str | None
    restarted: bool
    failed_task: int | None
    open_tasks: int
    tasks: tuple[Task | None, ...]

    @staticmethod
    def of(
        flow: Flow,
        state: str,
        name: str | None,
        restarted: bool,
        failed_task: int | None,
        open_tasks: int,
        tasks: tuple[Task | None, ...],
    ) -> Process:
        """The one process that looks like this."""
        key = (flow, state, name, restarted, failed_task, open_tasks, tasks)
        known = Process._known.get(key)
        if known is None:
            known = Process._known[key] = Process()
            known.flow, known.state, known.name, known.restarted = flow, state, name, restarted
            known.failed_task, known.open_tasks, known.tasks = failed_task, open_tasks, tasks
        return known

    @staticmethod
    def forget_all() -> None:
        """Forget all processes: before a search or an example that shares none with the last one."""
        Process._known.clear()

    @staticmethod
    def new(flow: Flow, name: str | None) -> Process:
        """A process that has just been started."""
        return Process.of(flow, REGISTERING, name, False, None, 0, (None,) * len(flow.facts))

    def task(self, index: int) -> Task:
        """A task that has been called. Raises LookupError for another."""
        task = self.tasks[index]
        if task is None:
            raise LookupError(index)
        return task

    def called(self) -> list[tuple[int, Task]]:
        """The tasks that have been called, with their places in the flow."""
        return [(index, task) for index, task in enumerate(self.tasks) if task is not None]

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    def __repr__(self) -> str:
        tasks = " ".join(f"{index}:{task.state}" for index, task in self.called())
        return f"<{self.flow.title} {self.state} open={self.open_tasks} {tasks}>"


class Tombstone(NamedTuple):
    """The identity of a deleted process, which had this place in the world."""

    name: str
    flow: Flow
    state: str
    place: int


class Worker(NamedTuple):
    """A worker. While its claim is under way, `seen` is what the claim saw ready; `held` is what it believes to hold.

    `barred` is what a claim that began just then must not take.
    """

    seen: tuple[Ref, ...] | None = None
    barred: frozenset[Ref] = frozenset()
    held: tuple[Ref, ...] = ()


class Scan(NamedTuple):
    """A recovery scan, or a run of the registration, between finding its candidates and locking them."""

    kind: str
    found: tuple[Ref, ...]


class Client(NamedTuple):
    """A client that starts a process, how far its call has come, and what it was told (`code`, `place`)."""

    flow: Flow
    name: str
    again: bool = False
    step: str = "to begin"
    code: int | None = None
    place: int | None = None
    has_crashed: bool = False

    @property
    def has_inserted(self) -> bool:
        """Whether its row stands in its open transaction."""
        return self.step in ("to look for a tombstone", "to commit")


class World(NamedTuple):
    """Everything. A deleted process leaves its place empty; `wrong` names what the engine promises not to do."""

    processes: tuple[Process | None, ...] = ()
    tombstones: frozenset[Tombstone] = frozenset()
    created: frozenset[str] = frozenset()
    workers: tuple[Worker, ...] = ()
    clients: tuple[Client, ...] = ()
    scans: tuple[Scan | None, ...] = ()
    blocked: frozenset[str] = frozenset()
    bells: frozenset[str] = frozenset()
    wrong: str = ""

    def with_process(self, place: int, process: Process | None) -> World:
        """The world with another process in a place."""
        return self._replace(processes=(*self.processes[:place], process, *self.processes[place + 1 :]))

    def with_worker(self, place: int, worker: Worker) -> World:
        """The world with another worker in a place."""
        return self._replace(workers=(*self.workers[:place], worker, *self.workers[place + 1 :]))

    def named(self, name: str) -> int | None:
        """The place of the process that a custom id names."""
        for place, process in enumerate(self.processes):
            if process is not None and process.name == name:
                return place
        return None

    def buried(self, name: str) -> Tombstone | None:
        """The tombstone with a custom id."""
        return next((each for each in self.tombstones if each.name == name), None)
