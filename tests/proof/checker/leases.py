"""Leases: those on one task follow each other, each ended before the next began; each is held and used once.

A process that is killed between COMMIT and the line of its claim leaves an attempt of which only the recovery event
tells; one that is killed while it delivers leaves a delivery without an answer, which may have ended the lease.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.checker.attempts import Attempt
from tests.proof.checker.effects import is_booking
from tests.proof.checker.records import EventRow, TaskRow, Violation
from tests.proof.checker.story import Story

SPENT = "TASK_ENQUEUE_TO_END_TIMEOUT"
TOLERANCE = 0.001


def check(story: Story) -> Iterator[Violation]:
    """Attempts have no gaps and no overlaps."""
    for task, attempts in story.attempts.items():
        if task not in story.tasks:
            yield Violation(f"attempts {list(attempts)} were seen of a task that does not exist", None, task)
    for task_row in story.records.tasks:
        events = story.events_of.get(task_row.process_id, ()) if task_row.enqueue_to_end is not None else ()
        was_spent = any(_spent_lease(event, task_row) for event in events)
        for sentence in _followed(task_row, was_spent, story):
            yield Violation(sentence, task_row.process_id, task_row.id)
        for attempt in story.attempts_of(task_row.id).values():
            for sentence in (*_used_once(attempt, task_row), *_extended(attempt)):
                yield Violation(sentence, task_row.process_id, task_row.id)


def _spent_lease(event: EventRow, task: TaskRow) -> bool:
    """Whether the budget of a task was used up while it was leased: that ends the lease, too."""
    return event.kind == SPENT and event.task_id == task.id and event.detail.get("state_before") == "POLLED"


def _followed(task: TaskRow, was_spent: bool, story: Story) -> Iterator[str]:
    attempts = story.attempts_of(task.id)
    beyond = [number for number in attempts if number > task.attempt]
    if beyond:
        yield f"attempts {beyond} were seen, but the row counts {task.attempt}"
    for number in range(1, task.attempt + 1):
        attempt = attempts.get(number)
        is_last = number == task.attempt
        if (attempt is None or not attempt.is_known_to_have_ended) and not was_spent:
            if is_last and task.state in ("POLLED", "CANCELLED"):
                continue
            told = "nothing is known of it" if attempt is None else "nothing ended its lease"
            after = f"it is {task.state}" if is_last else f"attempt {number + 1} followed"
            yield f"attempt {number} of {task.attempt}: {told}, but {after}"
        if attempt is not None and not is_last:
            yield from _apart(attempt, attempts.get(number + 1))


def _apart(attempt: Attempt, following: Attempt | None) -> Iterator[str]:
    if following is None or not following.claims:
        return
    claimed = following.claims[0].at
    ended = [event.at for event in attempt.expiries] or [each.offered_at for each in attempt.possibly_accepted]
    if ended and claimed + TOLERANCE < min(ended):
        yield (
            f"attempt {following.number} was claimed at {claimed:.6f}, "
            f"but the lease of attempt {attempt.number} ended at {min(ended):.6f} or later"
        )
    if attempt.claims and claimed + TOLERANCE < attempt.claims[0].began:
        yield (
            f"attempt {following.number} was claimed at {claimed:.6f}, "
            f"before attempt {attempt.number} at {attempt.claims[0].began:.6f}"
        )


def _used_once(attempt: Attempt, task: TaskRow) -> Iterator[str]:
    number = attempt.number
    if len(attempt.claims) > 1:
        claims = [f"{claim.file} at {claim.at:.6f}" for claim in attempt.claims]
        yield f"attempt {number} was claimed {len(claims)} times: {claims}"
    if len(attempt.runs) > 1:
        yield f"attempt {number} ran {len(attempt.runs)} times, from {[run['at'] for run in attempt.runs]}"
    for claim in attempt.claims:
        if (task.id, task.process_id, number) not in claim.leases or claim.actor != task.actor:
            yield f"attempt {number} was claimed as one of {claim.actor} with {claim.leases}"
    for run in attempt.runs:
        if not attempt.claims:
            yield f"attempt {number} ran at {run['at']:.6f}, but nobody claimed it"
        elif run["at"] < attempt.claims[0].at:
            yield f"attempt {number} ran at {run['at']:.6f}, claimed at {attempt.claims[0].at:.6f}"
    # A transactional attempt whose COMMIT got no answer is handed back although it ran.
    if attempt.runs and not is_booking(task.actor) and any(each.state == "ENQUEUED" for each in attempt.accepted):
        yield f"attempt {number} was handed back as unused, but ran at {attempt.runs[0]['at']:.6f}"


def _extended(attempt: Attempt) -> Iterator[str]:
    """No heartbeat that began when a lease had ended extended it, nor another attempt's instead."""
    over = [event.at for event in attempt.expiries]
    over += [release.at for release in attempt.accepted if release.at is not None]
    for heartbeat in attempt.heartbeats:
        if over and heartbeat.began > min(over) + TOLERANCE:
            began, ended = f"{heartbeat.began:.6f}", f"{min(over):.6f}"
            yield f"attempt {attempt.number} was extended by a heartbeat of {began}, but had ended at {ended}"
