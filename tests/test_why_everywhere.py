"""A walk at random through the states: wherever a process or a task stands, there is an answer to why."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F

from processes.errors import Refused
from processes.models import Process
from processes.states import FINAL_STATES, ProcessState
from recovery.causes import Cause
from recovery.scans import SCANS, run_scan
from recovery.why import why
from tasks import actors as steering
from tasks.models import Task
from tasks.outcomes import handed_back
from tasks.registration import register_all_waiting
from tasks.releasing import release
from tasks.states import TaskState
from tests.by_hand import claimed, executed, started
from tests.flows import actors as flows

STEPS = 300
SHAPES: list[Callable[[], Process]] = [
    lambda: started(flows.chain, 1),
    lambda: started(flows.accepted, "no"),
    lambda: started(flows.unaccepted, "no"),
    lambda: started(flows.dependent_worker),
    lambda: started(flows.signed, 1, start_to_end=timedelta(hours=1)),
    lambda: started(flows.timer_and_sum),
    lambda: started(flows.nest, 3),
    lambda: started(flows.failing_decider),
    lambda: started(flows.echo.options(version="9.9"), 1),
]


class Walk:
    """One walk; the seed says where it goes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.met: set[tuple[str, str]] = set()
        self.done: set[tuple[UUID, type]] = set()

    def step(self) -> None:
        """Do something, allowed or not."""
        with suppress(Refused):
            self.random.choice([self.start, self.work, self.work, self.work, self.lose, self.steer, self.pass_time])()

    def start(self) -> None:
        self.random.choice(SHAPES)()
        if self.random.random() < 0.8:
            register_all_waiting()

    def work(self) -> None:
        """Claim from one actor and release some of it, hand the rest back."""
        ready = sorted(set(Task.objects.filter(state=TaskState.ENQUEUED).values_list("actor", flat=True)))
        leases = claimed(self.random.choice(ready)) if ready else []
        known = [lease for lease in leases if not lease.actor.endswith("9.9")]
        for lease in leases:
            fate = self.random.random()
            if fate < 0.7 and lease in known:
                release(executed([lease]))
            elif fate < 0.8:
                release([handed_back(lease)])

    def lose(self) -> None:
        Task.objects.filter(state=TaskState.POLLED).update(lease_ends_at=F("polled_at"), poll_ends_at=F("polled_at"))

    def steer(self) -> None:
        acts: list[Callable[[Any], object]] = [
            *(steering.pause, steering.resume, steering.restart_failed_tasks, steering.restart_process, steering.abort)
        ]
        kind = self.random.random()
        if kind < 0.15:
            act = self.random.choice([steering.block, steering.unblock])
            named: list[Any] = [flows.add, flows.echo, flows.total]
            act(self.random.choice(named))
        elif kind < 0.25:
            self.random.choice([steering.pause_everything, steering.resume_everything])()
        elif kind < 0.4:
            self.answer(self.random.random() < 0.5)
        else:
            processes = list(Process.objects.exclude(state__in=FINAL_STATES).order_by("id"))
            if processes:
                self.random.choice(acts)(self.random.choice(processes))

    def answer(self, well: bool) -> None:
        """Complete or fail an external task."""
        task = Task.objects.filter(kind="external", state__in=[TaskState.ENQUEUED, TaskState.HELD]).first()
        if task is not None:
            _ = steering.complete_task(task, 1) if well else steering.fail_task(task, "no")

    def pass_time(self) -> None:
        Task.objects.filter(due_at__isnull=False).update(due_at=F("due_at") - timedelta(minutes=1))
        run_scan(self.random.choice(sorted(SCANS)))

    def look(self) -> None:
        """Everything that is there has an answer, and one that fits."""
        for process in Process.objects.all():
            self.ask(process, process.state, is_ended=process.state in FINAL_STATES)
        for task in Task.objects.all():
            ended = task.state in (TaskState.COMPLETED, TaskState.CANCELLED) or (
                task.state == TaskState.FAILED and (task.failure_accepted or task.process.state in FINAL_STATES)
            )
            self.ask(task, task.state, is_ended=ended)

    def ask(self, subject: Process | Task, state: str, *, is_ended: bool) -> None:
        if (subject.id, type(subject)) in self.done:
            return
        explanation = why(subject)
        assert isinstance(explanation.code, Cause)
        assert (explanation.code is Cause.ENDED) == is_ended, (state, explanation)
        assert explanation.sentence
        assert explanation.action
        assert explanation.ids
        self.met.add((state, explanation.code))
        if is_ended:
            self.done.add((subject.id, type(subject)))


@pytest.mark.usefixtures("rows")
def test_every_process_and_task_on_a_random_walk_has_an_answer() -> None:
    walk = Walk(seed=7)
    for number in range(STEPS):
        walk.step()
        if number % 15 == 0:
            walk.look()
    walk.look()
    met = {state for state, _ in walk.met}
    assert set(ProcessState.values) - {ProcessState.TIMED_OUT} <= met
    assert set(TaskState.values) <= met
