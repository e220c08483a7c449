"""The rows themselves refuse what one row can state to be wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from processes.models import Process, ProcessState, Tombstone
from tasks.models import Dependency, Task, TaskState
from tests import recovery_rows

pytestmark = pytest.mark.usefixtures("rows")
MOMENT = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("constraint", "state", "change"),
    [
        ("process_state_is_known", "RUNNING", {"state": "SLEEPING"}),
        ("process_ended_at_exactly_when_final", "RUNNING", {"ended_at": MOMENT}),
        ("process_ended_at_exactly_when_final", "COMPLETED", {"ended_at": None}),
        ("process_stood_still_at_exactly_in_standstill", "RUNNING", {"stood_still_at": MOMENT}),
        ("process_stood_still_at_exactly_in_standstill", "PAUSED", {"stood_still_at": None}),
        ("process_stood_still_at_exactly_in_standstill", "FAILED", {"stood_still_at": None}),
        ("process_open_tasks_not_negative", "RUNNING", {"open_tasks": -1}),
        ("process_final_has_no_open_task", "ABORTED", {"open_tasks": 1}),
        ("process_result_exactly_when_completed", "COMPLETED", {"result": None}),
        ("process_result_exactly_when_completed", "RUNNING", {"result": "1"}),
        ("process_failed_names_its_failure", "FAILED", {"failure": None}),
        ("process_runs_only_when_registered", "RUNNING", {"registered_at": None}),
        ("process_restarted_gave_up_its_custom_id", "RUNNING", {"restarted_as": "0" * 32}),
        ("process_deadline_comes_from_start_to_end", "RUNNING", {"deadline_at": MOMENT}),
        ("process_start_to_end_policy_is_known", "RUNNING", {"on_start_to_end": "explode"}),
    ],
)
def test_a_process_row_that_contradicts_itself_is_refused(constraint: str, state: str, change: dict[str, Any]) -> None:
    process = recovery_rows.process(state)
    before = recovery_rows.columns(process)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Process.objects.filter(id=process.id).update(**change)
    assert recovery_rows.columns(process) == before


@pytest.mark.parametrize(
    ("constraint", "state", "change"),
    [
        ("task_state_is_known", "ENQUEUED", {"state": "SLEEPING"}),
        ("task_kind_is_known", "ENQUEUED", {"kind": "robot"}),
        ("task_ended_at_exactly_when_ended", "ENQUEUED", {"ended_at": MOMENT}),
        ("task_ended_at_exactly_when_ended", "FAILED", {"ended_at": None}),
        ("task_lease_exactly_when_polled", "ENQUEUED", {"lease_ends_at": MOMENT}),
        ("task_lease_exactly_when_polled", "POLLED", {"lease_ends_at": None}),
        ("task_lease_exactly_when_polled", "POLLED", {"poll_ends_at": None}),
        ("task_lease_exactly_when_polled", "POLLED", {"batch_size": None}),
        ("task_pending_only_while_waiting", "ENQUEUED", {"pending": 1}),
        ("task_pending_only_while_waiting", "WAITING", {"pending": -1}),
        ("task_delayed_has_due_at", "DELAYED", {"due_at": None}),
        ("task_delayed_has_due_at", "DELAYED", {"delay_reason": None}),
        ("task_enqueued_at_when_enqueued", "ENQUEUED", {"enqueued_at": None}),
        ("task_decided_is_decider_with_promise", "ENQUEUED", {"state": "DECIDED"}),
        ("task_completed_has_one_value", "COMPLETED", {"result": None}),
        ("task_completed_has_one_value", "COMPLETED", {"value_from": "0" * 32}),
        ("task_result_only_when_completed", "ENQUEUED", {"result": "1"}),
        ("task_failed_has_failure", "FAILED", {"failure": None}),
        ("task_accepted_failure_is_failed", "ENQUEUED", {"failure_accepted": True}),
        ("task_external_is_never_polled", "POLLED", {"kind": "external"}),
        ("task_priority_between_0_and_9", "ENQUEUED", {"priority": 10}),
        ("task_priority_between_0_and_9", "ENQUEUED", {"priority": -1}),
        ("task_tries_at_most_attempts", "ENQUEUED", {"tries": 1}),
        ("task_tries_at_most_attempts", "ENQUEUED", {"max_attempts": 0}),
        ("task_deadline_comes_from_enqueue_to_end", "ENQUEUED", {"deadline_at": MOMENT}),
        ("task_policies_are_known", "ENQUEUED", {"on_lease_lost": "explode"}),
        ("task_policies_are_known", "ENQUEUED", {"on_enqueue_to_end": "explode"}),
        ("task_delay_reason_is_known", "ENQUEUED", {"delay_reason": "mood"}),
    ],
)
def test_a_task_row_that_contradicts_itself_is_refused(constraint: str, state: str, change: dict[str, Any]) -> None:
    task = recovery_rows.task(state=state)
    before = recovery_rows.columns(task)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Task.objects.filter(id=task.id).update(**change)
    assert recovery_rows.columns(task) == before


def test_one_custom_id_names_one_process_and_none_names_any_number() -> None:
    recovery_rows.process(custom_id="one")
    with pytest.raises(IntegrityError, match="process_custom_id_is_unique"), transaction.atomic():
        recovery_rows.process(custom_id="one")
    recovery_rows.process(custom_id=None)
    recovery_rows.process(custom_id=None)
    assert Process.objects.count() == 3


def test_a_pair_of_tasks_depends_once_and_none_on_itself() -> None:
    process = recovery_rows.process()
    task = recovery_rows.task(process)
    waiter = recovery_rows.task(process, TaskState.WAITING, id="0" * 32, pending=1)
    Dependency.objects.create(process_id=process.id, waiter=waiter, awaited=task)
    with pytest.raises(IntegrityError, match="dependency_pair_is_unique"), transaction.atomic():
        Dependency.objects.create(process_id=process.id, waiter=waiter, awaited=task, delivers_value=False)
    with pytest.raises(IntegrityError, match="dependency_not_on_itself"), transaction.atomic():
        Dependency.objects.create(process_id=process.id, waiter=task, awaited=task)


def test_a_tombstone_is_of_an_ended_process() -> None:
    with pytest.raises(IntegrityError, match="tombstone_state_is_final"), transaction.atomic():
        Tombstone.objects.create(
            custom_id="x", process_id="0" * 32, actor="a", arguments_hash="", state=ProcessState.RUNNING
        )


def test_every_constraint_of_the_models_stands_in_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace "
            "UNION SELECT indexname FROM pg_indexes WHERE schemaname = 'public'"
        )
        names = {row[0] for row in cursor.fetchall()}
    for model in (Process, Tombstone, Task, Dependency):
        assert {each.name for each in (*model._meta.constraints, *model._meta.indexes)} <= names


def test_a_budget_may_stand_only_where_there_is_one() -> None:
    task = recovery_rows.task(deadline_at=MOMENT)
    assert task.enqueue_to_end == timedelta(minutes=30)
