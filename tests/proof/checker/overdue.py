"""Overdue: of what has been due for long when the rows were read, nothing is left undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.proof.checker.records import ActorStatusRow, ProcessRow, Seconds, TaskRow, Violation
from tests.proof.checker.story import Story
from tests.proof.checker.windows import EVERYTHING

SLACK = 30.0
"""So long after its time something may still be done by itself: several periods of the scans, and a slow machine."""
BUDGETED = ("WAITING", "DELAYED", "ENQUEUED", "HELD", "POLLED")


def check(story: Story) -> Iterator[Violation]:
    """Every lease, delay, budget and life that ran out was noticed."""
    clocks = _Clocks({row.name: row for row in story.records.statuses}, story.records.looked_at)
    for process in story.records.processes:
        for what, due, now in _of_process(process, clocks):
            if due + SLACK < now:
                yield Violation(f"{what} at {due:.6f}, and it is {now:.6f} and nothing was done", process.id)
    for named in story.named():
        for what, due, now in _of_task(named.task, named.process, clocks):
            if due + SLACK < now:
                sentence = f"{what} at {due:.6f}, and it is {now:.6f} and nothing was done"
                yield Violation(sentence, named.process.id, named.task.id)


class _Clocks:
    def __init__(self, statuses: Mapping[str, ActorStatusRow], now: Seconds) -> None:
        self.statuses = statuses
        self.now = now
        self.installation = self._shown(EVERYTHING, now)

    def of(self, actor: str) -> Seconds:
        return self._shown(actor, self.installation)

    def is_blocked(self, actor: str) -> bool:
        found = [self.statuses[name] for name in (actor, EVERYTHING) if name in self.statuses]
        return any(status.blocked_at is not None for status in found)

    def _shown(self, name: str, now: Seconds) -> Seconds:
        status = self.statuses.get(name)
        if status is None:
            return now
        return (now if status.clock_stopped_at is None else status.clock_stopped_at) - status.blocked_for


def _of_process(process: ProcessRow, clocks: _Clocks) -> Iterator[tuple[str, Seconds, Seconds]]:
    if process.state == "RUNNING" and process.deadline_at is not None:
        yield "its start-to-end time was used up", process.deadline_at, clocks.installation
    if process.state == "REGISTERING":
        yield "it was started", process.created_at, clocks.now


def _of_task(task: TaskRow, process: ProcessRow, clocks: _Clocks) -> Iterator[tuple[str, Seconds, Seconds]]:
    if task.state in BUDGETED and task.deadline_at is not None:
        yield "its enqueue-to-end time was used up", task.deadline_at, clocks.of(task.actor)
    if task.state == "POLLED" and task.lease_ends_at is not None:
        yield "its lease ended", task.lease_ends_at, clocks.now
    if task.state == "DELAYED" and task.due_at is not None:
        yield "it was due", task.due_at, clocks.now
    is_handed_out = task.state == "ENQUEUED" and task.kind != "external" and not clocks.is_blocked(task.actor)
    if is_handed_out and task.enqueued_at is not None:
        yield "it was enqueued", task.enqueued_at, clocks.now
