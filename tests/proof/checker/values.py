"""The values that tasks have and are handed, exactly: with the nonces that their workers drew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tests.proof.checker.records import Json, ProcessRow, TaskRow
from tests.proof.checker.story import Story
from tests.proof.language import ROOT, Body, Call, Ref


class NotThere(Exception):
    """The value is of a task that is not there, or not settled."""


def value_of(task: TaskRow, story: Story) -> Json:
    """The value of a settled task as histories tell it, nonces kept; a failure as {"failure": type}.

    Raises NotThere where it is not settled, or says that its value stands in a task that has none.
    """
    origin = story.tasks.get(task.value_from) if task.value_from is not None else task
    if origin is None or origin.state not in ("COMPLETED", "FAILED") or task.state == "DECIDED":
        raise NotThere
    if origin.state == "FAILED":
        return {"failure": failure_type(origin)}
    if origin.result is None:
        raise NotThere
    return told(json.loads(origin.result))


def failure_type(task: TaskRow) -> str | None:
    """The type of a task's failure."""
    return json.loads(task.failure)["type"] if task.failure is not None else None


def told(value: Json) -> Json:
    """A stored value as histories tell it."""
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, dict):
        if value.get("$") == "failure":
            return {"failure": value["v"]["type"]}
        return {name: told(each) for name, each in value.items()}
    return value


class Values:
    """Resolves the references of one process's flow to the values in its rows."""

    def __init__(self, story: Story, process: ProcessRow) -> None:
        self.story = story
        self.tasks = story.keyed.get(process.id, {})
        self.flow = story.flow(process)
        self.calls: Mapping[str, Call] = story.expected(process, cured=True).modes

    def handed(self, key: str) -> list[Json]:
        """What a task is to be handed. Raises NotThere where that is not settled."""
        call = self.calls.get(key)
        if call is None:
            return []
        return [self.resolve(ref, _above(key)) for ref in call["inputs"]]

    def body(self, key: str) -> Body | None:
        """What a decider decides; None for everybody else."""
        if key == ROOT:
            return self.flow
        call = self.calls.get(key)
        return call["body"] if call is not None else None

    def resolve(self, ref: Ref, decider: str) -> Json:
        """What a reference in the body of a decider means. Raises NotThere."""
        if "value" in ref:
            return ref["value"]
        if "call" in ref:
            return self._value(f"{decider}.{ref['call']}")
        if "input" in ref:
            if decider == ROOT:
                raise NotThere
            return self.resolve(self.calls[decider]["inputs"][ref["input"]], _above(decider))
        return [self.resolve(each, decider) for each in ref["all"]]

    def _value(self, key: str) -> Json:
        rows: Sequence[TaskRow] = self.tasks.get(key, ())
        if len(rows) != 1:
            raise NotThere
        return value_of(rows[0], self.story)


def _above(key: str) -> str:
    return key.rpartition(".")[0]
