"""What clients and the steering program asked for, and what they were answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.proof.checker.records import EventRow, Json, Line, Seconds

KINDS = {
    "pause": "paused",
    "resume": "resumed",
    "abort": "aborted",
    "restart_process": "restarted",
    "restart_task": "task_restarted",
    "restart_failed_tasks": "failed_tasks_restarted",
    "complete_task": "external_task_completed",
    "fail_task": "external_task_failed",
    "block": "blocked",
    "unblock": "unblocked",
    "pause_everything": "everything_paused",
    "resume_everything": "everything_resumed",
}
"""The kind of the audit record of each act."""


@dataclass(slots=True)
class Call:
    """One call. Without an answer, or answered with an error of the database, nobody knows whether it was done."""

    file: str
    act: str
    arguments: Json
    at: Seconds
    answer: Json = None
    answered_at: Seconds | None = None

    @property
    def event(self) -> int | None:
        """The audit record that it was answered with."""
        return self.answer.get("event") if isinstance(self.answer, dict) else None

    @property
    def is_refused(self) -> bool:
        """Whether it was answered that nothing was done."""
        return isinstance(self.answer, dict) and "refused" in self.answer

    @property
    def is_unknown(self) -> bool:
        """Whether it may or may not have been done."""
        return self.event is None and not self.is_refused


def gather(histories: Mapping[str, Sequence[Line]]) -> list[Call]:
    """All calls, in the order in which they began."""
    calls: list[Call] = []
    for file, lines in histories.items():
        going: dict[object, Call] = {}
        for line in lines:
            if line["what"] == "call":
                call = Call(file, line["act"], line["arguments"], line["at"])
                going[line["id"]] = call
                calls.append(call)
            elif line["what"] == "answer" and line["id"] in going:
                call = going.pop(line["id"])
                call.answer, call.answered_at = line["answer"], line["at"]
    return sorted(calls, key=lambda call: call.at)


def by_event(calls: Iterable[Call], events: Iterable[EventRow]) -> dict[int, list[Call]]:
    """The calls behind each audit record: those that were answered with it, and those with its request id."""
    named: dict[str, int] = {event.request_id: event.id for event in events if event.request_id is not None}
    found: defaultdict[int, list[Call]] = defaultdict(list)
    for call in calls:
        event = call.event if call.event is not None else named.get(call.arguments.get("request") or "")
        if event is not None and call.act in KINDS:
            found[event].append(call)
    return found
