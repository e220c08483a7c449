"""Arguments between a call and its execution: written with references, read with the values in their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from processes.failures import Failure
from processes.values import Json, Refer, decode, encode
from tasks.errors import TasksError
from tasks.promises import NoWait, Promise, Settled, references


class ArgumentsTooLarge(TasksError):
    """The arguments of a task, with the values of all promises in them, take more bytes than allowed."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments by parameter name.

    `given` are the promises among them that were handed over as they are, `failures` what promises were replaced with
    that were waited for and are failures, wherever in the arguments they stand.
    """

    values: dict[str, Any]
    given: frozenset[UUID]
    failures: tuple[Failure, ...]


def encode_arguments(arguments: Mapping[str, object], refer: Callable[[Promise, bool], None]) -> str:
    """The JSON text of arguments; `refer` is told of every promise in them, and whether it is waited for.

    Raises NotStorable, ValueTooLarge, and what `refer` raises.
    """

    def content(value: object) -> Json | None:
        if isinstance(value, NoWait):
            refer(value.promise, False)
            return {"task": str(value.promise.task_id), "wait": False}
        if isinstance(value, Promise):
            refer(value, True)
            return {"task": str(value.task_id), "wait": True}
        return None

    return encode(arguments, limit=settings.ORCHESTRATOR_VALUE_LIMIT_BYTES, refer=content, path="arguments")


def decode_arguments(text: str, settled: Mapping[UUID, Settled]) -> Arguments:
    """The arguments of a task with the values of settled tasks in their places.

    Raises ArgumentsTooLarge, and NotReadable where the text or a value is none.
    """
    refers = references(text)
    size = len(text) + sum(len(settled[each.task_id].value or "") for each in refers if each.task_id in settled)
    if size > settings.ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES:
        raise ArgumentsTooLarge(
            f"the arguments take {size:,} characters; {settings.ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES:,} are allowed"
        )

    failures: list[Failure] = []

    def resolve(content: Json) -> object:
        task_id = UUID(content["task"])
        if not content["wait"]:
            return Promise(task_id, settled=(_value(settled[task_id]),) if task_id in settled else ())
        value = _value(settled[task_id])
        if isinstance(value, Failure):
            failures.append(value)
        return value

    values = decode(text, resolve=resolve)
    if type(values) is not dict:
        raise TypeError("arguments are no object")
    return Arguments(values, frozenset(each.task_id for each in refers if not each.wait), tuple(failures))


def encode_result(value: object, *, refer: Refer | None = None) -> str:
    """The JSON text of what an actor returned. Raises NotStorable, ValueTooLarge, and what `refer` raises."""
    return encode(value, limit=settings.ORCHESTRATOR_VALUE_LIMIT_BYTES, refer=refer, path="result")


def _value(settled: Settled) -> object:
    return settled.failure if settled.value is None else decode(settled.value)
