"""The actors that the engine brings along."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from uuid_utils.compat import uuid7

from tasks.decisions import current_recorder
from tasks.declaring import decider, worker
from tasks.errors import PromiseIsNotAValue
from tasks.policies import check_duration
from tasks.promises import NoWait, Promise


@worker(name="tasks.sleep")
def _slept() -> None:
    """The task of a timer: it starts when the time is over, and does nothing."""


@decider(name="tasks.collect")
def collect(collection: Any) -> Any:
    """Returns a collection whose promises have become values."""
    return collection


def no_wait(promise: Any) -> Any:
    """Hand the promise itself to a decider: the call does not wait for its value. Raises PromiseIsNotAValue.

    Outside of a decider, where calls return values, a value stands for a promise that is resolved, so that deciders
    can be tested as functions.
    """
    if isinstance(promise, Promise):
        return NoWait(promise)
    if current_recorder() is not None:
        raise PromiseIsNotAValue("no_wait takes a promise")
    return NoWait(Promise(uuid7(), settled=(promise,)))


def sleep(duration: timedelta) -> Any:
    """Inside a decider: the promise of nothing that resolves after `duration`. It survives restarts of everything.

    Outside of a decider it returns at once, so that deciders can be tested as functions. Raises InvalidOption.
    """
    check_duration("the duration of a sleep", duration, shortest=timedelta(0))
    if current_recorder() is None:
        return None
    return _slept.options(start_in=duration)()
