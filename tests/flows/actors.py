"""Small actors for tests, by hand and on real workers."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from tasks.actors import Cancelled, Failure, Retry, current_task, decider, external, no_wait, worker
from tasks.actors import sleep as durable_sleep
from tests.flows.models import Effect

ONCE = Retry(max_attempts=1)
SOON = timedelta(seconds=2)


@worker
def echo(value: Any) -> Any:
    return value


@worker
def add(a: int, b: int = 1) -> int:
    return a + b


@worker(retry=ONCE)
def fail(message: str) -> None:
    raise ValueError(message)


@worker(accepts_failures=True)
def describe(value: Any) -> str:
    return f"failure: {value.message}" if isinstance(value, Failure) else f"value: {value}"


@decider
def chain(start: int, length: int = 5) -> Any:
    value: Any = start
    for _ in range(length):
        value = add(value)
    return value


@decider
def fan(count: int) -> Any:
    return total([add(number) for number in range(count)])


@worker
def total(numbers: list[int]) -> int:
    return sum(numbers)


@decider
def diamond(value: int) -> Any:
    top = add(value)
    return total([add(top), add(top, 2)])


@decider
def handing_on(value: int) -> Any:
    return waiting_later(no_wait(add(value)))


@decider
def waiting_later(promise: Any) -> Any:
    return echo(promise)


@decider
def nest(depth: int) -> Any:
    return add(0) if depth == 0 else nest(depth - 1)


@decider
def accepted(message: str) -> Any:
    return judge(fail.options(accept_failure=True)(message))


@decider
def judge(outcome: Any) -> Any:
    return f"failed with {outcome.message}" if isinstance(outcome, Failure) else outcome


@decider
def climbing(depth: int) -> Any:
    if depth == 0:
        return judge(inner_climb.options(accept_failure=True)(2))
    return climbing(depth - 1)


@decider
def inner_climb(depth: int) -> Any:
    return fail("from below") if depth == 0 else inner_climb(depth - 1)


@decider
def accepting_call(message: str) -> Any:
    failed: Any = fail.options(accept_failure=True)(message)
    return echo.options(accepts_failures=True)(failed)


@decider
def unaccepted(message: str) -> Any:
    return echo(fail(message))


@decider
def dependent_worker() -> Any:
    failed: Any = fail.options(accept_failure=True)("no input")
    return add.options(accept_failure=True)(failed)


@decider
def failing_decider() -> Any:
    echo(1)
    raise RuntimeError("cannot decide")


@decider
def two_branches(message: str) -> Any:
    echo.options(after=durable_sleep(timedelta(seconds=0)))("beside")
    return [echo("one"), fail(message)]


@decider
def spread(path: str, count: int, seconds: float) -> Any:
    return count_up([nap(path, seconds) for _ in range(count)])


@worker
def count_up(done: list[Any]) -> int:
    return len(done)


@worker
def nap(path: str, seconds: float) -> str:
    """Sleep, and write down who slept when."""
    began = perf_counter()
    sleep(seconds)
    write_down(path, f"{os.getpid()} {began} {perf_counter()}")
    return path


@worker
def long_nap(path: str, seconds: float) -> str:
    write_down(path, f"long nap begins in {os.getpid()}")
    sleep(seconds)
    write_down(path, "long nap ends")
    return path


@worker
def other_nap(path: str, seconds: float) -> str:
    sleep(seconds)
    write_down(path, f"other nap {perf_counter()}")
    return path


@worker
def busy(seconds: float) -> None:
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


@decider
def long_and_short(path: str, long_seconds: float, short_seconds: float) -> Any:
    return [long_nap(path, long_seconds), other_nap(path, short_seconds)]


@decider
def five_actors(value: int) -> Any:
    return fifth(fourth(third(second(first(value)))))


@worker
def first(value: int) -> int:
    return value + 1


@worker
def second(value: int) -> int:
    return value + 1


@worker
def third(value: int) -> int:
    return value + 1


@worker
def fourth(value: int) -> int:
    return value + 1


@worker
def fifth(value: int) -> int:
    return value + 1


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot be printed")

    def __reduce__(self) -> Any:
        raise RuntimeError("cannot be pickled")


class Unstorable:
    pass


MISDEEDS: dict[str, Callable[[], Any]] = {
    "unprintable": lambda: (_ for _ in ()).throw(Unprintable()),
    "unstorable": Unstorable,
    "too large": lambda: "x" * (2**20 + 1),
    "SystemExit": lambda: (_ for _ in ()).throw(SystemExit(3)),
    "KeyboardInterrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt()),
    "GeneratorExit": lambda: (_ for _ in ()).throw(GeneratorExit()),
    "nothing wrong": lambda: "fine",
}


@worker(retry=ONCE)
def misbehave(how: str) -> Any:
    if how == "crash in C":
        ctypes.string_at(0)
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return MISDEEDS[how]()


@worker(retry=Retry(max_attempts=3), heartbeat=SOON)
def poison(kills: bool) -> str:
    if kills:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@worker(heartbeat=SOON)
def stubborn(path: str, seconds: float) -> str:
    write_down(path, f"attempt in {os.getpid()}")
    sleep(seconds)
    write_down(path, f"end in {os.getpid()}")
    return path


@worker(transactional=True, heartbeat=SOON, retry=Retry(max_attempts=10, initial=timedelta(seconds=0.1)))
def book(what: str, path: str = "", fails: bool = False) -> str:
    Effect.objects.create(what=what)
    if path and not Path(path).exists():
        write_down(path, "first attempt")
        os.kill(os.getpid(), signal.SIGKILL)
    if fails:
        raise ValueError("after the write")
    return what


def write_down(path: str, line: str) -> None:
    """Append a line to a file that several processes write."""
    with open(path, "a") as file:
        file.write(line + "\n")


@decider
def failing_line(length: int) -> Any:
    value: Any = fail.options(accept_failure=True)("at the beginning")
    for _ in range(length):
        value = add.options(accept_failure=True)(value)
    return value


@external
def signature(number: int) -> bool:
    return bool(number)


@decider
def signed(number: int) -> Any:
    return echo(signature(number))


@decider
def wait_a_while(seconds: float) -> Any:
    return echo.options(after=durable_sleep(timedelta(seconds=seconds)))("waited")


@decider
def timer_and_sum() -> Any:
    return [total([1, 2]), wait_a_while(3600)]


if os.environ.get("FLOWS_NEWER"):

    @worker(name="flows.echo", version="9.9")
    def newer_echo(value: Any) -> Any:
        return value


@external
def approval(question: str) -> str:
    """Answered by a person."""
    raise NotImplementedError


@decider
def approved(question: str) -> Any:
    return echo(approval(question))


@worker(heartbeat=SOON)
def listen(path: str) -> None:
    """Go on until the outcome is no longer wanted."""
    write_down(path, f"listening in {os.getpid()}")
    try:
        while True:
            sleep(0.02)
            current_task().raise_if_cancelled()
    except Cancelled:
        write_down(path, f"cancelled in {os.getpid()}")
        raise
