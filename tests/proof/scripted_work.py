"""Writes by hand what workers do: claims, attempts, deliveries, and what follows from them in the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.proof.checker.keys import BUILT_IN
from tests.proof.checker.records import DependencyRow, EffectRow, TaskRow
from tests.proof.language import COLLECT, DECIDE, FORM, TIMER, Body, awaited, called, digest
from tests.proof.scripted import Script

WORKER = "worker-one-11"
Handed = Sequence[Any]


class Work(Script):
    """Writes a run with its workers: one worker process does everything."""

    def claim(self, *tasks: str) -> None:
        """One claim statement."""
        leases = []
        began = self.wait()
        polled = self.wait()
        for task in tasks:
            row = self.change(
                task,
                state="POLLED",
                attempt=self.tasks[task].attempt + 1,
                polled_at=polled,
                poll_ends_at=polled + 300,
                lease_ends_at=polled + 2,
                batch_size=len(tasks),
            )
            leases.append([task, row.process_id, row.attempt])
        self.line(WORKER, "claimed", began=began, actor=self.tasks[tasks[0]].actor, leases=leases)

    def begin(self, task: str, handed: Handed = (), mode: str = "works") -> None:
        """User code begins."""
        row = self.tasks[task]
        told = {"task": task, "process": row.process_id, "attempt": row.attempt, "tries": row.tries}
        self.line(WORKER, "began", **told, key=self.keys[task], mode=mode, handed=list(handed))

    def end(self, task: str, how: str, **told: Any) -> None:
        """User code ends."""
        usual = {"value": None, "pause": None, "error": None}
        self.line(WORKER, "ended", **{"task": task, "attempt": self.tasks[task].attempt, "how": how, **usual, **told})

    def offer(self, task: str, state: str) -> None:
        """A delivery begins."""
        self.line(WORKER, "releasing", outcomes=[[task, self.tasks[task].attempt, state]])

    def answer(self, task: str, answer: str = "accepted", attempt: int | None = None) -> None:
        """A delivery was answered."""
        began, number = self.now, self.tasks[task].attempt if attempt is None else attempt
        self.line(WORKER, "released", began=began, answers={task: answer}, attempts={task: number})

    def work(self, task: str, handed: Handed = (), *, is_claimed: bool = False) -> Any:
        """A worker's attempt from its claim to its end; its value."""
        if not is_claimed:
            self.claim(task)
        self.begin(task, handed)
        row = self.tasks[task]
        value = [digest(self.keys[task], list(handed)), f"n-{task}-{row.attempt}"]
        if not row.actor.startswith("tasks."):
            self.line(WORKER, "effect", task=task, attempt=row.attempt, nonce=value[1])
            self.end(task, "value", value=value)
        self.offer(task, "COMPLETED")
        if row.actor.startswith("workload.book"):
            self.effects.append(EffectRow(task, row.attempt, value[1]))
        self.deliver(task, "COMPLETED", result=json.dumps(value))
        self.settle(task)
        self.answer(task)
        return value

    def refuse(self, task: str, kind: str) -> None:
        """A worker's attempt that fails for good, which nobody accepts."""
        self.claim(task)
        self.begin(task, mode="refuses")
        self.end(task, "error", error=kind)
        self.offer(task, "FAILED")
        failure = json.dumps({"type": kind, "message": "for good"})
        self.deliver(task, "FAILED", failure=failure, tries=self.tasks[task].tries + 1)
        told = {"state": "FAILED", "failure": failure, "failed_task_id": task, "stood_still_at": self.now}
        self.change_process(self.tasks[task].process_id, **told)
        self.event("task_failed", self.tasks[task].process_id, task, type=kind)
        self.answer(task)

    def lose(self, task: str, kind: str, *, alone: bool) -> None:
        """A lease is taken back."""
        row = self.tasks[task]
        leased = {"poll_ends_at": None, "lease_ends_at": None, "batch_size": None}
        told = {"tries": row.tries + alone, "alone": row.alone or not alone}
        self.change(task, state="ENQUEUED", **leased, **told)
        self.event(kind, row.process_id, task, attempt=row.attempt, tries=row.tries + alone, became="ENQUEUED")

    def digest_of(self, task: str) -> str:
        """What a form is to be answered with."""
        return digest(self.keys[task], [])

    def nap(self, task: str) -> None:
        """The attempt of a timer, which writes nothing."""
        self.claim(task)
        self.offer(task, "COMPLETED")
        self.deliver(task, "COMPLETED", result="null")
        self.settle(task)
        self.answer(task)

    def decide(self, task: str, handed: Handed = (), value: Any = None) -> list[str]:
        """A decider's attempt; the tasks that it made, in the order of its calls."""
        self.claim(task)
        if not self.tasks[task].actor.startswith("tasks."):
            self.begin(task, handed)
            self.end(task, "decision")
        body = self.bodies.get(task)
        returned = body["returns"] if body is not None else {"value": value}
        self.offer(task, "COMPLETED" if "value" in returned else "DECIDED")
        self.deliver(task, "DECIDED")
        made = self.make(task, body) if body is not None else []
        if "value" in returned:
            stored = returned["value"] if value is None else value
            self.change(task, state="COMPLETED", result=json.dumps(stored), ended_at=self.now)
            self.settle(task)
        else:
            self.change(task, value_from=made[returned.get("call", -1)])
        self.answer(task)
        return made

    def make(self, parent: str, body: Body) -> list[str]:
        """The tasks of a body, with what they wait for."""
        made: list[str] = []
        at, process = self.wait(), self.tasks[parent].process_id
        for index, call in enumerate(body["calls"]):
            needs = [made[each] for each in sorted(awaited(call))]
            task = self._task(parent, call["actor"], f"{self.keys[parent]}.{index}", at, needs)
            made.append(task)
            if call["body"] is not None:
                self.bodies[task] = call["body"]
            due = at + call["start_in"] if call["start_in"] is not None else None
            options = {"accept_failure": call["accept"], "enqueue_to_end": call["budget"], "due_at": due}
            self.change(task, **options, state="DELAYED" if due is not None else self.tasks[task].state)
        if "all" in body["returns"]:
            needs = [made[each] for each in sorted(set(called(body["returns"])))]
            made.append(self._task(parent, COLLECT, f"{self.keys[parent]}.returned", at, needs))
        self.change_process(process, open_tasks=self.processes[process].open_tasks + len(made))
        return made

    def _task(self, parent: str, actor: str, key: str, at: float, needs: list[str]) -> str:
        task = f"task-{len(self.tasks):04d}"
        process = self.tasks[parent].process_id
        kinds = {FORM: "external", DECIDE: "decider", COLLECT: "decider"}
        self.keys[task] = key
        self.tasks[task] = TaskRow(
            id=task,
            process_id=process,
            parent_id=parent,
            actor=BUILT_IN.get(actor, f"workload.{actor}#1.0"),
            kind=kinds.get(actor, "worker"),
            arguments="{}",
            state="WAITING" if needs else "ENQUEUED",
            created_at=at,
            enqueued_at=None if needs or actor == TIMER else at,
            pending=len(needs),
            max_attempts=50,
        )
        self.dependencies += [DependencyRow(process, task, each) for each in needs]
        return task

    def deliver(self, task: str, state: str, **columns: Any) -> None:
        """What an accepted delivery writes into the row."""
        at = self.wait()
        leased = {"poll_ends_at": None, "lease_ends_at": None, "batch_size": None}
        ended = at if state in ("COMPLETED", "FAILED") else None
        self.change(task, state=state, released_attempt=self.tasks[task].attempt, ended_at=ended, **leased, **columns)

    def settle(self, task: str) -> None:
        """What follows from a settled task: deciders have their value, waiters are ready, processes complete."""
        at, process = self.now, self.tasks[task].process_id
        self.change_process(process, open_tasks=self.processes[process].open_tasks - 1)
        for dependency in self.dependencies:
            if dependency.awaited_id == task:
                row = self.change(dependency.waiter_id, pending=self.tasks[dependency.waiter_id].pending - 1)
                if row.pending == 0:
                    self.change(row.id, state="ENQUEUED", enqueued_at=at)
        origin = self.tasks[task].value_from or task
        for row in list(self.tasks.values()):
            if row.state == "DECIDED" and row.value_from == task:
                self.change(row.id, state="COMPLETED", value_from=origin, ended_at=at)
                self.settle(row.id)
        if self.processes[process].open_tasks == 0 and self.processes[process].state == "RUNNING":
            root = self.tasks[process]
            value = self.tasks[root.value_from or root.id]
            failure = '{"$":"failure","v":' + (value.failure or "") + "}"
            result = failure if value.state == "FAILED" else value.result
            self.change_process(process, state="COMPLETED", ended_at=at, result=result)
