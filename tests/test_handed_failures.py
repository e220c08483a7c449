"""A worker that does not accept failures is never called with one, however the failure comes to it."""

from __future__ import annotations

from typing import Any

import pytest

from processes.failures import Failure
from processes.models import Process, ProcessState
from tasks.actors import decider, restart_failed_tasks, restart_task, worker
from tasks.errors import DependencyFailed
from tasks.models import Task
from tasks.states import TaskState
from tests.by_hand import finished, task_of
from tests.flows.actors import fail

pytestmark = pytest.mark.usefixtures("rows")


@worker
def takes(value: Any) -> str:
    return f"took {value}"


@worker
def takes_all(*values: Any, **more: Any) -> str:
    return f"took {values} {more}"


@decider
def hands_on(how: str) -> Any:
    return handing(how, fail.options(accept_failure=True)("no"))


@decider
def handing(how: str, failure: Any) -> Any:
    match how:
        case "as it is":
            return takes(failure)
        case "among many":
            return takes_all("yes", failure)
        case "by a name":
            return takes_all(other=failure)
        case "by a promise":
            return takes(giving_back(failure))
        case _:
            return takes(["yes", giving_back(failure)])


@decider
def giving_back(failure: Any) -> Any:
    return failure


WAYS = {
    "as it is": takes,
    "among many": takes_all,
    "by a name": takes_all,
    "by a promise": takes,
    "by a promise in a list": takes,
}


@pytest.mark.parametrize("how", WAYS)
def test_it_fails_instead_with_the_failure_as_its_cause_and_cannot_be_restarted(how: str) -> None:
    process = finished(hands_on, how)
    task = task_of(process, WAYS[how])
    told = Failure.from_text(task.failure or "")
    assert (process.state, process.failed_task_id) == (ProcessState.FAILED, task.id)
    assert (task.state, told.type) == (TaskState.FAILED, "dependency_failed")
    assert told.cause is not None
    assert told.cause.message == "no"
    before = list(Task.objects.order_by("id").values())
    with pytest.raises(DependencyFailed):
        restart_task(task)
    with pytest.raises(DependencyFailed):
        restart_failed_tasks(process)
    assert list(Task.objects.order_by("id").values()) == before
    assert Process.objects.get().state == ProcessState.FAILED
