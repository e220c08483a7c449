"""The actors of the benchmarks: a decider that calls five workers in sequence, and one task that takes a while."""

from __future__ import annotations

from time import sleep

from tasks.actors import decider, worker


@worker
def first(number: int) -> int:
    """Count one up."""
    return number + 1


@worker
def second(number: int) -> int:
    """Count one up."""
    return number + 1


@worker
def third(number: int) -> int:
    """Count one up."""
    return number + 1


@worker
def fourth(number: int) -> int:
    """Count one up."""
    return number + 1


@worker
def fifth(number: int) -> int:
    """Count one up."""
    return number + 1


@worker
def nap(seconds: float) -> None:
    """Take a while."""
    sleep(seconds)


@decider
def count_to_five(number: int) -> int:
    """Five steps in sequence; the value of the last is the result of the process."""
    return fifth(fourth(third(second(first(number)))))
