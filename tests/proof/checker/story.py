"""The records of a run, put in order once for all checks: by process, by task, by attempt."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TypeVar

from tests.proof.checker import attempts, calls, windows
from tests.proof.checker.attempts import Attempt, Attempts, Claim
from tests.proof.checker.calls import Call
from tests.proof.checker.keys import keys_of
from tests.proof.checker.records import DependencyRow, EventRow, ProcessRow, Records, Seconds, TaskRow
from tests.proof.checker.windows import EVERYTHING, Window
from tests.proof.evaluating import Expected, expected
from tests.proof.language import Flow

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Named:
    """A task, and the process that it belongs to."""

    process: ProcessRow
    task: TaskRow


class Story:
    """What happened, as the records tell it."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.processes: Mapping[str, ProcessRow] = {row.id: row for row in records.processes}
        self.tasks: Mapping[str, TaskRow] = {row.id: row for row in records.tasks}
        self.tasks_of = _grouped(records.tasks, lambda task: task.process_id)
        self.events_of = _grouped(
            sorted(records.events, key=lambda each: each.id), lambda event: event.process_id or ""
        )
        self.calls: Sequence[Call] = calls.gather(records.histories)
        self.callers = calls.by_event(self.calls, records.events)
        self.claims: Sequence[Claim]
        self.attempts: Attempts
        self.claims, self.attempts = attempts.gather(records.histories, records.events)
        self.keys = keys_of(self.tasks_of)
        self._expectations: dict[tuple[str, bool], Expected] = {}

    @cached_property
    def keyed(self) -> Mapping[str, Mapping[str, Sequence[TaskRow]]]:
        """The tasks of each process by their keys; two for one key are one too many."""
        found: defaultdict[str, defaultdict[str, list[TaskRow]]] = defaultdict(lambda: defaultdict(list))
        for task in self.records.tasks:
            if task.id in self.keys:
                found[task.process_id][self.keys[task.id]].append(task)
        return found

    @cached_property
    def predecessors(self) -> Mapping[str, Sequence[ProcessRow]]:
        """The processes of which each restart is one: there should be one."""
        return _grouped(self.records.processes, lambda process: process.restarted_as)

    @cached_property
    def children(self) -> Mapping[str, Sequence[TaskRow]]:
        """The tasks of each decision, by the task that decided."""
        return _grouped(self.records.tasks, lambda task: task.parent_id)

    @cached_property
    def awaits(self) -> Mapping[str, Sequence[DependencyRow]]:
        """The dependencies of each waiter."""
        return _grouped(self.records.dependencies, lambda dependency: dependency.waiter_id)

    @cached_property
    def _calls_about(self) -> Mapping[str, Sequence[Call]]:
        return _grouped(self.calls, lambda call: call.arguments.get("task"))

    def calls_about(self, task: str) -> Sequence[Call]:
        """The acts on one task, in the order in which they were asked for."""
        return self._calls_about.get(task, ())

    @cached_property
    def _calls_by_act(self) -> Mapping[tuple[str, str | None], Sequence[Call]]:
        found: defaultdict[tuple[str, str | None], list[Call]] = defaultdict(list)
        for call in self.calls:
            if call.act in calls.KINDS:
                found[calls.KINDS[call.act], call.arguments.get("process")].append(call)
        return found

    def calls_named(self, event: EventRow) -> Sequence[Call]:
        """The calls that may have been about what an event records."""
        return self._calls_by_act.get((event.kind, event.process_id), ())

    def restarts_of(self, task: TaskRow) -> Sequence[EventRow]:
        """The restarts of a task, in their order."""
        return [
            event
            for event in self.events_of.get(task.process_id, ())
            if (event.kind == "task_restarted" and event.task_id == task.id)
            or (event.kind == "failed_tasks_restarted" and task.id in event.detail.get("restarted", ()))
        ]

    @cached_property
    def standstills(self) -> Mapping[str, Sequence[Window]]:
        """When each process stood still, its end among it."""
        return {
            process: windows.standstills(events, self.callers, self._released)
            for process, events in self.events_of.items()
            if process
        }

    @cached_property
    def blocks(self) -> Mapping[str, Sequence[Window]]:
        """When each actor, and (`*`) everything, was blocked."""
        return windows.blocks(self.events_of.get("", ()), self.callers)

    def named(self) -> Iterable[Named]:
        """All tasks of processes that exist."""
        for task in self.records.tasks:
            if task.process_id in self.processes:
                yield Named(self.processes[task.process_id], task)

    def attempts_of(self, task: str) -> Mapping[int, Attempt]:
        """The attempts of a task of which anything tells, in their order."""
        return self.attempts.get(task, {})

    def blocks_of(self, actor: str) -> Sequence[Window]:
        """When an actor was blocked, for itself or with everything."""
        return [*self.blocks.get(actor, ()), *self.blocks.get(EVERYTHING, ())]

    def stopped(self, process: str, actor: str | None, begin: Seconds, end: Seconds) -> Seconds:
        """How long the clock of a process (of a task of an actor) certainly stood between two moments."""
        standing = self.standstills.get(process, ())
        blocked = self.blocks_of(actor) if actor is not None else self.blocks.get(EVERYTHING, ())
        return windows.stopped([*standing, *blocked], begin, end)

    def flow(self, process: ProcessRow) -> Flow:
        """The flow that a process was started with."""
        flow: Flow = json.loads(process.arguments)["flow"]
        return flow

    def expected(self, process: ProcessRow, *, cured: bool) -> Expected:
        """What must come out of a process."""
        name = (process.arguments, cured)
        if name not in self._expectations:
            self._expectations[name] = expected(self.flow(process), cured=cured)
        return self._expectations[name]

    def expectations(self, process: ProcessRow) -> Sequence[Expected]:
        """What may come out of each task of a process: one that was cured may have tasks that ran before."""
        cured = [self.expected(process, cured=True)] if process.id in self.records.cured else []
        return [*cured, self.expected(process, cured=False)]

    def _released(self, event: EventRow) -> Seconds:
        """When the release that failed a task had certainly committed."""
        attempts = self.attempts_of(event.task_id or "").values()
        failed = [release for attempt in attempts for release in attempt.accepted if release.state == "FAILED"]
        return min((each.at for each in failed if each.at is not None and each.at >= event.at), default=inf)


def _grouped(rows: Iterable[Row], key: Callable[[Row], str | None]) -> dict[str, list[Row]]:
    """Rows by what `key` says of them; those of which it says nothing are left out."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if (name := key(row)) is not None:
            found[name].append(row)
    return found
