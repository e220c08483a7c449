"""The keys of tasks: which call of its flow each of them is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tests.proof.checker.records import Seconds, TaskRow
from tests.proof.language import COLLECT, RETURNED, ROOT, TIMER

BUILT_IN = {COLLECT: "tasks.collect#1.0", TIMER: "tasks.sleep#1.0"}
"""The names of the built-in actors."""


def keys_of(tasks_of: Mapping[str, Sequence[TaskRow]]) -> dict[str, str]:
    """The key of each task: its place among the tasks of its decision, whose ids grow in the order of the calls.

    The tasks of one decision were made at one moment; where a task decided twice, each counts its calls from 0.
    """
    keys: dict[str, str] = {}
    for process, tasks in tasks_of.items():
        decisions = _decisions(tasks)
        keys[process] = ROOT
        known = [process]
        while known:
            parent = known.pop()
            for children in decisions.get(parent, ()):
                for place, child in enumerate(children):
                    end = RETURNED if child.actor == BUILT_IN[COLLECT] else place
                    keys[child.id] = f"{keys[parent]}.{end}"
                    known.append(child.id)
    return keys


def _decisions(tasks: Sequence[TaskRow]) -> dict[str, list[list[TaskRow]]]:
    """The tasks of each decision, in the order of their calls, by the task that decided."""
    made: defaultdict[tuple[str, Seconds], list[TaskRow]] = defaultdict(list)
    for task in sorted(tasks, key=lambda each: each.id):
        if task.parent_id is not None:
            made[task.parent_id, task.created_at].append(task)
    decisions: defaultdict[str, list[list[TaskRow]]] = defaultdict(list)
    for (parent, _), children in made.items():
        decisions[parent].append(children)
    return decisions
