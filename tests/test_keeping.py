"""What the side thread keeps: the leases of everything a worker process holds, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from time import monotonic, sleep

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from recovery.models import ScanRun
from tasks.actors import worker
from tasks.batches import Batch
from tasks.claiming import Claimer
from tasks.draining import drain
from tasks.keeper import Keeper, send_heartbeat
from tasks.models import Task, TaskState
from tasks.outcomes import Lease, completed
from tasks.worker import Worker
from tests.held_up import beside, cut_who_waits_for, somebody_else
from tests.recovery_rows import ACTOR, task

pytestmark = pytest.mark.usefixtures("rows")


@worker(name="tests.booked", transactional=True)
def booked() -> None:
    """Leaves one row."""
    ScanRun.objects.create(name="booked", ran_at=timezone.now(), found=7, ran_by="test")


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """A connection of somebody else, in a transaction; at the end nobody but the test is connected."""
    with somebody_else() as made:
        yield made
        made.rollback()
        made.autocommit = True
        made.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND backend_type = 'client backend' "
            "AND pid NOT IN (pg_backend_pid(), %s)",
            [connection.connection.info.backend_pid],
        )


def begun_batch() -> tuple[Batch, Lease, Lease]:
    """Three tasks claimed together: one is finished but not released, one runs (both returned), one waits."""
    for _ in range(3):
        task(heartbeat=timedelta(seconds=20))
    batch = Batch(Claimer(ACTOR, "w:1").claim(3), lambda: False)
    finished = batch.take()
    assert finished is not None
    batch.finish(completed(finished, "1"))
    running = batch.take()
    assert running is not None
    return batch, finished, running


def test_heartbeat_keeps_the_lease_of_what_is_finished_but_not_released_too() -> None:
    """Until its batch is released a finished task is held: lost meanwhile, its work would be done again."""
    batch, _, _ = begun_batch()
    [claimed_at] = set(Task.objects.values_list("lease_ends_at", flat=True))

    send_heartbeat(batch)

    assert Task.objects.filter(lease_ends_at__gt=claimed_at).count() == 3
    assert set(Task.objects.values_list("batch_size", flat=True)) == {3}
    assert not any(batch.is_lost(each) for each in Task.objects.values_list("id", flat=True))


def test_what_is_finished_behind_a_slow_task_is_not_lost_when_the_side_thread_loses_its_connection(
    other: psycopg.Connection,
) -> None:
    """It gives the finished and the unstarted back in spite of a cut connection, while the slow one goes on."""
    batch, finished, running = begun_batch()
    other.execute("SELECT FROM processes_process WHERE id = %s FOR NO KEY UPDATE", [finished.process_id])

    with Keeper(stopping=lambda: False, release=Worker().release, may_exit=False).keeping(batch, ()):
        cut_who_waits_for(other)
        other.rollback()
        until = monotonic() + 30
        while Task.objects.get(id=finished.task_id).state == TaskState.POLLED and monotonic() < until:
            sleep(0.02)

    states = {each.id: (each.state, each.attempt, each.result) for each in Task.objects.all()}
    assert states.pop(finished.task_id) == (TaskState.COMPLETED, 1, "1")
    assert states.pop(running.task_id) == (TaskState.POLLED, 1, None)
    assert list(states.values()) == [(TaskState.ENQUEUED, 1, None)]


def test_transactional_attempt_whose_release_finds_no_database_is_handed_back_and_counts_no_try(
    other: psycopg.Connection,
) -> None:
    """Its connection is cut in the release, and again when that is repeated: the effect is gone, the task is back."""
    booking = task(actor=str(booked.actor_name))
    other.execute("SELECT FROM processes_process WHERE id = %s FOR NO KEY UPDATE", [booking.process_id])
    with beside(other, lambda: drain(booking.actor)) as turn:
        for _ in range(2):
            cut_who_waits_for(other)
        other.rollback()
        turn.result(30)

    booking.refresh_from_db()
    assert (booking.state, booking.attempt, booking.tries) == (TaskState.ENQUEUED, 1, 0)
    assert not ScanRun.objects.exists()
    drain(booking.actor)
    booking.refresh_from_db()
    assert (booking.state, booking.attempt) == (TaskState.COMPLETED, 2)
    assert ScanRun.objects.get().found == 7
