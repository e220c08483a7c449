"""A COMMIT that is interrupted in this process: nobody goes on inside its transaction."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from threading import Timer
from types import FrameType

import pytest
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.by_hand import wait_until

pytestmark = pytest.mark.usefixtures("rows")

SLOW_COMMIT = """
    CREATE TABLE slow (id int);
    CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(%s); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION be_slow()
"""


def exit_now(number: int, frame: FrameType | None) -> None:
    """What a pool process does when it is told to end."""
    raise SystemExit(number)


@pytest.fixture
def slow_commits() -> Iterator[None]:
    """Whoever inserts into `slow` waits for two seconds at the COMMIT; SIGUSR1 interrupts."""
    before = signal.signal(signal.SIGUSR1, exit_now)
    with connection.cursor() as cursor:
        cursor.execute(SLOW_COMMIT, [2])
    yield
    signal.signal(signal.SIGUSR1, before)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE slow; DROP FUNCTION be_slow")


def insert_and_be_interrupted(do_after: Callable[[], object] = bool) -> None:
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        transaction.on_commit(do_after)
        cursor.execute("INSERT INTO slow VALUES (1)")
        Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)).start()


def is_there() -> bool:
    """Whether somebody else sees the table `next`; drops it."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('next') IS NOT NULL")
        [is_there] = cursor.fetchone()
        cursor.execute("DROP TABLE IF EXISTS next")
    return bool(is_there)


def test_the_interruption_goes_its_way_and_what_comes_next_commits_by_itself(slow_commits: None) -> None:
    with pytest.raises(SystemExit):
        insert_and_be_interrupted()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE next AS SELECT 1 AS id")
    assert is_there()


def test_an_interruption_before_the_commit_is_sent_goes_its_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", lambda self: exit_now(1, None))
    with pytest.raises(SystemExit), transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE never AS SELECT 1 AS id")
    monkeypatch.undo()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE next AS SELECT 1 AS id")
        cursor.execute("SELECT to_regclass('never')")
        assert cursor.fetchone() == (None,)
    assert is_there()


def test_what_was_to_be_done_after_the_commit_is_not_done(slow_commits: None) -> None:
    done: list[str] = []
    with pytest.raises(SystemExit):
        insert_and_be_interrupted(lambda: done.append("rung"))
    with transaction.atomic():
        pass
    assert done == []


def test_the_server_ends_what_it_was_told_to_commit(slow_commits: None) -> None:
    with pytest.raises(SystemExit):
        insert_and_be_interrupted()

    def nobody_else_is_in_a_transaction() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            )
            return bool(cursor.fetchone() == (0,))

    assert wait_until(nobody_else_is_in_a_transaction)
