"""The transactions on one process by those who work and by the clock: each takes a process and returns what it commits.

Each holds the lock of its process from its first statement to its commit, so it is one step. `REFUSED` stands for
"nothing to do": whoever came found that somebody else had done it, or that it may not be done.
"""

from __future__ import annotations

from tests.proof.model import guards
from tests.proof.model.memory import remembered
from tests.proof.model.settling import Draft, conclude, end
from tests.proof.model.shapes import DECIDER
from tests.proof.model.world import (
    COMPLETED,
    DECIDED,
    DELAYED,
    ENQUEUED,
    FAILED,
    HELD,
    POLLED,
    RUNNING,
    TIMED_OUT,
    WAITING,
    Process,
    Task,
)

SUCCESS, FAILURE, GIVEN_UP, SNOOZE, BACK = "success", "failure", "given up", "snooze", "hand back"
ACCEPTED, ALREADY_ACCEPTED, LEASE_LOST = "accepted", "already_accepted", "lease_lost"
BUDGETED = frozenset({WAITING, DELAYED, ENQUEUED, HELD, POLLED})

Delivery = tuple[int, int, str]
"""The place of a task, who delivers, and what the attempt ended with."""


@remembered
def register(process: Process) -> Process:
    """Create the root task and enqueue it, and let the process run; one that cannot be registered fails."""
    if not guards.is_unregistered(process):
        return process
    draft = Draft(process)
    if not process.flow.registrable:
        draft.state = FAILED
        return draft.done()
    draft.state = RUNNING
    draft.tasks[0] = Task(WAITING)
    draft.open_tasks += 1
    draft.make_ready(0)
    return draft.done()


@remembered
def claim(process: Process, indexes: tuple[int, ...], holder: int, mates: bool) -> Process:
    """Lease tasks to one holder; `mates` tells whether it claimed others with them."""
    draft = Draft(process)
    for index in indexes:
        draft.change(index, state=POLLED, lease=holder, mates=mates, late=False)
    return draft.done()


@remembered
def release(process: Process, deliveries: tuple[Delivery, ...]) -> tuple[Process, tuple[str, ...]]:
    """Write the outcomes behind the fence and draw the conclusions; an answer to each."""
    draft = Draft(process)
    written = [each for each in deliveries if guards.holds_the_lease(process.task(each[0]), each[1])]
    answers = tuple(_answer(process.task(each[0]), each, each in written) for each in deliveries)
    if not written:
        return process, answers
    states = {index: _write(draft, index, holder, outcome) for index, holder, outcome in written}
    conclude(
        draft,
        settled=[index for index, state in states.items() if state == COMPLETED],
        failed=[index for index, state in states.items() if state == FAILED],
        decided=[index for index, _, outcome in written if outcome == SUCCESS],
    )
    return draft.done(), answers


@remembered
def forget_release(process: Process, index: int) -> Process:
    """Nobody repeats the last release of a task any more. No step of the engine: it keeps worlds alike."""
    draft = Draft(process)
    draft.change(index, released=None)
    return draft.done()


@remembered
def grow_late(process: Process, index: int) -> Process:
    """Time passes: a lease is over, or a delayed task is due."""
    draft = Draft(process)
    draft.change(index, late=True)
    return draft.done()


@remembered
def extend_lease(process: Process, index: int, holder: int) -> Process:
    """A heartbeat: the lease is not over, if it is this holder's."""
    if not guards.holds_the_lease(process.task(index), holder):
        return process
    draft = Draft(process)
    draft.change(index, late=False)
    return draft.done()


@remembered
def end_leases(process: Process, indexes: tuple[int, ...]) -> Process:
    """Take back leases that are over. Who pays: a task that was claimed alone, and nobody else."""
    over = [each for each in indexes if process.task(each).state == POLLED and guards.is_still_late(process.task(each))]
    if not over:
        return process
    draft = Draft(process)
    conclude(draft, failed=[index for index in over if _lose(draft, index)])
    return draft.done()


@remembered
def enqueue_due(process: Process, indexes: tuple[int, ...]) -> Process:
    """Hand out delayed tasks that are due."""
    draft = Draft(process)
    for index in indexes:
        task = process.task(index)
        if task.state == DELAYED and guards.is_still_late(task):
            draft.hand_out(index)
    return draft.done()


@remembered
def spend_budgets(process: Process, indexes: tuple[int, ...]) -> Process:
    """The enqueue-to-end time of tasks is used up: they fail, with the tries that they have left."""
    spent = [index for index in indexes if has_running_budget(process, index)]
    if not spent:
        return process
    draft = Draft(process)
    for index in spent:
        draft.change(index, state=FAILED, failure="timeout", pending=0, lease=None, mates=False, late=False)
    conclude(draft, failed=spent)
    return draft.done()


@remembered
def time_out(process: Process) -> Process:
    """The start-to-end time of a process is used up. It stands in a standstill."""
    if process.state != RUNNING or not process.flow.bounded:
        return process
    draft = Draft(process)
    end(draft, TIMED_OUT)
    return draft.done()


def has_running_budget(process: Process, index: int) -> bool:
    """Whether the enqueue-to-end clock of a task runs: until its outcome, and not in a standstill."""
    task = process.tasks[index]
    return task is not None and task.clocked and task.state in BUDGETED and process.state == RUNNING


def _answer(task: Task, delivery: Delivery, is_written: bool) -> str:
    if is_written:
        return ACCEPTED
    return ALREADY_ACCEPTED if task.released == delivery[1] else LEASE_LOST


def _write(draft: Draft, index: int, holder: int, outcome: str) -> str:
    """What the attempt ended with; returns the state in which the task is then."""
    task = draft.done().task(index)
    facts = draft.flow.facts[index]
    draft.change(index, lease=None, released=holder, late=False, mates=False, alone=task.alone and outcome == BACK)
    if outcome == BACK:
        draft.hand_out(index)
        return ENQUEUED
    if outcome == SNOOZE:
        return _put(draft, index, DELAYED)
    if outcome == SUCCESS:
        is_promised = facts.kind == DECIDER and facts.promise is not None
        if not is_promised:
            draft.open_tasks -= 1
        return _put(draft, index, DECIDED if is_promised else COMPLETED)
    draft.change(index, tries=task.tries + 1)
    if outcome == FAILURE and task.tries + 1 < facts.max_tries:
        return _put(draft, index, DELAYED)
    draft.change(index, failure="failure")
    return _put(draft, index, FAILED)


def _put(draft: Draft, index: int, state: str) -> str:
    draft.change(index, state=state)
    return state


def _lose(draft: Draft, index: int) -> bool:
    """Take one lease back; returns whether the task fails with it."""
    task = draft.done().task(index)
    facts = draft.flow.facts[index]
    pays = guards.pays_for_its_loss(task)
    tries = task.tries + pays
    draft.change(index, tries=tries, alone=task.alone or task.mates, lease=None, mates=False, late=False)
    if pays and (facts.fails_when_lost or tries >= facts.max_tries):
        draft.change(index, state=FAILED, failure="timeout")
        return True
    draft.hand_out(index)
    return False
