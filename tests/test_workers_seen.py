"""A row per worker process: real workers show that they live, what they serve and hold, and take their leave."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from tasks.keeper import Keeper
from tasks.models import Task, TaskState, WorkerProcess
from tasks.presence import Node, Presence, last_seen_serving, live_workers, served_actors, serving
from tasks.registry import ACTORS
from tasks.worker import Worker
from tests.by_hand import started, wait_for_all, wait_until
from tests.conftest import Launch
from tests.flows.actors import chain, nap
from tests.held_up import somebody_else
from tests.messages import queue_name

pytestmark = pytest.mark.usefixtures("rows")
NODE = Node("celery@somewhere", "prefork", ("actors", "registration"))
ALL_QUEUES = {str(queue.name) for queue in settings.CELERY_TASK_QUEUES}


def signed(name: str = "box:1", node: Node = NODE, held: int = 0) -> Presence:
    """A worker process that has given its first sign of life."""
    presence = Presence(name, node)
    presence.renew(held)
    return presence


def seen() -> dict[int, WorkerProcess]:
    """The rows of worker processes by process id."""
    return {row.pid: row for row in WorkerProcess.objects.all()}


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """A connection of somebody else, in a transaction."""
    with somebody_else() as made:
        yield made
        made.rollback()


def test_each_child_of_a_prefork_worker_shows_what_it_serves_while_idle_and_takes_its_row_along(launch: Launch) -> None:
    """Nothing was ever rung, and both rows are there; the parent, which holds no tasks, has none."""
    worker = launch(concurrency=2, name="seen")
    rows = wait_until(lambda: seen() if len(seen()) == 2 else {})
    assert worker.pid not in rows
    for pid, row in rows.items():
        assert (row.name, row.host, row.held, row.heard_at) == (
            f"{socket.gethostname()}:{pid}",
            socket.gethostname(),
            0,
            None,
        )
        assert (row.node, row.pool) == (f"seen@{socket.gethostname()}", "prefork")
        assert (set(row.queues), row.actors) == (ALL_QUEUES, served_actors_of_a_worker())
    wait_until(partial(all_seen_since, rows))
    assert {pid: row.started_at for pid, row in seen().items()} == {pid: row.started_at for pid, row in rows.items()}

    worker.stop()

    assert not WorkerProcess.objects.exists()


def served_actors_of_a_worker() -> list[str]:
    """What a worker has code for: the actors of the installed apps, not those that tests declare beside them."""
    modules = {actor.actor_name.code: actor.function.__module__ for actor in ACTORS.all()}
    apps = tuple(f"{app}." for app in settings.INSTALLED_APPS)
    return [name for name in served_actors() if modules[name].startswith(apps)]


def all_seen_since(rows: dict[int, WorkerProcess]) -> bool:
    """Whether all of them have given a further sign of life."""
    now = seen()
    return all(now[pid].seen_at > row.seen_at for pid, row in rows.items())


def test_a_thread_pool_shows_the_worker_itself_and_what_it_holds_and_heard(launch: Launch, folder: Path) -> None:
    worker = launch(concurrency=1, pool="threads", queues=[queue_name("actors"), queue_name("registration")])
    [row] = wait_until(lambda: list(WorkerProcess.objects.all()))
    assert (row.pid, row.pool, row.held, row.heard_at) == (worker.pid, "thread", 0, None)
    assert set(row.queues) == {queue_name("actors"), queue_name("registration")}

    process = started(nap, str(folder / "naps"), 5.5)

    [held] = wait_until(lambda: list(WorkerProcess.objects.filter(held=1)))
    assert held.heard_at is not None
    assert held.started_at == row.started_at
    assert Task.objects.get(id=process.id).worker == row.name
    wait_for_all(1)
    worker.stop()
    assert not WorkerProcess.objects.exists()


def test_a_solo_pool_shows_the_worker_itself(launch: Launch) -> None:
    worker = launch(concurrency=1, pool="solo")
    [row] = wait_until(lambda: list(WorkerProcess.objects.all()))
    assert (row.pid, row.pool, row.held) == (worker.pid, "solo", 0)
    worker.stop()
    assert not WorkerProcess.objects.exists()


def test_a_killed_worker_is_not_live_any_more_and_work_goes_on_where_another_is(launch: Launch) -> None:
    killed = launch(concurrency=1)
    wait_until(seen)
    assert live_workers().count() == 1
    killed.kill()
    assert WorkerProcess.objects.count() == 1
    WorkerProcess.objects.update(seen_at=F("seen_at") - timedelta(seconds=15))
    assert live_workers().count() == 0

    launch(concurrency=1)
    started(chain, 0)

    wait_for_all(1)
    assert live_workers().count() == 1
    assert WorkerProcess.objects.count() == 2


def test_a_worker_that_cannot_write_its_row_keeps_its_leases_all_the_same(
    launch: Launch, folder: Path, other: psycopg.Connection
) -> None:
    """Somebody holds the whole table: signs of life give up after a second each, heartbeats go on in between."""
    other.execute("LOCK TABLE tasks_workerprocess IN ACCESS EXCLUSIVE MODE")
    worker = launch(concurrency=1)
    process = started(nap.options(heartbeat=timedelta(seconds=2.5)), str(folder / "naps"), 4.0)

    wait_for_all(1, scans=("task_heartbeat",))

    assert Task.objects.get(id=process.id).attempt == 1
    assert "event=keeper_unreachable" in worker.log_path.read_text()
    other.rollback()
    wait_until(seen)


def test_a_sign_of_life_waits_a_second_for_a_lock_and_no_longer(other: psycopg.Connection) -> None:
    presence = signed()
    other.execute("SELECT FROM tasks_workerprocess WHERE name = 'box:1' FOR UPDATE")
    with pytest.raises(OperationalError, match="lock timeout"):
        presence.renew(3)
    assert 3 < presence.seconds_left() <= 5
    assert WorkerProcess.objects.get().held == 0
    other.rollback()
    presence.renew(3)
    assert WorkerProcess.objects.get().held == 3


def test_a_new_process_takes_over_the_row_of_a_former_one_with_its_name() -> None:
    former = signed(held=4)
    former.hear()
    former.renew(4)
    WorkerProcess.objects.update(started_at=F("started_at") - timedelta(hours=1))
    before = WorkerProcess.objects.get()
    assert before.heard_at is not None
    former.renew(5)
    assert WorkerProcess.objects.get().started_at == before.started_at
    assert WorkerProcess.objects.get().heard_at == before.heard_at

    signed(node=Node("celery@elsewhere", "solo", ("actors.eu",)))

    row = WorkerProcess.objects.get()
    assert (row.node, row.pool, row.queues, row.held, row.heard_at) == (
        "celery@elsewhere",
        "solo",
        ["actors.eu"],
        0,
        None,
    )
    assert row.started_at > before.started_at


def test_rows_unseen_for_a_day_go_when_a_process_begins_and_its_own_stays() -> None:
    signed("box:1")
    signed("box:2")
    staying = signed("box:3")
    WorkerProcess.objects.filter(name="box:1").update(seen_at=timezone.now() - timedelta(hours=25))
    WorkerProcess.objects.filter(name="box:2").update(seen_at=timezone.now() - timedelta(hours=23))
    WorkerProcess.objects.filter(name="box:3").update(seen_at=timezone.now() - timedelta(hours=25))
    staying.renew(0)
    assert sorted(WorkerProcess.objects.values_list("name", flat=True)) == ["box:1", "box:2", "box:3"]
    WorkerProcess.objects.filter(name="box:3").update(seen_at=timezone.now() - timedelta(hours=25))

    signed("box:3")

    assert sorted(WorkerProcess.objects.values_list("name", flat=True)) == ["box:2", "box:3"]


def test_who_leaves_deletes_its_own_row_only_and_gives_no_further_sign() -> None:
    keeper = Keeper(stopping=lambda: False, release=Worker().release, may_exit=False)
    signed("box:2")
    presence = Presence("box:1", NODE)
    keeper.show(presence)
    wait_until(lambda: WorkerProcess.objects.filter(name="box:1").exists())

    keeper.leave(10)

    assert presence.gone.is_set()
    assert list(WorkerProcess.objects.values_list("name", flat=True)) == ["box:2"]
    presence.renew(1)
    assert list(WorkerProcess.objects.values_list("name", flat=True)) == ["box:2"]


def test_a_process_that_is_no_celery_worker_is_not_seen() -> None:
    worker = Worker()
    worker.show()
    worker.hear()
    worker.leave()
    assert not WorkerProcess.objects.exists()


def test_a_worker_serves_an_actor_if_it_has_its_code_and_hears_its_queue() -> None:
    actors, eu = queue_name("actors"), queue_name("actors.eu")
    signed("box:1", Node("a@box", "prefork", (actors,)))
    signed("box:2", Node("b@box", "prefork", (eu, queue_name("registration"))))

    def names(actor: str) -> list[str]:
        return sorted(serving(actor, live_workers()).values_list("name", flat=True))

    assert names("flows.add#1.0") == ["box:1"]
    assert names("flows.add#1.0@eu") == ["box:2"]
    assert names("flows.add#1.0@us") == []
    assert names("flows.add#9.9") == []
    assert last_seen_serving("flows.add#9.9") is None
    WorkerProcess.objects.update(seen_at=F("seen_at") - timedelta(hours=1))
    assert names("flows.add#1.0") == []
    assert last_seen_serving("flows.add#1.0") == WorkerProcess.objects.get(name="box:1").seen_at


def test_a_row_that_cannot_be_deleted_cannot_keep_its_worker_from_ending(
    launch: Launch, other: psycopg.Connection
) -> None:
    """The row cannot be deleted, for somebody holds it: the worker ends all the same, and the row goes stale."""
    worker = launch(concurrency=1)
    [pid] = wait_until(seen)
    other.execute("SELECT FROM tasks_workerprocess FOR UPDATE")
    worker.send(signal.SIGTERM)
    worker.wait(20)
    assert list(seen()) == [pid]
    assert not Task.objects.filter(state=TaskState.POLLED).exists()
