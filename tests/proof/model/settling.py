"""What follows from a settled or failed task: values are carried, failures climb, waiters wake, processes end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.proof.model import guards
from tests.proof.model.world import (
    CANCELLED,
    COMPLETED,
    DECIDED,
    DELAYED,
    ENQUEUED,
    FAILED,
    HELD,
    PAUSED,
    REGISTERING,
    RUNNING,
    UNSETTLED,
    WAITING,
    Process,
    Task,
)


class Draft:
    """A process while one transaction changes it; `done` is what it commits."""

    def __init__(self, process: Process) -> None:
        self.flow = process.flow
        self.state = process.state
        self.name = process.name
        self.restarted = process.restarted
        self.failed_task = process.failed_task
        self.open_tasks = process.open_tasks
        self.tasks = list(process.tasks)

    def done(self) -> Process:
        """The process as it is now."""
        return Process.of(
            self.flow,
            self.state,
            self.name,
            self.restarted,
            self.failed_task,
            self.open_tasks,
            tuple(self.tasks),
        )

    def change(self, index: int, **columns: object) -> None:
        """Write columns of a task."""
        task = self.tasks[index]
        if task is None:
            raise LookupError(index)
        self.tasks[index] = task._replace(**columns)  # type: ignore[arg-type]

    def make_ready(self, index: int) -> None:
        """A task waits for no other any more."""
        if self.flow.facts[index].delayed:
            self.change(index, state=DELAYED)
        else:
            self.hand_out(index)

    def hand_out(self, index: int) -> None:
        """A task is claimable now, if its process hands anything out. Its budget begins to run with the first time."""
        is_out = guards.hands_out(self.state)
        task = self.tasks[index]
        clocked = self.flow.facts[index].budget and (is_out or (task is not None and task.clocked))
        self.change(index, state=ENQUEUED if is_out else HELD, clocked=clocked, late=False, lease=None, mates=False)


def conclude(
    draft: Draft, *, settled: Sequence[int] = (), failed: Sequence[int] = (), decided: Sequence[int] = ()
) -> None:
    """Draw the conclusions. Failures are judged first: what a standstill because of them would hand out is held."""
    reached = [*settled, *judge(draft, failed)]
    doomed = call(draft, decided)
    doomed += settle(draft, [*reached, *resolved(draft, decided)])
    while doomed:
        for index in doomed:
            draft.change(index, state=FAILED, failure="dependency_failed")
        doomed = settle(draft, judge(draft, doomed))
    complete(draft)


def judge(draft: Draft, failed: Iterable[int]) -> list[int]:
    """Decide what becomes of failures, and return what they settle: accepted on all ways, or a standstill."""
    settled: list[int] = []
    for origin in failed:
        members = climb(draft, origin)
        if members is None:
            stand_still(draft, origin)
            continue
        for index in members:
            column = {} if index == origin else {"value_from": origin}
            draft.change(index, state=FAILED, accepted=True, late=False, **column)
        draft.open_tasks -= len(members)
        settled += members
    return settled


def climb(draft: Draft, origin: int) -> list[int] | None:
    """The tasks through which a failure climbs to where it is accepted; None if on some way it is not."""
    members = [origin]
    process = draft.done()
    for index in members:
        if draft.flow.facts[index].accept:
            continue
        above = [each for each in draft.flow.promising[index] if _is(draft.tasks[each], DECIDED)]
        if not above or guards.is_awaited(process, index):
            return None
        members += above
    return members


def stand_still(draft: Draft, origin: int) -> None:
    """Make a process stand still for a failure that nobody accepts. A paused one stands still already."""
    if draft.state in (RUNNING, REGISTERING):
        draft.state, draft.failed_task = FAILED, origin
        hold(draft)


def hold(draft: Draft) -> None:
    """Hold what is handed out."""
    for index, task in enumerate(draft.tasks):
        if _is(task, ENQUEUED):
            draft.change(index, state=HELD)


def call(draft: Draft, deciders: Iterable[int]) -> list[int]:
    """Create what deciders call, each in the state in which it begins; return those that fail at once."""
    doomed: list[int] = []
    called = [each for decider in deciders for each in draft.flow.facts[decider].calls]
    for index in called:
        draft.tasks[index] = Task(WAITING)
        draft.open_tasks += 1
    for index in called:
        doomed += _wake(draft, index)
    return doomed


def resolved(draft: Draft, deciders: Iterable[int]) -> list[int]:
    """Complete deciders whose promise is settled already, and return them."""
    found = []
    for index in deciders:
        promise = draft.flow.facts[index].promise
        if promise is not None and _is(draft.tasks[index], DECIDED) and _is_settled(draft.tasks[promise]):
            _carry(draft, index, promise)
            found.append(index)
    return found


def settle(draft: Draft, settled: Iterable[int]) -> list[int]:
    """Carry values up and wake waiters; return the waiters that fail because they would be handed a failure."""
    doomed: list[int] = []
    reached = list(settled)
    for index in reached:
        for decider in draft.flow.promising[index]:
            if _is(draft.tasks[decider], DECIDED):
                _carry(draft, decider, index)
                reached.append(decider)
    for index in reached:
        for waiter, _ in draft.flow.waiters[index]:
            task = draft.tasks[waiter]
            if task is not None and task.state == WAITING and task.pending:
                doomed += _wake(draft, waiter)
    return doomed


def complete(draft: Draft) -> None:
    """End a process that has no open task left."""
    if draft.open_tasks == 0 and draft.state in (RUNNING, PAUSED):
        draft.state = COMPLETED


def end(draft: Draft, state: str) -> None:
    """End a process before its time; what is open is cancelled, what has failed stays FAILED."""
    for index, task in enumerate(draft.tasks):
        if task is not None and task.state in UNSETTLED:
            draft.change(index, state=CANCELLED, lease=None, mates=False, late=False)
    draft.state, draft.open_tasks = state, 0


def _carry(draft: Draft, decider: int, promise: int) -> None:
    task = draft.tasks[promise]
    origin = promise if task is None or task.value_from is None else task.value_from
    draft.change(decider, state=COMPLETED, value_from=origin)
    draft.open_tasks -= 1


def _wake(draft: Draft, index: int) -> list[int]:
    needs = draft.flow.facts[index].awaits
    pending = sum(1 for need in needs if not _is_settled(draft.tasks[need.task]))
    hurt = any(need.delivers_value and _is_failure(draft, need.task) for need in needs)
    draft.change(index, pending=pending, hurt=hurt)
    if pending:
        return []
    if hurt and not draft.flow.facts[index].takes_failures:
        return [index]
    draft.make_ready(index)
    return []


def _is_failure(draft: Draft, index: int) -> bool:
    task = draft.tasks[index]
    if task is None or not task.is_settled:
        return False
    origin = task if task.value_from is None else draft.tasks[task.value_from]
    return origin is not None and origin.state == FAILED


def _is(task: Task | None, state: str) -> bool:
    return task is not None and task.state == state


def _is_settled(task: Task | None) -> bool:
    return task is not None and task.is_settled
