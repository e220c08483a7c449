"""Audit: the events explain each state, and every refused delivery left its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import inf

from tests.proof.checker.attempts import EXPIRIES
from tests.proof.checker.leases import SPENT
from tests.proof.checker.records import FINAL, STANDSTILLS, EventRow, ProcessRow, TaskRow, Violation
from tests.proof.checker.story import Story
from tests.proof.checker.windows import START_TO_END

REFUSED = "release_refused"
COMPLETED, FAILED = "external_task_completed", "external_task_failed"


def check(story: Story) -> Iterator[Violation]:
    """Every state came from an event."""
    for process in story.records.processes:
        events = story.events_of.get(process.id, ())
        for sentence in (*_ended(process, events), *_stands(process, events, story)):
            yield Violation(sentence, process.id)
        about: defaultdict[str, list[EventRow]] = defaultdict(list)
        for event in events:
            about[event.task_id or ""].append(event)
        for task in story.tasks_of.get(process.id, ()):
            for sentence in _task(task, about.get(task.id, ()), story):
                yield Violation(sentence, process.id, task.id)
    yield from _refusals(story)


def _ended(process: ProcessRow, events: Sequence[EventRow]) -> Iterator[str]:
    aborts = [event for event in events if _aborts(event)]
    timeouts = [event for event in events if event.kind == START_TO_END and event.detail.get("policy") == "time_out"]
    for state, found in (("ABORTED", aborts), ("TIMED_OUT", timeouts)):
        wanted = int(process.state == state)
        if len(found) != wanted:
            yield f"it is {process.state}, but {len(found)} events ended it as {state}: {found}"
    restarts = [event.detail["restarted_as"] for event in events if event.kind == "restarted"]
    wanted_restarts = [process.restarted_as] if process.restarted_as is not None else []
    if restarts != wanted_restarts:
        yield f"it was restarted as {wanted_restarts}, but its events say {restarts}"


def _aborts(event: EventRow) -> bool:
    return event.kind == "aborted" or (event.kind == "restarted" and event.detail.get("state_before") not in FINAL)


def _stands(process: ProcessRow, events: Sequence[EventRow], story: Story) -> Iterator[str]:
    windows = story.standstills.get(process.id, ())
    stands = bool(windows) and windows[-1].until == inf
    # What ran when it was paused may have completed it, and what has completed can be restarted.
    may_stand = process.state == "COMPLETED" and stands and windows[-1].event.kind in ("paused", "restarted")
    if not may_stand and stands != (process.state in (*STANDSTILLS, "ABORTED", "TIMED_OUT")):
        kinds = [(event.id, event.kind, event.detail.get("state")) for event in events]
        yield f"it is {process.state}, but by its events it {'stands still' if stands else 'moves'}: {kinds}"
    pauses = [event.kind for event in events if event.kind in ("paused", "resumed")]
    if process.state == "PAUSED" and pauses[-1:] != ["paused"]:
        yield f"it is PAUSED, but its events say {pauses}"
    if process.state == "FAILED":
        failed = {event.task_id for event in events if event.kind == "task_failed"}
        failed |= {None for event in events if event.kind == "registration_failed"}
        if process.failed_task_id not in failed:
            yield f"it is FAILED for task {process.failed_task_id}, but its events tell of {failed}"


def _task(task: TaskRow, events: Sequence[EventRow], story: Story) -> Iterator[str]:
    kinds = [event.kind for event in events]
    if task.kind == "external" and task.state == "COMPLETED" and kinds.count(COMPLETED) != 1:
        yield f"it was completed from outside, but its events are {kinds}"
    if kinds.count(COMPLETED) > (task.kind == "external" and task.state in ("COMPLETED", "CANCELLED")):
        yield f"it is a task of kind {task.kind}, {task.state}, but its events are {kinds}"
    if task.state != "FAILED":
        return
    if not task.failure_accepted and "task_failed" not in kinds:
        yield f"it failed and nobody accepts it, but its events are {kinds}"
    if not _is_explained(task, events, story):
        yield f"it is FAILED ({task.failure}), but neither a delivery nor an event made it so: {kinds}"


def _is_explained(task: TaskRow, events: Sequence[EventRow], story: Story) -> bool:
    if task.value_from is not None or task.failed_input is not None:
        return True
    if any(event.kind in (SPENT, FAILED) for event in events):
        return True
    if any(event.kind in EXPIRIES and event.detail["became"] == "FAILED" for event in events):
        return True
    attempt = story.attempts_of(task.id).get(task.released_attempt or 0)
    return attempt is not None and any(release.state == "FAILED" for release in attempt.possibly_accepted)


def _refusals(story: Story) -> Iterator[Violation]:
    told: defaultdict[tuple[str, int], int] = defaultdict(int)
    for event in story.records.events:
        if event.kind == REFUSED and event.task_id is not None:
            told[event.task_id, event.detail["attempt"]] += 1
    for task, attempts in story.attempts.items():
        process = story.tasks[task].process_id if task in story.tasks else None
        for number, attempt in attempts.items():
            refused = sum(release.answer == "lease_lost" for release in attempt.releases)
            found = told.pop((task, number), 0)
            if found < refused or found > len(attempt.releases):
                offered = f"{len(attempt.releases)} times, {refused} times it was refused"
                yield Violation(f"attempt {number} was delivered {offered}, but {found} events say so", process, task)
    for (task, number), found in told.items():
        yield Violation(f"{found} events say that attempt {number} was refused, but nobody delivered it", None, task)
