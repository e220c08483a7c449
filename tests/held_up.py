"""Races on real locks: who waits for whom, and an act in a thread of its own that is let go in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TypeVar

import psycopg
from django.db import connection

T = TypeVar("T")
SECONDS = 30


def somebody_else() -> psycopg.Connection:
    """A connection to the database of the tests beside Django's, which begins a transaction with its first word."""
    known = connection.settings_dict
    return psycopg.connect(
        dbname=known["NAME"], user=known["USER"], password=known["PASSWORD"], host=known["HOST"], port=known["PORT"]
    )


def in_own_connection(act: Callable[[], T]) -> T:
    """Run `act` in a thread's own connection and close that."""
    try:
        return act()
    finally:
        connection.close()


@contextmanager
def beside(blocker: psycopg.Connection, act: Callable[[], T]) -> Iterator[Future[T]]:
    """Run `act` in a thread. What `blocker` still holds at the end is let go, so that the thread can end too."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(in_own_connection, act)
        finally:
            blocker.rollback()


def wait_until_held_up_by(blocker: psycopg.Connection) -> None:
    """Wait until a connection waits for a lock that `blocker` holds."""
    _wait_for_rows("SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", blocker)


def cut_who_waits_for(blocker: psycopg.Connection) -> None:
    """Wait until a connection waits for a lock of `blocker`, and cut it."""
    _wait_for_rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", blocker
    )


def _wait_for_rows(query: str, blocker: psycopg.Connection) -> None:
    until = monotonic() + SECONDS
    with connection.cursor() as cursor:
        while monotonic() < until:
            cursor.execute(query, [blocker.info.backend_pid])
            if cursor.fetchall():
                return
            sleep(0.01)
    raise AssertionError("nobody waits for the lock")
