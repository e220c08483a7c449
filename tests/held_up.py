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


def wait_until_held_up_by(blocker: psycopg.Connection) -> list[int]:
    """Wait until connections wait for a lock that `blocker` holds; tell which."""
    until = monotonic() + SECONDS
    with connection.cursor() as cursor:
        while monotonic() < until:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [blocker.info.backend_pid]
            )
            if found := cursor.fetchall():
                return [pid for (pid,) in found]
            sleep(0.01)
    raise AssertionError("nobody waits for the lock")


def cut_who_waits_for(blocker: psycopg.Connection) -> None:
    """Wait until connections wait for a lock of `blocker`, cut them, and return when they are gone."""
    # With a time to wait it returns true only once the other end has ended: nobody is taken for waiting twice.
    with connection.cursor() as cursor:
        for pid in wait_until_held_up_by(blocker):
            cursor.execute("SELECT pg_terminate_backend(%s, %s)", [pid, SECONDS * 1000])
            assert cursor.fetchone() == (True,)
