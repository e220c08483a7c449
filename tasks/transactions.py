"""Transactions of the engine's own, repeated where the database asks for it."""

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from psycopg import errors

T = TypeVar("T")
TRIES = 5


def repeated(transact: Callable[[], T]) -> T:
    """Run `transact` in a transaction of its own, again where it lost a deadlock or a serialisation race.

    Must not run inside a transaction. Raises what the database raises, and the fifth lost race.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic(durable=True):
                return transact()
        except OperationalError as error:
            if not (has_lost_a_race(error) and tries_left):
                raise
    raise AssertionError("the last try returns or raises")


def repeated_or_within(transact: Callable[[], T]) -> T:
    """Run `transact` inside the caller's transaction where there is one (in a savepoint), else as `repeated`."""
    if not connection.in_atomic_block:
        return repeated(transact)
    with transaction.atomic():
        return transact()


def has_lost_a_race(error: Exception) -> bool:
    """Whether the database rolled a transaction back because of another one, so that repeating it can help."""
    return isinstance(error.__cause__, (errors.DeadlockDetected, errors.SerializationFailure))
