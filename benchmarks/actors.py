"""The chain of the benchmark: a decider that calls five workers, each with the promise of the one before."""

from __future__ import annotations

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


@decider
def count_to_five(number: int) -> int:
    """Five steps in sequence; the value of the last is the result of the process."""
    return fifth(fourth(third(second(first(number)))))
