"""Timeouts: each fired when it was due and not before, and what has been due for long has fired.

When something was due is computed from the histories, as early as it can have been: the lease of an attempt from the
beginning of its claim or of its last heartbeat, a budget from the last thing that the task had to wait for. Clocks
stand while the process stands still, and while the actor or everything is blocked, as far as that is certain.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.checker.attempts import HEARTBEAT, Attempt
from tests.proof.checker.leases import SPENT
from tests.proof.checker.records import EventRow, ProcessRow, Seconds, TaskRow, Violation
from tests.proof.checker.story import Story
from tests.proof.checker.windows import START_TO_END

TOLERANCE = 0.001


def check(story: Story) -> Iterator[Violation]:
    """No timeout came early."""
    for task, attempts in story.attempts.items():
        row = story.tasks.get(task)
        for attempt in attempts.values():
            for event in attempt.expiries:
                if row is not None:
                    yield from _lease(attempt, event, row)
    for event in story.records.events:
        task_row = story.tasks.get(event.task_id or "")
        process = story.processes.get(event.process_id or "")
        if event.kind == SPENT and task_row is not None:
            yield from _budget(event, task_row, story)
        elif event.kind == START_TO_END and process is not None:
            yield from _life(event, process, story)


def _lease(attempt: Attempt, event: EventRow, task: TaskRow) -> Iterator[Violation]:
    if attempt.claims:
        claimed = attempt.claims[0].began
    elif task.attempt == attempt.number and task.polled_at is not None:
        claimed = task.polled_at
    else:
        return
    heard = max([claimed, *(heartbeat.began for heartbeat in attempt.heartbeats)])
    due = claimed + task.poll_to_end
    told = f"claimed at {claimed:.6f}, poll to end {task.poll_to_end} s"
    if event.kind == HEARTBEAT:
        due = min(due, heard + task.heartbeat)
        told += f", last heard of at {heard:.6f}, heartbeat {task.heartbeat} s"
    yield from _early(event, due, f"attempt {attempt.number} {told}", task.process_id, task.id)


def _budget(event: EventRow, task: TaskRow, story: Story) -> Iterator[Violation]:
    if task.enqueue_to_end is None:
        yield Violation(
            f"event {event.id} says that its time is used up, but it has all of it", task.process_id, task.id
        )
        return
    settled = [story.tasks[each.awaited_id] for each in story.awaits.get(task.id, ()) if each.awaited_id in story.tasks]
    restarts = [each.at for each in story.restarts_of(task) if each.at < event.at]
    ready = max([task.created_at, *(each.ended_at for each in settled if each.ended_at is not None), *restarts])
    stood = story.stopped(task.process_id, task.actor, ready, event.at)
    told = f"ready at {ready:.6f} at the earliest, enqueue to end {task.enqueue_to_end} s, stood still {stood:.6f} s"
    yield from _early(event, ready + task.enqueue_to_end + stood, told, task.process_id, task.id)


def _life(event: EventRow, process: ProcessRow, story: Story) -> Iterator[Violation]:
    if process.start_to_end is None:
        yield Violation(f"event {event.id} says that its time is used up, but it has all of it", process.id)
        return
    stood = story.stopped(process.id, None, process.created_at, event.at)
    told = f"started at {process.created_at:.6f}, start to end {process.start_to_end} s, stood still {stood:.6f} s"
    yield from _early(event, process.created_at + process.start_to_end + stood, told, process.id, None)


def _early(event: EventRow, due: Seconds, told: str, process: str, task: str | None) -> Iterator[Violation]:
    if event.at + TOLERANCE < due:
        sentence = f"event {event.id} ({event.kind}) came at {event.at:.6f}, {due - event.at:.6f} s early: {told}"
        yield Violation(sentence, process, task)
