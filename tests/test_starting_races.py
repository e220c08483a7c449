"""Starts at the same time, on real connections: one custom_id, one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Barrier, Event

import pytest
from django.db import connection, transaction
from django.test import override_settings

from processes.models import Process
from tasks.actors import Code, Reason, Started, StartRequest, delete_process, start_process, start_processes
from tasks.errors import StartConflict
from tests.by_hand import elsewhere, finished, wait_until, waiting_backends
from tests.flows.actors import echo

pytestmark = pytest.mark.usefixtures("rows")
CLIENTS = 50


def codes(answers: Sequence[Started]) -> Counter[int]:
    return Counter(int(answer.code) for answer in answers)


@pytest.mark.parametrize("in_transaction", [False, True])
def test_of_fifty_clients_exactly_one_creates_and_all_name_the_same_process(in_transaction: bool) -> None:
    barrier = Barrier(CLIENTS)

    def client() -> Started:
        connection.ensure_connection()
        barrier.wait()
        if not in_transaction:
            return start_process(echo, 1, custom_id="one")
        with transaction.atomic():
            return start_process(echo, 1, custom_id="one")

    with elsewhere(CLIENTS) as submit, override_settings(ORCHESTRATOR_START_LOCK_SECONDS=20):
        answers = [each.result() for each in [submit(client) for _ in range(CLIENTS)]]
    assert codes(answers) == {0: 1, 1: 49}
    assert {answer.process_id for answer in answers} == {Process.objects.get().id}


def test_in_repeatable_read_a_start_that_cannot_see_the_winner_is_a_conflict_and_breaks_nothing() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert Process.objects.count() == 0
        with elsewhere() as submit:
            assert submit(start_process, echo, 1, custom_id="won").result().code is Code.CREATED
        with pytest.raises(StartConflict):
            start_process(echo, 1, custom_id="won")
        assert start_process(echo, 1, custom_id="other").code is Code.CREATED
    assert set(Process.objects.values_list("custom_id", flat=True)) == {"won", "other"}


def test_in_repeatable_read_a_visible_process_is_answered() -> None:
    first = start_process(echo, 1, custom_id="seen")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        again = start_process(echo, 1, custom_id="seen")
    assert (again.code, again.process_id) == (Code.EXISTS, first.process_id)


def test_two_batches_with_the_same_ids_in_opposite_order_do_not_deadlock() -> None:
    names = [f"id-{number:03}" for number in range(200)]
    barrier = Barrier(2)

    def batch(custom_ids: Sequence[str]) -> list[Started]:
        connection.ensure_connection()
        barrier.wait()
        with transaction.atomic():
            return start_processes(StartRequest(actor=echo, args=(1,), custom_id=each) for each in custom_ids)

    with override_settings(ORCHESTRATOR_START_LOCK_SECONDS=20), elsewhere(2) as submit:
        for _ in range(5):
            both = [submit(batch, names), submit(batch, names[::-1])]
            total = codes([answer for each in both for answer in each.result()])
            assert total[0] + total[1] == 400
            assert Process.objects.count() == 200
            Process.objects.all().delete()
            assert total[0] == 200


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_start_that_meets_the_deletion_of_its_predecessor_yields_no_second_process(isolation: str) -> None:
    old = finished(echo, 1, custom_id="old")
    deleted, may_commit = Event(), Event()

    def deletion() -> None:
        with transaction.atomic():
            delete_process(old)
            deleted.set()
            may_commit.wait(30)

    def start() -> Started | StartConflict:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
                assert Process.objects.count() == 1
                return start_process(echo, 1, custom_id="old")
        except StartConflict as conflict:
            return conflict

    with override_settings(ORCHESTRATOR_START_LOCK_SECONDS=20), elsewhere(2) as submit:
        deleting = submit(deletion)
        deleted.wait(30)
        starting = submit(start)
        wait_until(lambda: waiting_backends("%INSERT INTO processes_process%") == 1)
        may_commit.set()
        deleting.result()
        answer = starting.result()
    assert Process.objects.count() == 0
    if isolation == "READ COMMITTED":
        assert isinstance(answer, Started)
        assert (answer.code, answer.process_id) == (Code.EXISTS, old.id)
    else:
        assert isinstance(answer, StartConflict)


def test_in_repeatable_read_a_tombstone_that_came_after_the_snapshot_is_a_conflict() -> None:
    old = finished(echo, 1, custom_id="old")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert Process.objects.count() == 1
        with elsewhere() as submit:
            submit(delete_process, old).result()
        with pytest.raises(StartConflict):
            start_process(echo, 1, custom_id="old")
    assert Process.objects.count() == 0


@pytest.mark.parametrize("in_transaction", [False, True])
def test_while_another_start_stays_uncommitted_the_answer_is_busy_in_bounded_time(in_transaction: bool) -> None:
    inserted, may_end = Event(), Event()

    def undecided() -> None:
        with transaction.atomic():
            start_process(echo, 1, custom_id="held")
            inserted.set()
            may_end.wait(30)

    with override_settings(ORCHESTRATOR_START_LOCK_SECONDS=0.2), elsewhere() as submit:
        holding = submit(undecided)
        inserted.wait(30)
        requests = [StartRequest(actor=echo, args=(1,), custom_id=each) for each in ("free", "held", "held", "zfree")]
        if in_transaction:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1234ms'")
                answers = start_processes(requests)
                cursor.execute("SHOW lock_timeout")
                assert cursor.fetchone() == ("1234ms",)
                assert Process.objects.count() == 2
        else:
            answers = start_processes(requests)
        may_end.set()
        holding.result()
    assert [int(answer.code) for answer in answers] == [0, 2, 2, 0]
    assert [answer.reason for answer in answers[1:3]] == [Reason.BUSY, Reason.BUSY]
    assert set(Process.objects.values_list("custom_id", flat=True)) == {"free", "held", "zfree"}


def test_of_many_clients_that_start_again_exactly_one_takes_over() -> None:
    start_process(echo, 1, custom_id="again")
    Process.objects.update(state="ABORTED", ended_at="2026-01-01T00:00Z")
    barrier = Barrier(10)

    def client() -> Started:
        connection.ensure_connection()
        barrier.wait()
        return start_process(echo, 1, custom_id="again", if_ended="start_again")

    with override_settings(ORCHESTRATOR_START_LOCK_SECONDS=20), elsewhere(10) as submit:
        answers = [each.result() for each in [submit(client) for _ in range(10)]]
    assert codes(answers) == {0: 1, 1: 9}
    assert Process.objects.filter(custom_id="again").count() == 1
    assert Process.objects.count() == 2
