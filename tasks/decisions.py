"""Records a decision: what one execution of a decider calls, and what its own value is or will be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from uuid_utils.compat import uuid7

from tasks.arguments import encode_arguments, encode_result
from tasks.errors import FailureNotAccepted, ForeignPromise, InvalidOption, TooManyCalls
from tasks.policies import CallOptions
from tasks.promises import NoWait, Promise

COLLECT = "tasks.collect#1.0"
"""The built-in decider that waits for the promises in a collection and returns it with their values."""


class Await(NamedTuple):
    """A call waits for this task; `delivers_value` tells an argument from a mere `after`."""

    task_id: UUID
    delivers_value: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One new task of a decision."""

    id: UUID
    actor: str
    kind: str
    arguments: str
    awaits: tuple[Await, ...]
    options: CallOptions

    def to_record(self, process_id: UUID, parent_id: UUID) -> dict[str, Any]:
        """As columns for the statement that inserts it."""
        return self.options.to_record() | {
            "id": self.id,
            "process_id": process_id,
            "parent_id": parent_id,
            "actor": self.actor,
            "kind": self.kind,
            "arguments": self.arguments,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """New tasks, and the decider's value (JSON text) or the task whose value will be its own: exactly one of both."""

    calls: tuple[Call, ...]
    value: str | None
    promise: UUID | None


class Recorder:
    """Collects the calls of one execution of a decider."""

    def __init__(self, given: Collection[UUID], collect_options: CallOptions) -> None:
        self._calls: list[Call] = []
        self._known = set(given)
        self._collect_options = collect_options

    def call(
        self,
        actor: str,
        kind: str,
        arguments: Mapping[str, object],
        options: CallOptions,
        after: Sequence[Promise] = (),
    ) -> Promise:
        """Record a call and return the promise of its value.

        Raises ForeignPromise, FailureNotAccepted, TooManyCalls, NotStorable and ValueTooLarge; then nothing of
        the call is recorded.
        """
        if len(self._calls) >= settings.ORCHESTRATOR_MAX_CALLS_PER_DECISION:
            raise TooManyCalls(f"a decision may call {settings.ORCHESTRATOR_MAX_CALLS_PER_DECISION:,} actors, not more")
        takes_failures = kind == "decider" or options.accepts_failures or options.accept_failure
        awaits: dict[UUID, bool] = {}
        for promise in after:
            if not isinstance(promise, Promise):
                raise InvalidOption("after takes promises")
            self._check_known(promise)
            awaits[promise.task_id] = False

        def refer(promise: Promise, wait: bool) -> None:
            self._check_known(promise)
            if wait:
                if promise.may_fail and not takes_failures:
                    raise FailureNotAccepted(f"{actor} does not accept the Failure that {promise!r} may deliver")
                awaits[promise.task_id] = True

        text = encode_arguments(arguments, refer)
        call_id = uuid7()
        needs = tuple(Await(task_id, delivers) for task_id, delivers in awaits.items())
        self._calls.append(Call(call_id, actor, kind, text, needs, options))
        self._known.add(call_id)
        return Promise(call_id, may_fail=options.accept_failure)

    def finish(self, returned: object) -> Decision:
        """The decision, given what the decider returned: a value, a promise, or a collection with promises in it.

        Raises ForeignPromise, TooManyCalls, NotStorable and ValueTooLarge.
        """
        if isinstance(returned, NoWait):
            returned = returned.promise
        if isinstance(returned, Promise):
            self._check_known(returned)
            return Decision(tuple(self._calls), None, returned.task_id)
        promises: list[Promise] = []

        def refer(value: object) -> Any:
            if isinstance(value, Promise | NoWait):
                promises.append(value.promise if isinstance(value, NoWait) else value)
                return {}
            return None

        value = encode_result(returned, refer=refer)
        if promises:
            collected = self.call(COLLECT, "decider", {"collection": returned}, self._collect_options)
            return Decision(tuple(self._calls), None, collected.task_id)
        return Decision(tuple(self._calls), value, None)

    def _check_known(self, promise: Promise) -> None:
        if promise.task_id not in self._known:
            raise ForeignPromise


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def current_recorder() -> Recorder | None:
    """The recorder of the decider that is running here; None outside of deciders."""
    return _recorder.get()


@contextmanager
def recording(given: Collection[UUID], collect_options: CallOptions) -> Iterator[Recorder]:
    """Record what is called meanwhile. `given` are the tasks whose promises the decider was handed."""
    recorder = Recorder(given, collect_options)
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)
