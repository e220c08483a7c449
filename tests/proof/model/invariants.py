"""What the engine promises, asked of every world and of every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.proof.model.clients import ANSWERED
from tests.proof.model.memory import remembered
from tests.proof.model.starting import CREATED, NOT_CREATED
from tests.proof.model.world import (
    ABORTED,
    CANCELLED,
    COMPLETED,
    DECIDED,
    DELAYED,
    ENQUEUED,
    FAILED,
    HELD,
    PAUSED,
    POLLED,
    REGISTERING,
    RUNNING,
    TIMED_OUT,
    UNSETTLED,
    WAITING,
    Process,
    Task,
    World,
)

ACTIVE = frozenset({ENQUEUED, POLLED, DELAYED})
PROCESS_ARROWS: Mapping[str, frozenset[str]] = {
    REGISTERING: frozenset({RUNNING, FAILED, ABORTED}),
    RUNNING: frozenset({PAUSED, FAILED, COMPLETED, TIMED_OUT, ABORTED}),
    PAUSED: frozenset({RUNNING, FAILED, COMPLETED, ABORTED}),
    FAILED: frozenset({RUNNING, ABORTED}),
    COMPLETED: frozenset(),
    TIMED_OUT: frozenset(),
    ABORTED: frozenset(),
}
TASK_ARROWS: Mapping[str, frozenset[str]] = {
    WAITING: frozenset({DELAYED, ENQUEUED, HELD, FAILED, CANCELLED}),
    DELAYED: frozenset({ENQUEUED, HELD, FAILED, CANCELLED}),
    ENQUEUED: frozenset({POLLED, HELD, FAILED, CANCELLED, COMPLETED}),
    HELD: frozenset({ENQUEUED, FAILED, CANCELLED, COMPLETED}),
    POLLED: frozenset({COMPLETED, DECIDED, FAILED, DELAYED, ENQUEUED, HELD, CANCELLED}),
    DECIDED: frozenset({COMPLETED, FAILED, CANCELLED}),
    FAILED: frozenset({ENQUEUED, HELD}),
    COMPLETED: frozenset(),
    CANCELLED: frozenset(),
}


def broken_in(world: World) -> Iterator[str]:
    """The promises that a world breaks."""
    if world.wrong:
        yield world.wrong
    names = [process.name for process in world.processes if process is not None and process.name is not None]
    buried = [tombstone.name for tombstone in world.tombstones]
    if len(set(names)) < len(names) or set(names) & set(buried):
        yield "two processes of one custom id"
    for process in world.processes:
        if process is not None:
            yield from broken_in_process(process)
    yield from _wrong_answers(world)
    yield from _wrong_leases(world)


def broken_by(before: World, after: World) -> Iterator[str]:
    """The promises that a step breaks."""
    for old, new in zip(before.processes, after.processes, strict=False):
        if old is not new and old is not None and new is not None:
            yield from broken_by_step(old, new)


@remembered
def broken_in_process(process: Process) -> tuple[str, ...]:
    """The promises that a process breaks for itself."""
    return (*_wrong_counts(process), *_wrong_ends(process), *_wrong_tasks(process), *_unexplained(process))


@remembered
def broken_by_step(before: Process, after: Process) -> tuple[str, ...]:
    """The promises that one transaction on a process breaks."""
    broken = []
    if after.state != before.state and after.state not in PROCESS_ARROWS[before.state]:
        broken.append(f"a process went from {before.state} to {after.state}")
    for old, new in zip(before.tasks, after.tasks, strict=True):
        if old is not None and new is not None:
            broken += _wrong_change(old, new)
    return tuple(broken)


def _wrong_change(old: Task, new: Task) -> Iterator[str]:
    if new.state != old.state and new.state not in TASK_ARROWS[old.state]:
        yield f"a task went from {old.state} to {new.state}"
    if old.accepted and not new.accepted:
        yield "an accepted failure was taken back"
    if old.is_settled and (new.state, new.value_from, new.failure) != (old.state, old.value_from, old.failure):
        yield "a task has a second outcome"
    is_restart = old.state == FAILED and new.state != FAILED
    if new.tries != old.tries and not is_restart:
        is_loss = old.state == POLLED and new.state in (ENQUEUED, HELD, FAILED)
        is_try = old.state == POLLED and new.state in (DELAYED, FAILED)
        if new.tries != old.tries + 1 or not (is_loss or is_try) or (old.mates and is_loss and new.state != FAILED):
            yield "a try was counted for what is none"


def _wrong_counts(process: Process) -> Iterator[str]:
    tasks = [task for _, task in process.called()]
    is_open = 0 if process.is_final else sum(not task.is_settled for task in tasks)
    if process.open_tasks != is_open:
        yield "open_tasks does not count the open tasks"
    for index, task in process.called():
        awaited = [process.tasks[need.task] for need in process.flow.facts[index].awaits]
        pending = sum(each is None or not each.is_settled for each in awaited)
        if task.state == WAITING and task.pending != pending:
            yield "pending does not count what is awaited"
        if task.state in (*ACTIVE, HELD, DECIDED) and pending and not process.is_final:
            yield "a task runs before what it awaits is settled"


def _wrong_ends(process: Process) -> Iterator[str]:
    root = process.tasks[0]
    if process.state == COMPLETED and (root is None or not root.is_settled or process.open_tasks):
        yield "a process is COMPLETED whose root is not settled, or with open tasks"
    if process.state in (RUNNING, PAUSED) and process.open_tasks == 0:
        yield "a process with no open task has not ended"
    if process.is_final and any(task.state in UNSETTLED for _, task in process.called()):
        yield "a final process has open tasks"
    if process.state not in (ABORTED, TIMED_OUT) and any(task.state == CANCELLED for _, task in process.called()):
        yield "a task is CANCELLED in a process that was not ended"
    if process.state == RUNNING and any(task.has_failed for _, task in process.called()):
        yield "a process runs on after a failure that nobody accepts"
    if process.state == FAILED and root is not None:
        named = None if process.failed_task is None else process.tasks[process.failed_task]
        if named is None or not named.has_failed:
            yield "a FAILED process does not name what failed"


def _wrong_tasks(process: Process) -> Iterator[str]:
    for index, task in process.called():
        facts = process.flow.facts[index]
        has_decided = task.state in (DECIDED, COMPLETED) or (task.accepted and task.value_from is not None)
        calls = [process.tasks[each] is not None for each in facts.calls]
        if has_decided and not all(calls):
            yield "a decision was applied in part"
        if any(calls) and not has_decided and task.state != CANCELLED:
            yield "a decision was not applied exactly once"
        if task.state == ENQUEUED and process.state != RUNNING:
            yield "a task is handed out in a standstill"
        if task.state == HELD and process.state == RUNNING:
            yield "a task is held though its process runs"
        if (task.state == POLLED) != (task.lease is not None):
            yield "a lease without its holder"
        if task.tries > facts.max_tries:
            yield "a task has more tries than it may have"


def _unexplained(process: Process) -> Iterator[str]:
    """Whoever waits must wait for something that happens by itself, or for somebody who is named."""
    if process.is_final or process.state in (REGISTERING, PAUSED):
        return
    states = {task.state for _, task in process.called()}
    if process.state == RUNNING and not states & ACTIVE:
        yield "a running process waits for nothing that is named"
    for index, task in process.called():
        if task.state in (WAITING, DECIDED) and not _leads_somewhere(process, index):
            yield "a task waits for nothing that is named"


def _leads_somewhere(process: Process, index: int) -> bool:
    task = process.tasks[index]
    if task is None:
        return False
    facts = process.flow.facts[index]
    if task.state == DECIDED and facts.promise is not None:
        return _leads_somewhere(process, facts.promise)
    if task.state == WAITING:
        awaited = [each.task for each in facts.awaits if not _is_settled(process, each.task)]
        return any(_leads_somewhere(process, each) for each in awaited)
    return not task.is_settled


def _is_settled(process: Process, index: int) -> bool:
    task = process.tasks[index]
    return task is not None and task.is_settled


def _wrong_answers(world: World) -> Iterator[str]:
    for client in world.clients:
        if client.step == ANSWERED and client.code != NOT_CREATED:
            if client.place is None or client.place >= len(world.processes):
                yield "a start was answered with a process that does not exist"
            elif client.code == CREATED and client.name not in world.created:
                yield "a start was answered 0 that was not committed"


def _wrong_leases(world: World) -> Iterator[str]:
    """Who holds a lease believes so, unless it died; and one lease has one holder."""
    for place, worker in enumerate(world.workers):
        for number, index in worker.held:
            process = world.processes[number]
            task = None if process is None else process.tasks[index]
            if task is not None and task.lease == place and task.released == place:
                yield "an attempt that was released holds its lease again"
