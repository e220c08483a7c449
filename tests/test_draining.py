"""Drains on real workers: nobody idle while work is ready, nobody held up by somebody else's slow task."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest
from django.db import connection
from django.db.models import Count, Min

from orchestrator.local.programs import Program
from processes.models import Process, ProcessState
from recovery.scans import run_scan
from tasks import bell
from tasks.actors import StartRequest, start_process, start_processes
from tasks.models import Task
from tasks.states import TaskState
from tests.by_hand import claimed, messages_in, started, wait_for_all, wait_until
from tests.conftest import Launch
from tests.flows.actors import busy, chain, echo, fan, five_actors, long_and_short, nap, poison, spread
from tests.messages import take_messages

pytestmark = pytest.mark.usefixtures("rows")


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def learn_that_naps_are_short(path: Path, count: int = 300) -> None:
    """Let the workers learn a pace at which they claim many naps at once."""
    start_processes(StartRequest(actor=nap, args=(str(path), 0.0)) for _ in range(count))
    wait_for_all(count)
    Task.objects.all().delete()
    Process.objects.all().delete()
    path.unlink()


def test_the_tasks_behind_a_slow_one_are_handed_back_and_done_elsewhere(launch: Launch, folder: Path) -> None:
    launch(concurrency=2)
    path = folder / "naps"
    learn_that_naps_are_short(path)
    [slow, *_] = start_processes(
        StartRequest(actor=nap, args=(str(path), seconds)) for seconds in [30.0, *[0.001] * 49]
    )
    began = monotonic()
    wait_for_all(49, 20)
    assert monotonic() - began < 6
    task = Task.objects.get(id=str(slow.process_id))
    assert (task.state, task.attempt) == (TaskState.POLLED, 1)
    handed_back = Task.objects.filter(state=TaskState.COMPLETED, attempt=2, tries=0).count()
    assert handed_back >= 1
    wait_until(lambda: Task.objects.get(id=task.id).batch_size == 1)


def test_a_thousand_tasks_of_50_ms_on_two_children_need_few_messages(launch: Launch, folder: Path) -> None:
    worker = launch(concurrency=2)
    start_processes(StartRequest(actor=nap, args=(str(folder / "naps"), 0.05)) for _ in range(1000))
    wait_for_all(1000, 90)
    by_child: dict[str, int] = {}
    for pid, *_ in lines(folder / "naps"):
        by_child[pid] = by_child.get(pid, 0) + 1
    assert len(by_child) == 2
    assert min(by_child.values()) > 400
    assert 0 < messages_in(worker) < 150


def test_a_chain_of_five_actors_on_an_idle_system_needs_exactly_two_messages(launch: Launch) -> None:
    # What the killed workers of earlier tests have left unheard.
    for queue in ("registration", "actors"):
        take_messages(queue)
    worker = launch(concurrency=2)
    for count in (1, 2, 3):
        before = messages_in(worker)
        process = started(five_actors, 0)
        wait_for_all(count)
        process.refresh_from_db()
        assert process.value == 5
        assert messages_in(worker) - before == 2


def test_a_burst_fed_by_a_drain_reaches_the_idle_children_at_once(launch: Launch, folder: Path) -> None:
    launch(concurrency=4)
    path = folder / "naps"
    started(spread, str(path), 4, 3.0)
    wait_for_all(1)
    naps = lines(path)
    assert len({pid for pid, *_ in naps}) == 4
    begins = [float(begin) for _, begin, _ in naps]
    assert max(begins) - min(begins) < 1.0


def test_eight_tasks_of_a_second_on_four_children_take_two_rounds(launch: Launch, folder: Path) -> None:
    launch(concurrency=4)
    path = folder / "naps"
    started(spread, str(path), 8, 1.0)
    wait_for_all(1)
    naps = lines(path)
    assert max(float(end) for *_, end in naps) - min(float(begin) for _, begin, _ in naps) < 2.9


def test_many_short_tasks_are_claimed_many_at_a_time(launch: Launch) -> None:
    launch(concurrency=2)
    start_processes(StartRequest(actor=busy, args=(0.0001,)) for _ in range(20_000))
    wait_for_all(20_000, 90)
    claims = Task.objects.aggregate(claims=Count("polled_at", distinct=True))["claims"]
    assert 20_000 / claims >= 20


def test_a_short_task_of_another_actor_does_not_wait_for_a_long_one(launch: Launch, folder: Path) -> None:
    launch(concurrency=2)
    path = folder / "naps"
    began = monotonic()
    started(long_and_short, str(path), 30.0, 0.001)
    wait_until(lambda: ["other", "nap"] in [line[:2] for line in lines(path)])
    assert monotonic() - began < 3
    assert ["long", "nap", "ends"] not in lines(path)


def test_a_deep_queue_of_one_actor_does_not_starve_another(launch: Launch) -> None:
    enqueue_directly(str(busy.actor_name), '{"seconds":0.0015}', 100_000)
    worker = launch(concurrency=2)
    bell.ring([str(busy.actor_name)])
    left = Task.objects.filter(state=TaskState.ENQUEUED, actor=str(busy.actor_name))
    worked_on_since = wait_until(lambda: Task.objects.aggregate(first=Min("polled_at"))["first"])
    wait_until(lambda: datetime.now(UTC) - worked_on_since > timedelta(seconds=30), 60)
    assert left.count() > 10_000
    began = monotonic()
    other = start_process(echo, 1)
    wait_until(lambda: Process.objects.get(id=str(other.process_id)).state == ProcessState.COMPLETED)
    assert monotonic() - began < 3
    assert left.exists()
    worker.kill()


def enqueue_directly(actor: str, arguments: str, count: int) -> None:
    """Rows as registration leaves them, many at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH made AS (
                INSERT INTO processes_process
                    (id, actor, kind, arguments, options, attributes, state, open_tasks, on_start_to_end,
                     created_at, registered_at)
                SELECT lpad(to_hex(number), 32, '0')::uuid, %(actor)s, 'worker', %(arguments)s, '{}', '{}', 'RUNNING',
                       1, 'time_out', now(), now()
                FROM generate_series(1, %(count)s) AS number
                RETURNING id
            )
            INSERT INTO tasks_task
                (id, process_id, actor, kind, arguments, state, enqueued_at, created_at, poll_to_end, heartbeat)
            SELECT id, id, %(actor)s, 'worker', %(arguments)s, 'ENQUEUED', clock_timestamp(), now(), '5 min', '30 s'
            FROM made
            """,
            {"actor": actor, "arguments": arguments, "count": count},
        )
        cursor.execute("ANALYZE tasks_task, processes_process")


def test_a_task_that_kills_its_worker_fails_after_its_own_tries_and_its_mates_lose_none(launch: Launch) -> None:
    launch(concurrency=1)
    start_processes(StartRequest(actor=poison, args=(False,)) for _ in range(200))
    wait_for_all(200)
    answers = start_processes(StartRequest(actor=poison, args=(number == 5,)) for number in range(20))
    wait_for_all(219, 60, scans=("task_heartbeat", "due", "lost_wakeups"))
    killer = Task.objects.get(id=str(answers[5].process_id))
    wait_until(lambda: run_scan("task_heartbeat") >= 0 and Task.objects.get(id=killer.id).ended_at is not None, 60)
    killer.refresh_from_db()
    assert killer.tries == 3
    assert killer.attempt >= 3
    assert Process.objects.get(id=killer.process_id).state == ProcessState.FAILED
    mates = Task.objects.exclude(id=killer.id)
    assert set(mates.values_list("state", "tries")) == {(TaskState.COMPLETED, 0)}


def test_a_worker_that_is_told_to_stop_hands_back_while_it_runs_and_goes_when_the_running_task_has_ended(
    launch: Launch, folder: Path
) -> None:
    """No nap is slow enough for its mates to be handed back for that reason."""
    worker: Program = launch(concurrency=1)
    path = folder / "naps"
    learn_that_naps_are_short(path)
    start_processes(StartRequest(actor=nap, args=(str(path), 0.8)) for _ in range(50))
    wait_until(lambda: Task.objects.filter(state=TaskState.POLLED, batch_size=50).count() == 50)
    worker.send(signal.SIGTERM)

    def states_while_one_runs() -> Counter[str]:
        states = Counter(Task.objects.values_list("state", flat=True))
        return states if states[TaskState.POLLED] == 1 and states[TaskState.ENQUEUED] else Counter()

    unstarted = wait_until(states_while_one_runs)[TaskState.ENQUEUED]
    assert unstarted >= 48
    assert len(claimed(nap)) == unstarted
    wait_until(lambda: Task.objects.filter(state=TaskState.COMPLETED).count() == 50 - unstarted)
    ended = monotonic()
    worker.wait()
    assert monotonic() - ended < 10
    taken = Task.objects.filter(worker="by-hand").values_list("state", "attempt", "tries")
    assert set(taken) == {(TaskState.POLLED, 2, 0)}
    assert len(lines(path)) == 50 - unstarted


def test_the_threads_pool_works_too(launch: Launch) -> None:
    launch(concurrency=2, pool="threads")
    flows = [started(actor, 5) for actor in (chain, fan, five_actors)]
    wait_for_all(3)
    for process in flows:
        process.refresh_from_db()
    assert [process.value for process in flows] == [10, 15, 10]
