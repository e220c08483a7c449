"""Order: nothing ran before what it depends on was settled, nor before its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.proof.checker.attempts import Attempt
from tests.proof.checker.records import Seconds, TaskRow, Violation
from tests.proof.checker.story import Named, Story

TOLERANCE = 0.001
"""The clocks of programs and database are one, but each rounds for itself."""


def check(story: Story) -> Iterator[Violation]:
    """Every claim came after what it had to wait for."""
    for named in story.named():
        for sentence in _late_enough(named, story):
            yield Violation(sentence, named.process.id, named.task.id)


def _late_enough(named: Named, story: Story) -> Iterator[str]:
    task = named.task
    began = _first_moment(task, story)
    if began is None:
        return
    key = story.keys.get(task.id, task.id)
    told = story.expected(named.process, cured=True)
    least = told.least_delay.get(key, 0.0)
    if began + TOLERANCE < task.created_at + least:
        yield f"{key} was claimed at {began:.6f}, but made at {task.created_at:.6f}, to start {least} s later"
    awaited = {dependency.awaited_id for dependency in story.awaits.get(task.id, ())}
    tasks = story.keyed[named.process.id]
    awaited |= {row.id for awaited_key in told.awaits.get(key, ()) for row in tasks.get(awaited_key, ())}
    for awaited_id in sorted(awaited):
        yield from _after(story.tasks.get(awaited_id), awaited_id, key, began, story)
    yield from _paused(story.attempts_of(task.id), key)


def _first_moment(task: TaskRow, story: Story) -> Seconds | None:
    """The first moment at which the task may have been handed out, at the latest; None where it never was.

    What was handed out and lost without a trace left its recovery event.
    """
    seen = [attempt.seen_at for attempt in story.attempts_of(task.id).values()]
    moments = [moment for moment in seen if moment is not None]
    if not moments and task.polled_at is not None:
        return task.polled_at
    return min(moments, default=None)


def _after(awaited: TaskRow | None, awaited_id: str, key: str, began: Seconds, story: Story) -> Iterator[str]:
    if awaited is None:
        yield f"{key} was claimed at {began:.6f}, but awaits {awaited_id}, which does not exist"
        return
    name = story.keys.get(awaited_id, awaited_id)
    if not awaited.is_settled or awaited.ended_at is None:
        yield f"{key} was claimed at {began:.6f}, but awaits {name}, which is {awaited.state}"
    elif began + TOLERANCE < awaited.ended_at:
        yield f"{key} was claimed at {began:.6f}, but awaits {name}, which was settled at {awaited.ended_at:.6f}"
    attempt = story.attempts_of(awaited_id).get(awaited.released_attempt or 0)
    if attempt is not None and attempt.accepted and began + TOLERANCE < attempt.accepted[0].offered_at:
        told = f"whose outcome was delivered at {attempt.accepted[0].offered_at:.6f}"
        yield f"{key} was claimed at {began:.6f}, but awaits {name}, {told}"


def _paused(attempts: Mapping[int, Attempt], key: str) -> Iterator[str]:
    """After a failed try and after a snooze there is a pause."""
    for number, attempt in attempts.items():
        following = attempts.get(number + 1)
        claimed = following.seen_at if following is not None else None
        delayed = [release for release in attempt.accepted if release.state == "DELAYED"]
        pauses = [end["pause"] for end in attempt.ends if end["pause"] is not None]
        if claimed is None or not delayed or not pauses:
            continue
        if claimed + TOLERANCE < delayed[0].offered_at + pauses[0]:
            yield (
                f"attempt {number} of {key} was to be followed {pauses[0]} s after {delayed[0].offered_at:.6f}, "
                f"but attempt {number + 1} was claimed at {claimed:.6f}"
            )
