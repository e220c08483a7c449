"""Lateness: what was due came within a bounded time, and nobody worked on what had no time left.

When something was due is computed from the histories, as late as it can have been. LATE is generous, for scans may
be kept from running by what strikes the broker or beat (then workers sweep themselves) and by what freezes the
database; it finds what came by luck or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tests.proof.checker.attempts import HEARTBEAT, Attempt
from tests.proof.checker.leases import SPENT
from tests.proof.checker.records import EventRow, ProcessRow, Seconds, TaskRow, Violation
from tests.proof.checker.story import Story
from tests.proof.checker.windows import START_TO_END

LATE = 90.0


def check(story: Story) -> Iterator[Violation]:
    """Leases, budgets and lives that ran out were noticed before long."""
    for named in story.named():
        task = named.task
        for attempt in story.attempts_of(task.id).values():
            for event in attempt.expiries:
                yield from _lease(attempt, event, task)
        if task.enqueue_to_end is not None and task.on_enqueue_to_end == "fail":
            yield from _budget(task, story)
    for process in story.records.processes:
        if process.start_to_end is not None and process.on_start_to_end == "time_out":
            yield from _life(process, story)


def _lease(attempt: Attempt, event: EventRow, task: TaskRow) -> Iterator[Violation]:
    heard = [claim.at for claim in attempt.claims] + [heartbeat.at for heartbeat in attempt.heartbeats]
    if not heard:
        return
    least = min(task.heartbeat, task.poll_to_end) if event.kind == HEARTBEAT else task.poll_to_end
    due = max(heard) + least
    if event.at > due + LATE:
        told = f"attempt {attempt.number} was last heard of at {max(heard):.6f}"
        yield Violation(f"{told}, due at {due:.6f}, and taken back at {event.at:.6f}", task.process_id, task.id)


def _budget(task: TaskRow, story: Story) -> Iterator[Violation]:
    """A restart gives all the time again; what came before the last one is left out."""
    begun = max((event.at for event in story.restarts_of(task)), default=-inf)
    claims = [claim for attempt in story.attempts_of(task.id).values() for claim in attempt.claims]
    claimed = [claim.at for claim in claims if claim.at > begun]
    ready = min(claimed, default=task.enqueued_at)
    if ready is None:
        return
    events = story.events_of.get(task.process_id, ())
    spent = [event.at for event in events if event.kind == SPENT and event.task_id == task.id and event.at > begun]
    last = max([*claimed, *spent], default=ready)
    due = ready + (task.enqueue_to_end or 0.0) + _stood_at_most(story, task.process_id, task.actor, ready, last)
    if last > due + LATE:
        told = f"its time was used up at {due:.6f} at the latest"
        yield Violation(f"{told}, but it was claimed or failed at {last:.6f}", task.process_id, task.id)


def _life(process: ProcessRow, story: Story) -> Iterator[Violation]:
    events = story.events_of.get(process.id, ())
    last = max((event.at for event in events if event.kind == START_TO_END), default=process.ended_at)
    if last is None or process.start_to_end is None:
        return
    stood = _stood_at_most(story, process.id, None, process.created_at, last)
    due = process.created_at + process.start_to_end + stood
    if last > due + LATE:
        yield Violation(f"its time was used up at {due:.6f} at the latest, but it ended at {last:.6f}", process.id)


def _stood_at_most(story: Story, process: str, actor: str | None, begin: Seconds, end: Seconds) -> Seconds:
    """How long clocks can have stood between two moments; LATE covers what a commit takes."""
    windows = [*story.standstills.get(process, ()), *story.blocks_of(actor or "")]
    return sum(max(min(each.until, end) - max(each.stops_at, begin), 0.0) for each in windows)
