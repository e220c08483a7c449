"""Workers with different code side by side: a task whose arguments do not fit waits, visibly, for one that has it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from processes.failures import Failure
from processes.models import Event, Process, ProcessState
from recovery.scans import run_scan
from tasks.models import DelayReason, Task
from tasks.states import TaskState
from tests.by_hand import started, wait_until
from tests.conftest import Launch
from tests.rollout.newer.actors import greet

pytestmark = pytest.mark.usefixtures("rows")


def test_arguments_that_do_not_fit_the_older_code_wait_without_a_try_until_a_newer_worker_comes(launch: Launch) -> None:
    launch(concurrency=1, env={"ORCHESTRATOR_APPS": "tests.rollout.older"})
    process = started(greet, "Ada", "Welcome")
    [waiting] = wait_until(lambda: list(Task.objects.filter(state=TaskState.DELAYED)))
    assert (waiting.delay_reason, waiting.attempt, waiting.tries) == (DelayReason.INCOMPATIBLE_CODE, 1, 0)
    assert waiting.due_at is not None
    assert waiting.polled_at is not None
    assert timedelta(seconds=5) <= waiting.due_at - waiting.polled_at < timedelta(minutes=1)
    failure = Failure.from_text(waiting.failure or "")
    assert (failure.type, failure.message) == ("incompatible_code", "rollout.greet#1.0 has no parameter greeting")
    process.refresh_from_db()
    assert (process.state, process.open_tasks) == (ProcessState.RUNNING, 1)

    launch(concurrency=1, env={"ORCHESTRATOR_APPS": "tests.rollout.newer"})
    wait_until(lambda: offered_again(process))
    assert process.value == "Welcome Ada"
    served = Task.objects.get()
    assert (served.state, served.tries, served.failure, served.delay_reason) == (TaskState.COMPLETED, 0, None, None)
    assert served.worker != waiting.worker
    assert served.attempt > 1
    assert not Event.objects.exists()


def offered_again(process: Process) -> bool:
    """Let the delay be over, and ask whether a worker that could has done it."""
    Task.objects.filter(state=TaskState.DELAYED).update(due_at=Now())
    run_scan("due")
    process.refresh_from_db()
    return process.state == ProcessState.COMPLETED
