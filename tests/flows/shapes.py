"""Actors that give a process its shape: what deciders may return and hand on, how deep, how wide, how often."""

from __future__ import annotations

import gc
import os
import signal
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

from tasks.actors import Retry, Snooze, current_task, decider, heartbeat, no_wait, worker
from tasks.actors import sleep as durable_sleep
from tests.flows.actors import ONCE, add, echo, total, write_down

LATER = timedelta(hours=1)
AT_ONCE = timedelta(0)


@decider
def computes(value: int) -> Any:
    return 2 * value


@decider
def passes_on(value: Any) -> Any:
    return value


@decider
def returns_nothing() -> None:
    pass


@decider
def promises_one(value: int) -> Any:
    return add(value)


@decider
def promises_several(value: int) -> Any:
    return {"one": add(value), "more": [add(value, 2), ("plain", add(value, 3))]}


@decider
def hands_down(value: int, levels: int, finished: bool) -> Any:
    """Hand a promise down under no_wait, through so many deciders, the last of which returns it."""
    if finished:
        promise: Any = add(value)
        return handed_down.options(after=promise)(no_wait(promise), levels)
    return handed_down(no_wait(add.options(start_in=LATER)(value)), levels)


@decider
def handed_down(promise: Any, levels: int) -> Any:
    if levels > 1:
        return handed_down(no_wait(promise), levels - 1)
    echo(promise.is_resolved)
    return promise


@decider
def leaves_running(path: str, value: Any) -> Any:
    held_open(path)
    return value


@worker
def held_open(path: str) -> str:
    wait_for(path)
    return "let go"


@decider
def loop(rounds: int, so_far: int) -> Any:
    """Add the numbers from 1 to `rounds`, one a round: a loop by a call of itself."""
    return so_far if rounds == 0 else loop(rounds - 1, so_far + rounds)


@decider
def line(length: int) -> Any:
    """So many tasks, each after the one before, without its value."""
    last: Any = ()
    for place in range(length):
        last = echo.options(after=last)(place)
    return last


@decider
def decides_again(path: str, dies: bool) -> Any:
    """Decide, but in the first attempt wait for a sign before the decision is released, or die."""
    promises = [add(number) for number in range(3)]
    echo("not awaited")
    if current_task().attempt == 1:
        write_down(path, str(os.getpid()))
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        wait_for(f"{path}.go")
    return total(promises)


@worker(retry=ONCE)
def polls(path: str, rounds: int) -> int:
    """Look at something outside, once an attempt, until it was looked at so many times."""
    write_down(path, "looked")
    looked = len(Path(path).read_text().splitlines())
    if looked < rounds:
        raise Snooze(AT_ONCE)
    return looked


@worker(retry=Retry(max_attempts=2, initial=AT_ONCE))
def reports(how: str) -> Any:
    """Report details and end the first attempt; the second returns what it finds of them."""
    task = current_task()
    if task.attempt > 1:
        return task.last_details
    heartbeat(("page", 3))
    if how == "snooze":
        raise Snooze(AT_ONCE)
    raise ValueError(how)


@worker(transactional=True, retry=Retry(max_attempts=2, initial=AT_ONCE))
def reports_in_a_transaction(how: str) -> Any:
    return reports.function(how)


@decider
def rests(durations: list[timedelta]) -> Any:
    return [echo.options(after=durable_sleep(duration))(duration) for duration in durations]


def wait_for(path: str) -> None:
    """Wait until a file exists; give up where nobody wants the outcome any more."""
    while not Path(path).exists():
        current_task().raise_if_cancelled()
        sleep(0.01)


@worker
def set_aside() -> int:
    """How many objects Python's collector does not look at in this worker process."""
    return gc.get_freeze_count()
