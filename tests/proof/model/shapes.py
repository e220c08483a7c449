"""Small flows: what a process may become, written down before it begins.

A flow numbers the tasks that its deciders will call; the root is task 0. What a task is never changes, so it stands
here and not in the world.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, NamedTuple

WORKER, DECIDER, EXTERNAL = "worker", "decider", "external"


class Awaited(NamedTuple):
    """A task that is waited for; `delivers_value` tells an argument from a mere "after"."""

    task: int
    delivers_value: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Facts:
    """What a task is.

    `calls` are the tasks that a decider calls, `promise` is the one that becomes its value, `given` are those that it
    is handed without waiting for them.

    `accept` accepts its own failure, `takes` takes failures as arguments; a `delayed` one starts later, one with a
    `budget` may use it up; `fails_when_lost` has no second lease.
    """

    kind: str = WORKER
    actor: str = "work"
    calls: tuple[int, ...] = ()
    promise: int | None = None
    given: tuple[int, ...] = ()
    awaits: tuple[Awaited, ...] = ()
    accept: bool = False
    takes: bool = False
    delayed: bool = False
    budget: bool = False
    fails_when_lost: bool = False
    max_tries: int = 2

    def __repr__(self) -> str:
        """What is not as usual."""
        told = ((each.name, getattr(self, each.name), each.default) for each in fields(self))
        return f"Facts({', '.join(f'{name}={value!r}' for name, value, usual in told if value != usual)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """As `repr`, for printers that would tell every field of a dataclass."""
        printer.text(repr(self))

    @property
    def takes_failures(self) -> bool:
        """Whether a failure may be handed to it."""
        return self.kind == DECIDER or self.takes


@dataclass(frozen=True, eq=False)
class Flow:
    """The tasks of a process, by their places. `bounded`: its start-to-end time may be used up."""

    title: str
    facts: tuple[Facts, ...]
    bounded: bool = False
    registrable: bool = True

    @cached_property
    def waiters(self) -> tuple[tuple[tuple[int, bool], ...], ...]:
        """For each task those that wait for it, and whether they want its value."""
        return tuple(
            tuple(
                (waiter, need.delivers_value)
                for waiter, facts in enumerate(self.facts)
                for need in facts.awaits
                if need.task == index
            )
            for index in range(len(self.facts))
        )

    @cached_property
    def promising(self) -> tuple[tuple[int, ...], ...]:
        """For each task the deciders whose value it becomes."""
        return tuple(
            tuple(index for index, facts in enumerate(self.facts) if facts.promise == promised)
            for promised in range(len(self.facts))
        )

    @cached_property
    def parents(self) -> tuple[int | None, ...]:
        """For each task the decider that calls it; None for the root."""
        return tuple(
            next((parent for parent, facts in enumerate(self.facts) if index in facts.calls), None)
            for index in range(len(self.facts))
        )


def decider(*calls: int, promise: int | None = None, **facts: object) -> Facts:
    """A decider that calls these tasks."""
    return Facts(kind=DECIDER, actor="decide", calls=calls, promise=promise, **facts)  # type: ignore[arg-type]


def after(*indexes: int) -> tuple[Awaited, ...]:
    """The values of these tasks are arguments."""
    return tuple(Awaited(index) for index in indexes)


SINGLE = Flow("a worker", (Facts(),))
OTHER = Flow("another worker", (Facts(),))
CHAIN = Flow("decider, worker", (decider(1, promise=1), Facts()))
PAIR = Flow(
    "decider, two workers, one that collects",
    (decider(1, 2, 3, promise=3), Facts(), Facts(), Facts(awaits=after(1, 2), actor="collect")),
)
NESTED = Flow("decider, decider, worker", (decider(1, promise=1), decider(2, promise=2), Facts()))
ACCEPTED = Flow(
    "accepted failure",
    (decider(1, 2, promise=2), Facts(accept=True), Facts(awaits=after(1), takes=True, actor="judge")),
)
CLIMBING = Flow(
    "climbing failure",
    (
        decider(1, 3, promise=3),
        decider(2, promise=2, accept=True),
        Facts(),
        Facts(awaits=after(1), takes=True, actor="judge"),
    ),
)
OVERHEARD = Flow(
    "climbing failure that somebody else waits for",
    (
        decider(1, promise=1, accept=True),
        decider(2, 3, promise=2),
        Facts(),
        Facts(awaits=after(2), takes=True, actor="judge"),
    ),
)
DOOMED = Flow(
    "failure that dooms",
    (decider(1, 2, promise=2), Facts(accept=True), Facts(awaits=after(1), accept=True, actor="judge")),
)
STRICT = Flow(
    "failure that dooms, unaccepted",
    (decider(1, 2, promise=2), Facts(accept=True), Facts(awaits=after(1), actor="judge")),
)
GIVEN = Flow(
    "a promise that is handed on",
    (decider(1, 2, promise=2), decider(), decider(3, 4, promise=4, given=(1,)), Facts(), Facts(awaits=after(1, 3))),
)
ASIDE = Flow("a task that nobody awaits", (decider(1, 2, promise=1), Facts(), Facts(actor="aside")))
VALUE = Flow("a decider with a value of its own", (decider(1), Facts()))
ASKED = Flow(
    "external task", (decider(1, 2, promise=2), Facts(kind=EXTERNAL, actor="ask"), Facts(awaits=after(1), actor="work"))
)
LATER = Flow(
    "delayed, with a budget", (decider(1, promise=1, budget=True), Facts(delayed=True, budget=True)), bounded=True
)
FRAGILE = Flow("no second lease", (decider(1, 2, promise=2), Facts(fails_when_lost=True), Facts(awaits=after(1))))
BAD = Flow("cannot be registered", (Facts(),), registrable=False)
