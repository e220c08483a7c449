"""Releases: fenced, set-based, and followed to their last consequence in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Event as Signal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Count, F, Q
from psycopg import errors

from processes.models import Event, Process, ProcessState
from tasks import transactions
from tasks.models import Task
from tasks.outcomes import Answer, completed, snoozed
from tasks.registration import register_all_waiting
from tasks.releasing import release, release_within
from tasks.statements import records, statement
from tasks.states import OPEN_STATES, TaskState
from tasks.transitions import lock_processes
from tests.by_hand import (
    claimed,
    done,
    elsewhere,
    executed,
    finished,
    registered,
    run_to_standstill,
    started,
    task_of,
    wait_until,
    waiting_backends,
)
from tests.flows.actors import (
    add,
    chain,
    diamond,
    echo,
    fan,
    five_actors,
    handing_on,
    nest,
    total,
    waiting_later,
)

pytestmark = pytest.mark.usefixtures("rows")


def assert_counters_equal_what_they_count() -> None:
    is_open = Q(tasks__state__in=OPEN_STATES) | Q(tasks__state=TaskState.FAILED, tasks__failure_accepted=False)
    for process in Process.objects.filter(ended_at=None).annotate(counted=Count("tasks", filter=is_open)):
        assert process.open_tasks == process.counted
    unsettled = ~Q(awaits__awaited__state=TaskState.COMPLETED) & ~Q(awaits__awaited__failure_accepted=True)
    waiting = Task.objects.filter(state=TaskState.WAITING)
    for task in waiting.annotate(counted=Count("awaits", filter=unsettled & Q(awaits__isnull=False))):
        assert task.pending == task.counted


@pytest.mark.parametrize(
    ("actor", "argument", "value", "tasks"),
    [
        (echo, 7, 7, 1),
        (chain, 1, 6, 6),
        (diamond, 1, 7, 5),
        (fan, 20, 210, 22),
        (five_actors, 0, 5, 6),
        (nest, 3, 1, 5),
    ],
)
def test_flows_end_with_the_value_of_a_plain_evaluation(actor: object, argument: int, value: int, tasks: int) -> None:
    process = finished(actor, argument)  # type: ignore[arg-type]  # an actor
    assert (process.state, process.value, process.open_tasks) == (ProcessState.COMPLETED, value, 0)
    assert Task.objects.filter(process=process, state=TaskState.COMPLETED).count() == tasks
    assert process.ended_at is not None


def test_counters_equal_what_they_count_after_every_release() -> None:
    processes = [started(actor, argument) for actor, argument in ((fan, 5), (diamond, 1), (chain, 1), (nest, 3))]
    run_to_standstill_checking()
    for process in processes:
        process.refresh_from_db()
        assert process.state == ProcessState.COMPLETED


def run_to_standstill_checking() -> None:
    register_all_waiting()
    while names := set(Task.objects.filter(state=TaskState.ENQUEUED).values_list("actor", flat=True)):
        for name in names:
            release(executed(claimed(name, 2)))
            assert_counters_equal_what_they_count()


def test_counting_the_open_tasks_of_a_process_that_goes_on_reads_no_task() -> None:
    process = registered(fan, 20)
    done(fan)
    with transaction.atomic(), connection.cursor() as cursor:
        changes = records([{"process_id": process.id, "open_tasks": 1}])
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement('account')}", {"changes": changes})
        [[[explained]]] = cursor.fetchall()
    nodes = list(nodes_of(explained["Plan"]))
    loops = {node["Alias"]: node["Actual Loops"] for node in nodes if node.get("Relation Name") == "tasks_task"}
    assert loops == {"task": 0, "origin": 0}
    process.refresh_from_db()
    assert process.open_tasks == 23


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes_of(below)


def test_values_are_carried_along_a_thousand_deciders_without_a_copy() -> None:
    process = registered(nest, 1000)
    run_to_standstill()
    process.refresh_from_db()
    worker_task = task_of(process, add)
    assert (process.state, process.result) == (ProcessState.COMPLETED, "1")
    deciders = Task.objects.filter(process=process).exclude(id=worker_task.id)
    assert deciders.count() == 1001
    assert set(deciders.values_list("state", "value_from", "result")) == {(TaskState.COMPLETED, worker_task.id, None)}


def test_a_decider_whose_promise_is_settled_already_completes_at_once() -> None:
    process = registered(chain, 1, 1)
    done(chain)
    decider = task_of(process, chain)
    assert (decider.state, decider.value_from) == (TaskState.DECIDED, task_of(process, add).id)
    done(add)
    decider.refresh_from_db()
    assert decider.state == TaskState.COMPLETED


def test_the_outcome_of_a_lease_is_written_once_and_the_second_is_told_so() -> None:
    process = registered(echo, 1)
    [lease] = claimed(echo)
    assert release([completed(lease, "1")]).answers == {lease.task_id: Answer.ACCEPTED}
    process.refresh_from_db()
    before = Process.objects.values().get(), Task.objects.values().get()
    for text in ("1", '"another"'):
        assert release([completed(lease, text)]).answers == {lease.task_id: Answer.ALREADY_ACCEPTED}
    assert (Process.objects.values().get(), Task.objects.values().get()) == before
    assert not Event.objects.exists()


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_foreign_release_is_refused_recorded_and_changes_nothing(attempt: int) -> None:
    registered(echo, 1)
    [lease] = claimed(echo)
    before = Process.objects.values().get(), Task.objects.values().get()
    foreign = completed(replace(lease, attempt=attempt), "1")
    assert release([foreign]).answers == {lease.task_id: Answer.LEASE_LOST}
    assert (Process.objects.values().get(), Task.objects.values().get()) == before
    event = Event.objects.get()
    assert (event.kind, event.task_id) == ("release_refused", lease.task_id)
    assert event.detail == {
        "reason": "lease_lost",
        "attempt": attempt,
        "outcome": "COMPLETED",
        "current_attempt": 1,
        "current_state": "POLLED",
    }


def test_a_late_release_is_never_merged() -> None:
    process = registered(echo, 1)
    [late] = claimed(echo)
    release([snoozed(late, timedelta(0))])
    Task.objects.update(due_at=F("created_at"))
    run_to_standstill()
    process.refresh_from_db()
    assert process.value == 1
    assert release([completed(late, '"late"')]).answers == {late.task_id: Answer.LEASE_LOST}
    assert Task.objects.get().result == "1"


def test_a_batch_over_many_processes_is_released_as_far_as_it_is_fenced() -> None:
    for number in range(5):
        registered(echo, number)
    leases = claimed(echo)
    outcomes = [completed(lease, "1") for lease in leases]
    outcomes[2] = completed(replace(leases[2], attempt=9), "1")
    answers = release(outcomes).answers
    assert [answers[lease.task_id] for lease in leases] == [Answer.ACCEPTED] * 2 + [Answer.LEASE_LOST] + [
        Answer.ACCEPTED
    ] * 2
    assert Process.objects.filter(state=ProcessState.COMPLETED).count() == 4


def test_a_dependent_that_is_inserted_while_its_awaited_task_completes_does_not_wait_for_ever() -> None:
    """A statement that locks and decides sees the world before its wait: the lock must be one of its own."""
    process = registered(fan, 1)
    done(fan)
    waiter = task_of(process, total)
    [lease] = claimed(add)
    locked, may_commit = Signal(), Signal()

    def holder() -> None:
        with transaction.atomic():
            release_within([completed(lease, "1")])
            locked.set()
            may_commit.wait(30)

    def decision() -> str:
        with transaction.atomic():
            states = lock_processes([process.id])
            awaited = Task.objects.get(id=lease.task_id)
            return f"{states[process.id]} {awaited.state}"

    with elsewhere(2) as submit:
        holding = submit(holder)
        locked.wait(30)
        deciding = submit(decision)
        wait_until(lambda: waiting_backends("%FOR NO KEY UPDATE%") == 1)
        may_commit.set()
        holding.result()
        assert deciding.result() == "RUNNING COMPLETED"
    waiter.refresh_from_db()
    assert (waiter.state, waiter.pending) == (TaskState.ENQUEUED, 0)


def test_a_decision_released_while_its_awaited_task_completes_stores_no_waiter_of_a_settled_task() -> None:
    process = registered(handing_on, 1)
    done(handing_on)
    [lease] = claimed(add)
    decisions = executed(claimed(waiting_later))
    with elsewhere() as submit:
        with transaction.atomic():
            release_within([completed(lease, "2")])
            deciding = submit(release, decisions)
            wait_until(lambda: deciding.done() or waiting_backends("%FOR NO KEY UPDATE%") == 1)
            assert not deciding.done()
        assert set(deciding.result().answers.values()) == {Answer.ACCEPTED}
    waiter = task_of(process, echo)
    assert (waiter.state, waiter.pending) == (TaskState.ENQUEUED, 0)
    run_to_standstill()
    process.refresh_from_db()
    assert (process.state, process.value) == (ProcessState.COMPLETED, 2)


def test_two_releases_into_one_waiter_at_once_wake_it_exactly_once() -> None:
    for _ in range(5):
        process = registered(fan, 2)
        done(fan)
        first, second = claimed(add)
        with elsewhere(2) as submit:
            both = [submit(release, [completed(lease, "1")]) for lease in (first, second)]
            fed = sum((each.result().fed[str(total.actor_name)] for each in both), 0)
        waiter = task_of(process, total)
        assert (waiter.state, waiter.pending, fed) == (TaskState.ENQUEUED, 0, 1)
        run_to_standstill()


def test_one_busy_process_does_not_hold_up_the_others_of_a_batch() -> None:
    processes = [registered(echo, number) for number in range(50)]
    leases = claimed(echo)
    busy = processes[25]
    others = Process.objects.filter(state=ProcessState.COMPLETED)
    with elsewhere() as submit:
        with transaction.atomic():
            lock_processes([busy.id])
            releasing = submit(release, [completed(lease, "1") for lease in leases])
            wait_until(lambda: others.count() == 49)
            assert not releasing.done()
        assert set(releasing.result().answers.values()) == {Answer.ACCEPTED}
    assert others.count() == 50


def test_a_transaction_that_lost_a_deadlock_is_repeated() -> None:
    one, two = registered(echo, 1), registered(echo, 2)
    one_is_locked, two_is_locked = Signal(), Signal()
    tries = []

    def crosswise() -> None:
        tries.append(1)
        lock_processes([two.id])
        two_is_locked.set()
        one_is_locked.wait(30)
        lock_processes([one.id])

    with elsewhere() as submit, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL deadlock_timeout = '60s'")
        lock_processes([one.id])
        one_is_locked.set()
        crossing = submit(transactions.repeated, crosswise)
        two_is_locked.wait(30)
        wait_until(lambda: waiting_backends("%FOR NO KEY UPDATE%") == 1)
        lock_processes([two.id])
    crossing.result()
    assert len(tries) >= 2


def test_other_errors_of_the_database_are_not_repeated() -> None:
    tries = []

    def broken() -> None:
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 50")
            cursor.execute("SELECT pg_sleep(10)")

    with pytest.raises(OperationalError) as raised:
        transactions.repeated(broken)
    assert isinstance(raised.value.__cause__, errors.QueryCanceled)
    assert len(tries) == 1


def test_a_task_that_becomes_ready_in_a_standstill_is_held() -> None:
    process = registered(chain, 1, 2)
    done(chain)
    [lease] = claimed(add)
    Process.objects.filter(id=process.id).update(state=ProcessState.PAUSED, stood_still_at="2026-01-01T00:00Z")
    assert release([completed(lease, "2")]).answers == {lease.task_id: Answer.ACCEPTED}
    states = sorted(Task.objects.filter(process=process, actor=lease.actor).values_list("state", flat=True))
    assert states == [TaskState.COMPLETED, TaskState.HELD]
    assert claimed(add) == []


def test_a_paused_process_completes_with_what_still_ran() -> None:
    process = registered(echo, 1)
    [lease] = claimed(echo)
    Process.objects.filter(id=process.id).update(state=ProcessState.PAUSED, stood_still_at="2026-01-01T00:00Z")
    release([completed(lease, "1")])
    process.refresh_from_db()
    assert (process.state, process.value, process.stood_still_at) == (ProcessState.COMPLETED, 1, None)
