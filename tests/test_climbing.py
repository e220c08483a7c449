"""How far a failure climbs, who gets it as a value, and where nobody gets anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from processes.failures import Failure
from processes.models import Process, ProcessState
from recovery.scans import run_scan
from tasks.builtins import collect
from tasks.declaring import Actor
from tasks.models import Task
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, executed, finished, registered, run_to_standstill, task_of
from tests.flows.actors import add, describe, echo, fail, judge
from tests.steered import (
    asking,
    handing,
    heard_twice,
    lending,
    lost,
    lost_in_a_list,
    overheard,
    passing,
    peeking,
    shared,
    stumble,
    stumbling,
    telling,
    told_later,
)

pytestmark = pytest.mark.usefixtures("rows")
NO = Failure("ValueError", "no")


def states(process: Process, *actors: Actor[..., Any]) -> dict[str, tuple[str, bool]]:
    """State and acceptance of the tasks of these actors."""
    tasks = [task_of(process, actor) for actor in actors]
    return {task.actor.partition(".")[2].partition("#")[0]: (task.state, task.failure_accepted) for task in tasks}


def test_retries_wait_longer_each_time_and_the_last_one_fails_the_task_for_good() -> None:
    process = registered(stumbling, "no")
    done(stumbling)
    task = task_of(process, stumble)
    for tries, seconds in ((1, 40), (2, 60)):
        done(stumble)
        task.refresh_from_db()
        assert (task.state, task.delay_reason, task.tries) == (TaskState.DELAYED, "retry", tries)
        assert task.due_at is not None
        assert task.polled_at is not None
        assert timedelta(seconds=seconds) <= task.due_at - task.polled_at < timedelta(seconds=seconds + 5)
        Task.objects.filter(id=task.id).update(due_at=F("due_at") - timedelta(seconds=seconds))
        assert run_scan("due") == 1
        task.refresh_from_db()
        assert (task.state, task.delay_reason, task.attempt) == (TaskState.ENQUEUED, None, tries)
    done(stumble)
    task.refresh_from_db()
    process.refresh_from_db()
    assert (task.state, task.tries, task.failure_accepted) == (TaskState.FAILED, 3, False)
    assert (process.state, process.failed_task_id) == (ProcessState.FAILED, task.id)


def test_an_accepted_failure_is_handed_to_all_who_wait_for_it() -> None:
    process = finished(heard_twice, "no")
    assert process.value == ["failed with no", "failure: no"]
    assert states(process, fail) == {"fail": (TaskState.FAILED, True)}
    assert {task.failed_input for task in Task.objects.filter(actor=str(describe.actor_name))} == {
        task_of(process, fail).id
    }


def test_a_decider_and_a_whole_process_whose_value_is_an_accepted_failure_are_completed_with_it() -> None:
    process = finished(lost, "no")
    assert (process.state, process.value, process.failure) == (ProcessState.COMPLETED, NO, None)
    root = task_of(process, lost)
    assert (root.state, root.value_from, root.failure) == (TaskState.COMPLETED, task_of(process, fail).id, None)


def test_a_failure_stands_in_a_collection_at_the_place_of_its_promise() -> None:
    process = finished(lost_in_a_list, "no")
    assert (process.state, process.value) == (ProcessState.COMPLETED, [1, NO])
    assert states(process, collect, fail) == {"collect": (TaskState.COMPLETED, False), "fail": (TaskState.FAILED, True)}


def test_nothing_is_delivered_where_somebody_outside_waits_for_a_member_that_accepts_nothing() -> None:
    process = finished(overheard, "no")
    assert (process.state, process.failed_task_id) == (ProcessState.FAILED, task_of(process, fail).id)
    assert Failure.from_text(process.failure or "") == NO
    assert states(process, fail, passing, lending, judge, echo) == {
        "fail": (TaskState.FAILED, False),
        "passing": (TaskState.DECIDED, False),
        "lending": (TaskState.DECIDED, False),
        "judge": (TaskState.WAITING, False),
        "echo": (TaskState.WAITING, False),
    }
    assert (task_of(process, judge).pending, task_of(process, echo).pending) == (1, 1)


def test_nothing_is_delivered_where_only_one_of_two_deciders_with_the_same_value_accepts_it() -> None:
    process = registered(shared, "no")
    done(shared)
    done(handing)
    done(fail)
    process.refresh_from_db()
    assert (process.state, process.open_tasks) == (ProcessState.FAILED, 5)
    assert states(process, fail, judge) == {"fail": (TaskState.FAILED, False), "judge": (TaskState.WAITING, False)}
    both = Task.objects.filter(actor=str(handing.actor_name))
    assert sorted(both.values_list("state", "accept_failure", "failure_accepted")) == [
        (TaskState.DECIDED, False, False),
        (TaskState.DECIDED, True, False),
    ]


def with_a_chain_that_failed(*, accepting: bool) -> tuple[Process, list[Any]]:
    """A process in which a failure climbed, and two deciders that were claimed before and hold a member's promise."""
    process = registered(told_later, "no", accepting)
    for actor in (told_later, telling, passing):
        done(actor)
    late = claimed(asking) + claimed(peeking)
    done(fail)
    process.refresh_from_db()
    return process, late


def test_who_waits_later_for_a_member_of_an_accepted_chain_gets_the_same_failure() -> None:
    process, late = with_a_chain_that_failed(accepting=True)
    origin = task_of(process, fail)
    assert states(process, fail, passing, telling) == dict.fromkeys(("fail", "passing", "telling"), ("FAILED", True))
    assert {task_of(process, actor).value_from for actor in (passing, telling)} == {origin.id}
    release(executed(late))
    assert task_of(process, peeking).result == "true"
    assert task_of(process, describe).failed_input == origin.id
    doomed = task_of(process, add)
    assert (doomed.state, doomed.attempt, doomed.failed_input) == (TaskState.FAILED, 0, origin.id)
    run_to_standstill()
    process.refresh_from_db()
    assert (process.state, process.value) == (ProcessState.COMPLETED, "failed with no")
    assert task_of(process, describe).result == '"failure: no"'


def test_who_waits_later_for_a_member_of_an_unaccepted_chain_changes_nothing_and_sees_it_unresolved() -> None:
    process, late = with_a_chain_that_failed(accepting=False)
    assert process.state == ProcessState.FAILED
    release(executed(late))
    assert task_of(process, peeking).result == "false"
    assert states(process, fail, passing, telling, describe, add, judge) == {
        "fail": (TaskState.FAILED, False),
        "passing": (TaskState.DECIDED, False),
        "telling": (TaskState.DECIDED, False),
        "describe": (TaskState.WAITING, False),
        "add": (TaskState.WAITING, False),
        "judge": (TaskState.WAITING, False),
    }
