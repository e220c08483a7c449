"""Tries and attempts: the rows count what the histories say.

A failed try that was delivered counts one; so does a lease that was lost alone; one that was lost in a batch counts
none and has the task claimed alone next; hand-backs and snoozes count none; a restart begins at none. This is exact
but for two cases, where both counts are allowed: an outcome that was delivered without an answer being seen, and the
loss of what was claimed in a batch whose other tasks were all over by then (or whose claim nobody lived to write
down), for then the heartbeat that said "alone now" may have been the last thing that its process did.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.checker.attempts import Attempt
from tests.proof.checker.records import EventRow, Seconds, TaskRow, Violation
from tests.proof.checker.story import Story


def check(story: Story) -> Iterator[Violation]:
    """Every task has the tries and attempts that were seen."""
    for task in story.records.tasks:
        for sentence in _Count(task, story).walk():
            yield Violation(sentence, task.process_id, task.id)


class _Count:
    """Counts the tries of one task: at least `least`, at most `most`. `alone` says that it must be claimed alone."""

    def __init__(self, task: TaskRow, story: Story) -> None:
        self.task = task
        self.story = story
        self.least = self.most = 0
        self.alone = False
        self.restarts = [event.at for event in story.restarts_of(task)]

    def walk(self) -> Iterator[str]:
        for attempt in self.story.attempts_of(self.task.id).values():
            self._restart(attempt.seen_at)
            yield from self._claimed(attempt)
            if attempt.expiries:
                yield from self._lost(attempt, attempt.expiries[0])
            else:
                self._delivered(attempt)
        self._restart(None)
        if not self.least <= self.task.tries <= self.most:
            yield f"it has {self.task.tries} tries in {self.task.attempt} attempts, not {self._told()}"

    def _restart(self, before: Seconds | None) -> None:
        while self.restarts and (before is None or self.restarts[0] < before):
            self.restarts.pop(0)
            self.least = self.most = 0

    def _claimed(self, attempt: Attempt) -> Iterator[str]:
        if self.alone and attempt.claims and len(attempt.claims[0].leases) > 1:
            count = len(attempt.claims[0].leases)
            yield f"attempt {attempt.number} was claimed with {count - 1} others, but is to be claimed alone"
        for run in attempt.runs:
            if not self.least <= run["tries"] <= self.most:
                yield f"attempt {attempt.number} began after {run['tries']} tries, not {self._told()}"
            self.least = self.most = run["tries"]

    def _lost(self, attempt: Attempt, event: EventRow) -> Iterator[str]:
        tries = event.detail["tries"]
        is_alone = self._is_alone(attempt, event)
        least = self.least + (is_alone is True)
        most = self.most + (is_alone is not False)
        if not least <= tries <= most:
            held = {True: "alone", False: "in a batch", None: "alone or in a batch"}[is_alone]
            told = f"{self._told()} tries before"
            yield f"attempt {attempt.number} was lost {held} with {told}, but event {event.id} says {tries} after"
        fails = tries >= self.task.max_attempts or self.task.on_lease_lost == "fail"
        if event.detail["became"] == "FAILED" and (is_alone is False or not fails):
            yield f"attempt {attempt.number} was lost after {tries} tries, which is no reason to fail: {event.detail}"
        self.alone = self.alone or tries == self.least == self.most
        self.least = self.most = tries

    def _is_alone(self, attempt: Attempt, event: EventRow) -> bool | None:
        if not attempt.claims:
            return None
        leases = attempt.claims[0].leases
        if len(leases) == 1 or any(heartbeat.held == 1 for heartbeat in attempt.heartbeats):
            return True
        mates = [(task, number) for task, _, number in leases if task != attempt.task]
        return None if all(self._may_be_over(task, number, event.at) for task, number in mates) else False

    def _may_be_over(self, task: str, number: int, at: Seconds) -> bool:
        mate = self.story.attempts_of(task)[number]
        if any(release.offered_at < at for release in mate.releases) or any(each.at < at for each in mate.expiries):
            return True
        # It may have lost its lease by the end of its process, or of its own budget.
        row = self.story.tasks.get(task)
        return row is None or row.enqueue_to_end is not None or (row.ended_at is not None and row.ended_at < at)

    def _delivered(self, attempt: Attempt) -> None:
        releases = attempt.possibly_accepted
        if not releases:
            return
        counts = [_counts(attempt, release.state) for release in releases]
        self.least += min(counts) if attempt.was_delivered else 0
        self.most += max(counts)
        # What is handed back stays marked.
        self.alone = self.alone and all(release.state == "ENQUEUED" for release in releases)

    def _told(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


def _counts(attempt: Attempt, state: str) -> int:
    """How many tries an outcome counts. What is DELAYED without having run does not fit the code: it counts none."""
    if state == "DELAYED":
        return int(bool(attempt.runs) and not any(end["how"] == "snooze" for end in attempt.ends))
    return int(state == "FAILED")
