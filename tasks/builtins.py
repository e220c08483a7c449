"""The actors that the engine brings along."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tasks.decisions import current_recorder
from tasks.declaring import decider, worker


@worker(name="tasks.sleep")
def _slept() -> None:
    """The task of a timer: it starts when the time is over, and does nothing."""


@decider(name="tasks.collect")
def collect(collection: Any) -> Any:
    """Returns a collection whose promises have become values."""
    return collection


def sleep(duration: timedelta) -> Any:
    """Inside a decider: the promise of nothing that resolves after `duration`. It survives restarts of everything.

    Outside of a decider it returns at once, so that deciders can be tested as functions. Raises InvalidOption.
    """
    if current_recorder() is None:
        return None
    return _slept.options(start_in=duration)()
