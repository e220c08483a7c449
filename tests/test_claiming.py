"""Claims: exactly the limit, most urgent and oldest first, never waiting for a lock."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from recovery.scans import run_scan
from tasks.actors import StartRequest, start_processes
from tasks.claiming import BEGINNING, LEVELS, Claimer, read_values
from tasks.models import ActorStatus, Task
from tasks.outcomes import handed_back
from tasks.registration import register_all_waiting
from tasks.releasing import release
from tasks.statements import statement
from tasks.states import TaskState
from tests.by_hand import claimed, done, elsewhere, executed, registered, run_to_standstill
from tests.flows.actors import add, chain, echo

pytestmark = pytest.mark.usefixtures("rows")
ECHO = str(echo.actor_name)


def enqueue(count: int, priority: int = 5) -> list[Task]:
    """Tasks of `echo`, oldest first."""
    actor = echo.options(priority=priority)
    answers = start_processes(StartRequest(actor=actor, args=(number,)) for number in range(count))
    register_all_waiting()
    tasks = [Task.objects.get(id=str(answer.process_id)) for answer in answers]
    for age, task in enumerate(reversed(tasks)):
        Task.objects.filter(id=task.id).update(enqueued_at=Now() - timedelta(seconds=age))
    return tasks


@pytest.mark.parametrize("limit", [1, 5, 50])
def test_a_plan_that_was_prepared_on_an_empty_table_claims_exactly_its_limit(limit: int) -> None:
    parameters = {
        "levels": "$1::smallint[]",
        "floors": "$2::timestamptz[]",
        "actor": "$3::text",
        "limit": "$4::bigint",
        "worker": "$5::text",
    }
    text = statement("claim") % {name: f"({place})" for name, place in parameters.items()}
    text = text.replace("::smallint[])::smallint[]", "::smallint[])")
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute("ANALYZE tasks_task")
        cursor.execute(f"PREPARE claim (smallint[], timestamptz[], text, bigint, text) AS {text}")
        levels, floors = list(LEVELS), [BEGINNING] * len(LEVELS)
        cursor.execute("EXECUTE claim (%s, %s, %s, %s, 'w')", [levels, floors, ECHO, limit])
        assert cursor.fetchall() == []
        enqueue(120)
        for _ in range(2):
            cursor.execute("EXECUTE claim (%s, %s, %s, %s, 'w')", [levels, floors, ECHO, limit])
            assert len(cursor.fetchall()) == limit
        cursor.execute("DEALLOCATE claim")
        cursor.execute("RESET plan_cache_mode")
    assert Task.objects.filter(state=TaskState.POLLED).count() == 2 * limit


def test_a_claim_leases_the_oldest_and_counts_an_attempt() -> None:
    tasks = enqueue(5)
    leases = claimed(echo, 3)
    assert [lease.task_id for lease in leases] == [task.id for task in tasks[:3]]
    for lease in leases:
        task = Task.objects.get(id=lease.task_id)
        assert (task.state, task.attempt, task.tries, task.batch_size, task.worker) == (
            TaskState.POLLED,
            1,
            0,
            3,
            "by-hand",
        )
        assert task.polled_at is not None
        assert task.lease_ends_at == task.polled_at + timedelta(seconds=30)
        assert task.poll_ends_at == task.polled_at + timedelta(minutes=5)
    assert Task.objects.filter(state=TaskState.ENQUEUED).count() == 2


def test_urgent_tasks_come_first_and_every_tenth_claim_begins_at_another_level() -> None:
    enqueue(12, priority=9)
    enqueue(12, priority=5)
    urgent = enqueue(12, priority=0)
    claimer = Claimer(ECHO, "w")
    priorities = [claimer.claim(1)[0].priority for _ in range(20)]
    assert priorities == [0] * 9 + [9] + [0] * 3 + [5] * 6 + [9]
    assert not Task.objects.filter(id__in=[task.id for task in urgent], state=TaskState.ENQUEUED).exists()


def test_a_claim_looks_below_its_floor_before_it_reports_nothing() -> None:
    enqueue(3)
    claimer = Claimer(ECHO, "w")
    [lease] = claimer.claim(1)
    assert claimer.floors == {5: lease.enqueued_at}
    late = enqueue(1)[0]
    Task.objects.filter(id=late.id).update(enqueued_at=Now() - timedelta(days=1))
    assert len(claimer.claim(100)) == 2
    assert [each.task_id for each in claimer.claim(100)] == [late.id]
    assert claimer.claim(100) == []


def test_a_task_to_be_claimed_alone_comes_alone_and_holds_up_nobody() -> None:
    tasks = enqueue(6)
    Task.objects.filter(id__in=[tasks[1].id, tasks[3].id]).update(alone=True)
    batches = [[tasks.index(Task(id=lease.task_id)) for lease in claimed(echo)] for _ in range(3)]
    assert batches == [[0, 2, 4, 5], [1], [3]]
    assert set(Task.objects.filter(alone=True).values_list("batch_size", flat=True)) == {1}


def test_a_claim_never_waits_for_a_lock() -> None:
    tasks = enqueue(4)
    with transaction.atomic():
        list(Task.objects.filter(id=tasks[0].id).select_for_update(no_key=True))
        with elsewhere() as submit:
            leases = submit(claimed, ECHO).result(timeout=10)
    assert [lease.task_id for lease in leases] == [task.id for task in tasks[1:]]


def test_workers_at_once_claim_every_task_exactly_once() -> None:
    tasks = enqueue(100)

    def work() -> list[object]:
        taken: list[object] = []
        while leases := claimed(ECHO, 7):
            taken += [lease.task_id for lease in leases]
        return taken

    with elsewhere(4) as submit:
        taken = [each for worker in [submit(work) for _ in range(4)] for each in worker.result()]
    assert len(taken) == 100
    assert set(taken) == {task.id for task in tasks}


def test_a_blocked_actor_hands_nothing_out() -> None:
    enqueue(2)
    status = ActorStatus.objects.create(name=ECHO, blocked_at="2026-01-01T00:00Z", clock_stopped_at="2026-01-01T00:00Z")
    assert claimed(echo) == []
    status.delete()
    assert len(claimed(echo)) == 2


def test_values_are_read_for_a_whole_batch_in_one_statement_and_only_where_there_are_references() -> None:
    for number in range(3):
        registered(chain, number, 3)
    done(chain)
    with CaptureQueriesContext(connection) as queries:
        assert read_values(claimed(add)) == {}
    assert len(queries) == 1
    Task.objects.filter(state=TaskState.POLLED).update(
        state=TaskState.ENQUEUED, lease_ends_at=None, poll_ends_at=None, batch_size=None
    )
    done(add)
    with CaptureQueriesContext(connection) as queries:
        leases = claimed(add)
        values = read_values(leases)
    assert len(queries) == 2
    assert len(leases) == 3
    assert sorted(settled.value or "" for settled in values.values()) == ["1", "2", "3"]


def test_arguments_that_do_not_fit_the_code_wait_visibly_and_count_no_try() -> None:
    process = registered(add, 1)
    for text in ('{"a":1,"unknown":2}', "{}", "nonsense", '{"a":{"$":"unheard of","v":1}}'):
        Task.objects.update(arguments=text)
        [outcome] = executed(claimed(add))
        release([outcome])
        task = Task.objects.get()
        assert (task.state, task.delay_reason, task.tries) == (TaskState.DELAYED, "incompatible_code", 0)
        assert task.failure is not None
        Task.objects.update(due_at=F("created_at"))
        run_scan("due")
    Task.objects.update(arguments='{"a":1}')
    run_to_standstill()
    process.refresh_from_db()
    assert process.value == 2


def test_what_is_handed_back_is_claimable_at_once_without_a_try() -> None:
    enqueue(2)
    leases = claimed(echo)
    release([handed_back(lease) for lease in leases])
    again = claimed(echo)
    assert [(lease.task_id, lease.attempt, lease.tries) for lease in again] == [
        (lease.task_id, 2, 0) for lease in leases
    ]
