"""Ends: every process is final or says why not, and what came out is what its flow comes to, task by task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from tests.proof.checker.calls import Call
from tests.proof.checker.records import FINAL, ProcessRow, TaskRow, Violation
from tests.proof.checker.story import Story
from tests.proof.checker.values import NotThere, failure_type, told, value_of
from tests.proof.evaluating import DEPENDENCY_FAILED, Expected
from tests.proof.language import structure

FITTING = {"FAILED": "failed", "PAUSED": "paused", "RUNNING": "waits_for_completion"}
"""What a process that is not final may be answered once everything is quiet, by its state."""

ENDS = {"COMPLETED": ("COMPLETED",), "FAILED": ("FAILED",), "RUNNING": ("RUNNING", "TIMED_OUT")}
"""How the flow of a process ends by itself, by the state in which the process is found."""


def check(story: Story) -> Iterator[Violation]:
    """Processes ended as their flows say."""
    asked = {call.arguments["process"]: call for call in story.calls if call.act == "why"}
    for process in story.records.processes:
        allowed = story.expectations(process)
        yield from _ended(process, allowed)
        if process.state not in FINAL:
            yield from _explained(process, asked.get(process.id), story)
        for task in story.tasks_of.get(process.id, ()):
            yield from _came_out(process, task, allowed, story)


def _ended(process: ProcessRow, allowed: Sequence[Expected]) -> Iterator[Violation]:
    ends = sorted({each.ends for each in allowed})
    if process.state == "COMPLETED" and "COMPLETED" in ends:
        result = structure(told(json.loads(process.result or "null")))
        wanted = [each.value for each in allowed if each.ends == "COMPLETED"]
        if result not in wanted:
            yield Violation(f"its result is {process.result}: {result}, not {wanted}", process.id)
    elif process.state == "TIMED_OUT" and process.start_to_end is None:
        yield Violation("it is TIMED_OUT, but has all the time that there is", process.id)
    elif process.state == "REGISTERING":
        yield Violation(f"it is still REGISTERING, since {process.created_at:.6f}", process.id)
    elif process.state in ENDS and not set(ENDS[process.state]) & set(ends):
        about = f"; it names task {process.failed_task_id}: {process.failure}" if process.failure is not None else ""
        yield Violation(f"it is {process.state}, but its flow ends as {ends}{about}", process.id)


def _explained(process: ProcessRow, asked: Call | None, story: Story) -> Iterator[Violation]:
    answer = asked.answer if asked is not None else None
    if not isinstance(answer, dict) or not answer.get("sentence"):
        yield Violation(f"it is {process.state}, and nothing was answered to why: {answer}", process.id)
        return
    fitting = FITTING.get(process.state)
    if answer.get("code") != fitting:
        yield Violation(
            f"it is {process.state}, so why is answered with {fitting}, not {answer.get('code')}: {answer['sentence']}",
            process.id,
        )
    elif process.state == "RUNNING" and not any(
        task.kind == "external" and task.state == "ENQUEUED" for task in story.tasks_of.get(process.id, ())
    ):
        yield Violation(f"no task of it waits to be completed from outside: {answer['sentence']}", process.id)


def _came_out(process: ProcessRow, task: TaskRow, allowed: Sequence[Expected], story: Story) -> Iterator[Violation]:
    key = story.keys.get(task.id)
    if key is None:
        yield Violation(f"no call leads to it: its parent is {task.parent_id}", process.id, task.id)
    elif task.state == "FAILED" and not task.failure_accepted:
        yield from _failed(process, task, key, allowed)
    elif task.state in ("COMPLETED", "FAILED"):
        yield from _settled(process, task, key, allowed, story)
    elif task.state == "CANCELLED" and process.state not in ("ABORTED", "TIMED_OUT"):
        yield Violation(f"{key} is CANCELLED in a process that is {process.state}", process.id, task.id)


def _failed(process: ProcessRow, task: TaskRow, key: str, allowed: Sequence[Expected]) -> Iterator[Violation]:
    kind = failure_type(task)
    if not any(key in each.failing for each in allowed):
        failing = sorted(set().union(*(each.failing for each in allowed)))
        yield Violation(f"{key} failed with {kind}, unaccepted; only {failing} may", process.id, task.id)
    elif not any((kind == DEPENDENCY_FAILED) == (key in each.doomed) for each in allowed):
        yield Violation(f"{key} failed with {kind}, which it does not by its flow", process.id, task.id)


def _settled(
    process: ProcessRow, task: TaskRow, key: str, allowed: Sequence[Expected], story: Story
) -> Iterator[Violation]:
    try:
        value = structure(value_of(task, story))
    except NotThere:
        yield Violation(f"{key} is {task.state}, but its value is nowhere: {task.value_from}", process.id, task.id)
        return
    wanted = [each.values[key] for each in allowed if key in each.values]
    if value not in wanted:
        yield Violation(f"{key} is {task.state} with {value}, not {wanted}", process.id, task.id)
    if task.state == "FAILED" and not any(key in each.accepted for each in allowed):
        accepted = sorted(set().union(*(each.accepted for each in allowed)))
        yield Violation(f"the failure {value} of {key} was accepted; only {accepted} may be", process.id, task.id)
    if task.state == "COMPLETED" and not any(key in each.values and key not in each.accepted for each in allowed):
        yield Violation(f"{key} is COMPLETED with {value}, but its failure is to be accepted", process.id, task.id)
