"""The two clocks that stop: enqueue to end of a task, start to end of a process. Time passes by moving every row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from processes.failures import Failure
from processes.models import Process, ProcessState
from recovery.scans import run_scan
from tasks.actors import block, pause, pause_everything, restart_task, resume, resume_everything, unblock
from tasks.expiring import spend_budgets, time_out
from tasks.models import ActorStatus, Task
from tasks.outcomes import failed
from tasks.queries import due_budgets
from tasks.releasing import release
from tests.by_hand import claimed, done, registered, task_of
from tests.every_row import disagreements, let_pass
from tests.flows.actors import add, fail
from tests.steered import beside_failing

pytestmark = pytest.mark.usefixtures("rows")
TASK_MINUTES, PROCESS_MINUTES = 60, 120
DAYS = 24 * 60
MINUTE = timedelta(minutes=1)


class Clocks:
    """Two processes to which the same is done: the one has a task with a clock, the other has a clock itself."""

    def __init__(self) -> None:
        self.with_task = registered(beside_failing, TASK_MINUTES)
        self.with_own = registered(beside_failing, 0, start_to_end=PROCESS_MINUTES * MINUTE)
        done(beside_failing)
        self.standing: set[str] = set()
        self.task_left, self.process_left = TASK_MINUTES, PROCESS_MINUTES

    def each(self, act: Callable[[Process], object]) -> None:
        for process in (self.with_task, self.with_own):
            act(process)

    def step(self, step: int | str) -> None:
        """Let minutes pass, or make something stand still (or go on, where it does already)."""
        if isinstance(step, int):
            self.task_left -= 0 if self.standing else step
            self.process_left -= 0 if self.standing - {"block"} else step
            let_pass(step * MINUTE)
        elif step in self.standing:
            self.standing.remove(step)
            GO_ON[step](self)
        else:
            self.standing.add(step)
            STOP[step](self)

    def check(self) -> None:
        """Both clocks run, and each fires in the scan after its time is up and in none before."""
        assert not self.standing
        assert disagreements() == {}
        passed = 0
        firing = {"task_enqueue_to_end": self.task_left, "process_start_to_end": self.process_left}
        for scan, left in sorted(firing.items(), key=lambda each: each[1]):
            let_pass((left - passed - 1) * MINUTE)
            assert run_scan(scan) == 0, f"{scan} fires too early"
            let_pass(2 * MINUTE)
            assert run_scan(scan) == 1, f"{scan} fires too late"
            passed = left + 1


def fail_both(clocks: Clocks) -> None:
    release([failed(lease, Failure("E", "no")) for lease in claimed(fail)])
    clocks.each(lambda process: process.refresh_from_db())
    assert {clocks.with_task.state, clocks.with_own.state} == {ProcessState.FAILED}


STOP: dict[str, Callable[[Clocks], object]] = {
    "pause": lambda clocks: clocks.each(pause),
    "fail": fail_both,
    "block": lambda clocks: block(add),
    "everything": lambda clocks: pause_everything(),
}
GO_ON: dict[str, Callable[[Clocks], object]] = {
    "pause": lambda clocks: clocks.each(resume),
    "fail": lambda clocks: clocks.each(lambda process: restart_task(task_of(process, fail))),
    "block": lambda clocks: unblock(add),
    "everything": lambda clocks: resume_everything(),
}
PAIRS = (
    ("pause", "block"),
    ("block", "everything"),
    ("pause", "everything"),
    ("fail", "block"),
    ("fail", "everything"),
)


def overlaps() -> list[list[int | str]]:
    """Of each pair: the second inside the first, around it, begun later and ended later, begun and ended earlier."""
    return [
        [5, begins, 10, follows, 20, ends, 30, is_last]
        for one, other in PAIRS
        for begins, follows, ends, is_last in (
            (one, other, other, one),
            (other, one, one, other),
            (one, other, one, other),
            (other, one, other, one),
        )
        # While everything is paused nothing is claimed that could fail.
        if not (follows == "fail" and begins == "everything")
    ]


def told(steps: list[int | str]) -> str:
    """A name for the test: what it does."""
    return " ".join(map(str, steps))


@pytest.mark.parametrize("steps", overlaps(), ids=told)
def test_standstills_and_blocks_that_overlap_stop_the_clocks_once(steps: list[int | str]) -> None:
    clocks = Clocks()
    for step in steps:
        clocks.step(step)
    clocks.check()


@pytest.mark.parametrize(
    "steps",
    [
        [5, "pause", 10, "block", 10, "everything", 10, "pause", 10, "everything", 10, "block", 5],
        [5, "everything", 10, "pause", 10, "block", 10, "everything", 10, "block", 10, "pause", 5],
        [5, "pause", 10, "pause", 5, "pause", 10, "pause", 5, "block", 9, "block", 5, "block", 9, "block"],
        [5, "block", 10, "pause", 10, "block", 10, "block", 10, "pause", 10, "block", 5],
    ],
    ids=told,
)
def test_standstills_and_blocks_in_any_order_stop_the_clocks_once(steps: list[int | str]) -> None:
    clocks = Clocks()
    for step in steps:
        clocks.step(step)
    clocks.check()


@pytest.mark.parametrize(
    ("stop", "stops_process"), [("pause", True), ("fail", True), ("everything", True), ("block", False)]
)
def test_three_days_of_standing_still_move_the_deadline_by_three_days_and_nothing_more(
    stop: str, stops_process: bool
) -> None:
    clocks = Clocks()
    clocks.step(20)
    clocks.step(stop)
    if stops_process:
        clocks.step(3 * DAYS)
        assert run_scan("process_start_to_end") == 0
        assert clocks.process_left == PROCESS_MINUTES - 20
    else:
        clocks.step(90)
        assert clocks.process_left == PROCESS_MINUTES - 110
    assert run_scan("task_enqueue_to_end") == 0
    assert clocks.task_left == TASK_MINUTES - 20
    clocks.step(stop)
    clocks.check()


def test_a_clock_whose_time_was_nearly_up_fires_one_scan_after_the_standstill_has_ended() -> None:
    clocks = Clocks()
    let_pass((TASK_MINUTES + 1) * MINUTE)
    clocks.each(pause)
    assert [run_scan("task_enqueue_to_end"), run_scan("process_start_to_end")] == [0, 0]
    assert Task.objects.filter(process=clocks.with_task, budget_left__lt=timedelta(0)).count() == 1
    let_pass(9 * DAYS * MINUTE)
    clocks.each(resume)
    assert run_scan("task_enqueue_to_end") == 1
    assert run_scan("process_start_to_end") == 0


def test_what_was_blocked_before_it_was_enqueued_has_its_whole_time_when_it_is_unblocked() -> None:
    block(add)
    clocks = Clocks()
    let_pass(60 * MINUTE)
    unblock(add)
    clocks.process_left -= 60
    clocks.check()


def test_blocks_before_a_task_was_there_are_not_added_to_its_time() -> None:
    for _ in range(2):
        block(add)
        let_pass(600 * MINUTE)
        unblock(add)
    pause_everything()
    let_pass(600 * MINUTE)
    resume_everything()
    assert ActorStatus.objects.get(name=str(add.actor_name)).blocked_for >= 1200 * MINUTE
    Clocks().check()


def test_what_is_due_by_the_wall_clock_only_is_neither_found_nor_acted_on_by_whoever_hands_it_in() -> None:
    clocks = Clocks()
    task = task_of(clocks.with_task, add)
    pause_everything()
    let_pass(3 * DAYS * MINUTE)
    assert due_budgets(10) == []
    assert spend_budgets([(task.id, task.process_id)]) == 0
    assert time_out([clocks.with_own.id]) == 0
    resume_everything()
    let_pass(2 * PROCESS_MINUTES * MINUTE)
    assert due_budgets(10) == [(task.id, task.process_id)]
    assert time_out([clocks.with_own.id]) == 1
