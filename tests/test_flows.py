"""Flows on real workers, to their end: every shape of a process that deciders can make, deep, wide, late and twice."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db.models.functions import Now

from orchestrator.local.programs import Program
from processes.models import Event, Process, ProcessState
from processes.values import decode
from recovery.scans import run_scan
from tasks.actors import Actor
from tasks.models import DelayReason, Dependency, Task
from tasks.states import TaskState
from tests.by_hand import started, task_of, wait_until
from tests.conftest import environ_of_workers, launching
from tests.flows.actors import add, diamond, echo, fan, nest, total
from tests.flows.shapes import (
    LATER,
    computes,
    decides_again,
    handed_down,
    hands_down,
    held_open,
    leaves_running,
    line,
    loop,
    passes_on,
    polls,
    promises_one,
    promises_several,
    reports,
    reports_in_a_transaction,
    rests,
    returns_nothing,
    set_aside,
)

pytestmark = pytest.mark.usefixtures("real_worker", "rows")

MIB = 2**20
PATIENCE_SECONDS = 240.0
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def real_worker(django_db_setup: None) -> Iterator[Program]:
    """One worker with two children, for all tests of this module."""
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    with launching(folder, environ_of_workers()) as launch:
        yield launch(concurrency=2)
    shutil.rmtree(folder, ignore_errors=True)


def has_ended(process: Process) -> bool:
    process.refresh_from_db()
    return process.state not in (ProcessState.REGISTERING, ProcessState.RUNNING)


def completed(process: Process) -> Any:
    """The value of a process, once it has completed."""
    wait_until(lambda: has_ended(process), PATIENCE_SECONDS)
    assert process.state == ProcessState.COMPLETED, process.failure
    return process.value


def called(process: Process) -> Counter[str]:
    """How many tasks of a process each actor has, by the actor's own name."""
    names = Task.objects.filter(process=process).values_list("actor", flat=True)
    return Counter(name.partition("#")[0].partition(".")[2] for name in names)


def states(process: Process, actor: Actor[..., Any]) -> list[str]:
    tasks = Task.objects.filter(process=process, actor=str(actor.actor_name)).order_by("id")
    return list(tasks.values_list("state", flat=True))


def has_states(process: Process, actor: Actor[..., Any], expected: list[TaskState]) -> bool:
    return states(process, actor) == expected


def come_due(**which: Any) -> None:
    """Let the time of delayed tasks come."""
    Task.objects.filter(state=TaskState.DELAYED, **which).update(due_at=Now())
    run_scan("due")


NESTED: dict[str, Any] = {"text": "ü", "pair": (1, Decimal("2.50")), "none": None, "list": [[], {}]}


@pytest.mark.parametrize(
    ("actor", "arguments", "value", "tasks"),
    [
        (computes, [21], 42, {}),
        (passes_on, [NESTED], NESTED, {}),
        (returns_nothing, [], None, {}),
        (promises_one, [3], 4, {"add": 1}),
        (promises_several, [3], {"one": 4, "more": [5, ("plain", 6)]}, {"add": 3, "collect": 1}),
        (diamond, [3], 11, {"add": 3, "total": 1}),
    ],
    ids=["a plain value", "what it was passed", "nothing", "a promise", "a collection", "of a diamond"],
)
def test_a_decider_returns(actor: Actor[..., Any], arguments: list[Any], value: Any, tasks: dict[str, int]) -> None:
    process = started(actor, *arguments)
    found = completed(process)
    assert (found, type(found)) == (value, type(value))
    assert called(process) == Counter(tasks) + Counter([actor.actor_name.name.partition(".")[2]])
    assert not Task.objects.exclude(state=TaskState.COMPLETED, attempt=1, tries=0).exists()


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_finished_task_s_promise_is_returned_by_who_was_handed_it_levels_below(levels: int) -> None:
    process = started(hands_down, 3, levels, True)
    assert completed(process) == 4
    assert decode(task_of(process, echo).result or "") is True
    assert called(process) == {"hands_down": 1, "handed_down": levels, "add": 1, "echo": 1}
    assert not Task.objects.exclude(state=TaskState.COMPLETED).exists()


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_open_task_s_promise_is_returned_by_who_was_handed_it_levels_below(levels: int) -> None:
    process = started(hands_down, 3, levels, False)
    wait_until(lambda: states(process, echo) == [TaskState.COMPLETED])
    assert decode(task_of(process, echo).result or "") is False
    assert states(process, hands_down) + states(process, handed_down) == [TaskState.DECIDED] * (1 + levels)
    process.refresh_from_db()
    assert (process.state, process.open_tasks) == (ProcessState.RUNNING, 2 + levels)
    late = task_of(process, add)
    assert (late.state, late.due_at) == (TaskState.DELAYED, late.created_at + LATER)
    come_due()
    assert completed(process) == 4
    assert carried_from(late) == 1 + levels


@pytest.mark.parametrize("value", ["my own", None], ids=["a value", "nothing"])
def test_a_process_whose_root_returned_completes_only_when_its_other_tasks_have_ended(value: Any, folder: Path) -> None:
    path = folder / "go"
    process = started(leaves_running, str(path), value)
    wait_until(lambda: states(process, held_open) == [TaskState.POLLED])
    assert Task.objects.get(id=process.id).state == TaskState.COMPLETED
    process.refresh_from_db()
    assert (process.state, process.open_tasks, process.ended_at) == (ProcessState.RUNNING, 1, None)
    path.touch()
    assert completed(process) == value
    left = task_of(process, held_open)
    assert (left.state, decode(left.result or "")) == (TaskState.COMPLETED, "let go")
    assert left.ended_at is not None
    assert process.ended_at is not None
    assert process.ended_at >= left.ended_at


def test_a_thousand_levels_of_deciders_and_a_loop_of_two_thousand_rounds_carry_their_values_back() -> None:
    deep, looping = started(nest, 1000), started(loop, 2000, 0)
    assert completed(deep) == 1
    assert called(deep) == {"nest": 1001, "add": 1}
    assert carried_from(task_of(deep, add)) == 1001
    assert completed(looping) == sum(range(2001))
    assert called(looping) == {"loop": 2001}
    assert carried_from(Task.objects.get(process=looping, value_from=None)) == 2000


def carried_from(origin: Task) -> int:
    """How many deciders have completed with the value of this task."""
    return Task.objects.filter(kind="decider", state=TaskState.COMPLETED, value_from=origin.id).count()


def test_five_hundred_tasks_one_after_another_run_in_that_order_and_hand_no_values_on() -> None:
    process = started(line, 500)
    assert completed(process) == 499
    tasks = list(Task.objects.filter(process=process, actor=str(echo.actor_name)).order_by("id"))
    assert [decode(task.result or "") for task in tasks] == list(range(500))
    assert all(
        before.ended_at is not None and after.enqueued_at is not None and before.ended_at <= after.enqueued_at
        for before, after in pairwise(tasks)
    )
    assert Dependency.objects.filter(delivers_value=False).count() == Dependency.objects.count() == 499


def test_a_fan_out_of_five_thousand_is_collected_by_one_task_within_bounded_memory(real_worker: Program) -> None:
    assert completed(started(fan, 100)) == 5050
    children = psutil.Process(real_worker.pid).children()
    before = [child.memory_info().rss for child in children]
    process = started(fan, 5000)
    grown = [0] * len(children)

    def measured() -> bool:
        now = [child.memory_info().rss for child in children]
        grown[:] = [max(most, rss - first) for most, rss, first in zip(grown, now, before, strict=True)]
        return has_ended(process)

    wait_until(measured, PATIENCE_SECONDS)
    assert completed(process) == sum(range(1, 5001))
    assert called(process) == {"fan": 1, "add": 5000, "total": 1}
    collector = task_of(process, total)
    assert len(collector.arguments) < 5000 * 100
    assert Dependency.objects.filter(waiter=collector, delivers_value=True).count() == 5000
    assert max(grown) < 64 * MIB, grown


def test_of_a_decision_whose_first_attempt_was_frozen_one_set_of_tasks_comes_and_the_late_release_is_refused(
    folder: Path,
) -> None:
    path = folder / "attempts"
    process = started(decides_again, str(path), False)
    wait_until(path.exists)
    child = int(path.read_text())
    os.kill(child, signal.SIGSTOP)
    try:
        lose_the_lease(process)
        assert completed(process) == 6
    finally:
        Path(f"{path}.go").touch()
        os.kill(child, signal.SIGCONT)
    [refused] = wait_until(lambda: list(Event.objects.filter(kind="release_refused")))
    assert (refused.task_id, refused.detail["attempt"], refused.detail["outcome"]) == (process.id, 1, "DECIDED")
    assert_decided_once(process)


def test_of_a_decision_whose_first_attempt_was_killed_one_set_of_tasks_comes(folder: Path) -> None:
    path = folder / "attempts"
    process = started(decides_again, str(path), True)
    wait_until(path.exists)
    wait_until(lambda: not psutil.pid_exists(int(path.read_text())))
    assert called(process) == {"decides_again": 1}
    lose_the_lease(process)
    assert completed(process) == 6
    assert_decided_once(process)


def lose_the_lease(process: Process) -> None:
    """Let the lease on the root task be at its end."""
    assert Task.objects.filter(id=process.id, state=TaskState.POLLED, attempt=1).update(lease_ends_at=Now()) == 1
    run_scan("task_heartbeat")
    wait_until(lambda: Task.objects.filter(id=process.id, attempt=2).exists())


def assert_decided_once(process: Process) -> None:
    assert called(process) == {"decides_again": 1, "add": 3, "echo": 1, "total": 1}
    assert not Task.objects.exclude(id=process.id).exclude(parent_id=process.id, attempt=1).exists()
    root = Task.objects.get(id=process.id)
    assert (root.attempt, root.released_attempt, root.tries) == (2, 2, 1)
    process.refresh_from_db()
    assert (process.state, process.open_tasks) == (ProcessState.COMPLETED, 0)


def test_a_task_that_snoozes_two_hundred_times_stays_one_row_and_counts_no_try(folder: Path) -> None:
    path = folder / "outside"
    process = started(polls, str(path), 200)

    def looked_again() -> bool:
        run_scan("due")
        return has_ended(process)

    wait_until(looked_again, PATIENCE_SECONDS)
    assert completed(process) == 200
    task = Task.objects.get()
    assert (task.attempt, task.tries, task.max_attempts, task.delay_reason) == (200, 0, 1, None)
    assert path.read_text().count("looked") == 200


@pytest.mark.parametrize("actor", [reports, reports_in_a_transaction])
@pytest.mark.parametrize(("how", "tries"), [("snooze", 0), ("an error", 1)])
def test_the_details_that_an_attempt_reported_last_reach_the_next_one(
    actor: Actor[..., Any], how: str, tries: int
) -> None:
    process = started(actor, how)
    wait_until(lambda: states(process, actor) == [TaskState.DELAYED])
    come_due()
    assert completed(process) == ("page", 3)
    task = Task.objects.get()
    assert (task.attempt, task.tries) == (2, tries)


def test_a_sleep_lasts_from_no_time_to_a_year_and_only_what_is_due_goes_on() -> None:
    durations = [timedelta(0), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), YEAR]
    process = started(rests, durations)
    wait_until(lambda: states(process, echo) == [TaskState.COMPLETED] + [TaskState.WAITING] * 4)
    asleep = Task.objects.filter(state=TaskState.DELAYED, delay_reason=DelayReason.LATER, attempt=0).order_by("due_at")
    assert [task.due_at - task.created_at for task in asleep if task.due_at] == durations[1:]
    assert run_scan("due") == 0
    for over in range(2, 6):
        come_due(id=asleep.earliest("due_at").id)
        rested = [TaskState.COMPLETED] * over + [TaskState.WAITING] * (5 - over)
        wait_until(partial(has_states, process, echo, rested))
    assert completed(process) == durations


def test_code_and_settings_are_set_aside_from_garbage_collection_in_a_worker_process() -> None:
    assert completed(started(set_aside)) > 50_000
