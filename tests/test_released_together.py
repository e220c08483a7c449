"""What is released in one transaction is counted once: a decider beside the very task whose promise it was handed."""

from __future__ import annotations

from typing import Any

import pytest

from processes.models import ProcessState
from tasks.actors import decider, no_wait
from tasks.models import Task
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, done, executed, registered, run_to_standstill, task_of
from tests.flows.actors import add, echo

pytestmark = pytest.mark.usefixtures("rows")


@decider
def two_parts(fails: bool) -> Any:
    first = part.options(accept_failure=True, max_attempts=1)("fails" if fails else "gives", None)
    return part("waits", no_wait(first))


@decider
def part(how: str, other: Any) -> Any:
    if how == "fails":
        raise ValueError("no")
    if how == "gives":
        return 1
    return echo.options(after=[other, add(1)])("both are there")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_what_a_decider_calls_waits_for_each_of_its_two_tasks_once(fails: bool, together: bool) -> None:
    process = registered(two_parts, fails)
    done(two_parts)
    outcomes = sorted(executed(claimed(part)), key=lambda outcome: bool(outcome.calls))
    assert len(outcomes) == 2
    for batch in [outcomes] if together else [[each] for each in outcomes]:
        release(batch)
    waiter = task_of(process, echo)
    assert (waiter.state, waiter.pending) == (TaskState.WAITING, 1)
    done(add)
    assert task_of(process, echo).state == TaskState.ENQUEUED
    run_to_standstill()
    process.refresh_from_db()
    assert (process.state, process.value, process.open_tasks) == (ProcessState.COMPLETED, "both are there", 0)
    assert Task.objects.filter(process=process).count() == 5
