"""Promises: the future values of tasks, as deciders hold them and as arguments refer to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from processes.failures import Failure
from tasks.errors import NotResolved, PromiseIsNotAValue

REFERENCE = re.compile(r'\{"\$":"ref","v":\{"task":"([0-9a-f-]{36})","wait":(true|false)\}\}')
"""A reference as `tasks.arguments` writes it; a user's own text cannot look like one, for its quotes are escaped."""


class Reference(NamedTuple):
    """A task that arguments refer to; `wait` tells whether they wait for its value or take the promise itself."""

    task_id: UUID
    wait: bool


class Settled(NamedTuple):
    """The value of a settled task, as JSON text, or the failure it ended with."""

    value: str | None
    failure: Failure | None = None


def references(arguments: str) -> list[Reference]:
    """The references in stored arguments, in order, each as often as it stands there."""
    if '"ref"' not in arguments:
        return []
    return [Reference(UUID(task), wait == "true") for task, wait in REFERENCE.findall(arguments)]


class Promise:
    """The future value of a task. Not a value: pass it to an actor, and the value arrives there.

    One that a decider was handed under `no_wait` can be asked whether it `is_resolved`, and for its `value`.
    """

    __slots__ = ("_may_fail", "_settled", "_task_id")
    __hash__ = None  # type: ignore[assignment]  # comparing raises, so hashing cannot work

    def __init__(self, task_id: UUID, *, may_fail: bool = False, settled: tuple[Any, ...] = ()) -> None:
        self._task_id = task_id
        self._may_fail = may_fail
        self._settled = settled

    @property
    def task_id(self) -> UUID:
        """The task whose value this will be."""
        return self._task_id

    @property
    def may_fail(self) -> bool:
        """Whether its failure was accepted by the call, so that a Failure may arrive instead of a value."""
        return self._may_fail

    @property
    def is_resolved(self) -> bool:
        """Whether the value was there when the decider was handed this promise."""
        return bool(self._settled)

    @property
    def value(self) -> Any:
        """The value (or the Failure) of a resolved promise. Raises NotResolved."""
        if not self.is_resolved:
            raise NotResolved
        return self._settled[0]

    def __repr__(self) -> str:
        return f"<Promise of task {self._task_id}>"

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise PromiseIsNotAValue

    __getattr__ = __call__ = __getitem__ = __contains__ = __iter__ = __len__ = __bool__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __str__ = __format__ = __bytes__ = __int__ = __float__ = __index__ = __complex__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __mod__ = __rmod__ = __and__ = __or__ = __xor__ = __neg__ = __pos__ = __abs__ = _refuse
    __reduce_ex__ = __reduce__ = __enter__ = __exit__ = __await__ = __next__ = _refuse


@dataclass(frozen=True, slots=True)
class NoWait:
    """A promise to be handed over as it is, resolved or not. Made by `no_wait`."""

    promise: Promise


def delivered(argument: Any) -> Any:
    """What stands for an argument where a call is made at once: the promise under no_wait, else its value."""
    if type(argument) is NoWait:
        return argument.promise
    return argument.value if type(argument) is Promise else argument
