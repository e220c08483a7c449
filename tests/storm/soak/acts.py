"""The acts of a soak: each does one thing to something chosen at random, and writes the answer into the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from uuid import UUID

from processes.errors import Refused
from processes.models import Event, ProcessState
from tasks.actors import (
    abort,
    complete_task,
    fail_task,
    pause,
    restart_failed_tasks,
    restart_process,
    restart_task,
    resume,
)
from tasks.models import Kind, Task, TaskState
from tests.proof.checker.calls import KINDS
from tests.storm.soak.actors import CURES, form
from tests.storm.soak.ledger import DONE, Ledger
from tests.storm.soak.shapes import is_curable

RECENT = 10
"""Of so many processes that were started last, some still run."""
CANDIDATES = 50


class Acts:
    """Acts at random, with everything that was done and refused in the ledger."""

    def __init__(self, ledger: Ledger, random: Random) -> None:
        self.ledger = ledger
        self.random = random
        self._number = 0
        self._completed: set[str] = set()
        """Paused ones that have completed all the same, by the refusal of their resume."""

    def act(
        self,
        function: Callable[..., Event],
        *arguments: object,
        process: str | None = None,
        task: UUID | None = None,
        value: str | None = None,
    ) -> bool:
        """Do it, now and then twice under its request id; write down how it was answered, and return if it was done."""
        self._number += 1
        words = {"by": "soak", "reason": "at random", "request_id": f"act-{self._number}"}
        kind = KINDS[function.__name__]
        told = {"what": "act", "kind": kind, "process": process, "task": str(task) if task else None, "value": value}
        try:
            event = function(*arguments, **words)
        except Refused as refusal:
            self.ledger.write(**told, answer=refusal.code)
            return False
        again = {"repeated": function(*arguments, **words).id} if self.random.random() < 0.1 else {}
        self.ledger.write(**told, answer=DONE, event=event.id, detail=event.detail, **again)
        return True

    def something(self) -> None:
        """Do one thing to one process or task."""
        chances: dict[Callable[[], object], int] = {
            self.pause: 30,
            self.resume: 20,
            self.answer: 20,
            self.restart_failed: 20,
            self.abort: 5,
            self.restart_process: 4,
            self.do_nonsense: 4,
        }
        [chosen] = self.random.choices(list(chances), list(chances.values()))
        chosen()

    def pause(self) -> None:
        """Pause a process that was started a moment ago."""
        self._to_process(pause, self._recent())

    def resume(self) -> None:
        """Resume a process that is paused by the ledger; every fourth is left paused, so that some are at the end."""
        paused = [
            each
            for each, account in self.ledger.accounts.items()
            if account.is_paused and account.number % 4 and each not in self._completed
        ]
        if paused and not self._to_process(resume, process := self.random.choice(paused)):
            self._completed.add(process)

    def abort(self) -> None:
        """Abort a process: one that was started a moment ago, one that stands still, or any one."""
        self._to_process(abort, self._recent() if self.random.random() < 0.5 else self._anyone())

    def restart_process(self) -> None:
        """Restart a process from its beginning, whatever became of it."""
        self._to_process(restart_process, self._recent() if self.random.random() < 0.5 else self._anyone())

    def do_nonsense(self) -> None:
        """Ask for what will nearly always be refused."""
        process = self._anyone()
        function = self.random.choice([pause, resume, restart_failed_tasks])
        if function is not restart_failed_tasks or not self._would_cure(process):
            self._to_process(function, process)

    def answer(self, *, only_running: bool = False) -> bool:
        """Complete or fail an external task that waits for it; return whether there was one."""
        states = [ProcessState.RUNNING] if only_running else [ProcessState.RUNNING, ProcessState.PAUSED]
        ready = Task.objects.filter(
            kind=Kind.EXTERNAL,
            actor=str(form.actor_name),
            state__in=[TaskState.ENQUEUED, TaskState.HELD],
            process__state__in=states,
        )
        found = list(ready.only("id", "process_id")[:CANDIDATES])
        if not found:
            return False
        task = self.random.choice(found)
        function = complete_task if self.random.random() < 0.7 else fail_task
        value = f"answer-{self._number}"
        self.act(function, task.id, value, process=str(task.process_id), task=task.id, value=value)
        return True

    def restart_failed(self) -> None:
        """Restart a failed task, or all those of its process; cure the process first if it can be cured."""
        failed = Task.objects.filter(
            state=TaskState.FAILED,
            failure_accepted=False,
            process__state__in=[ProcessState.FAILED, ProcessState.PAUSED],
        )
        found = list(failed.values_list("process_id", flat=True)[:CANDIDATES])
        if not found:
            return
        process = self.random.choice(found)
        tasks = list(Task.objects.filter(process_id=process).only("id", "state", "failure_accepted"))
        if any(task.state == TaskState.POLLED for task in tasks):
            return
        unaccepted = [task.id for task in tasks if task.state == TaskState.FAILED and not task.failure_accepted]
        if self._would_cure(str(process)):
            Path(os.environ[CURES], str(process)).touch()
            self.ledger.write(what="cured", process=str(process), failed=[str(task) for task in unaccepted])
        if self.random.random() < 0.5:
            self._to_process(restart_failed_tasks, str(process))
        else:
            task = self.random.choice(unaccepted)
            self.act(restart_task, task, process=str(process), task=task)

    def _would_cure(self, process: str) -> bool:
        account = self.ledger.accounts[process]
        return account.shape.fate == "refuses" and is_curable(account.number) and account.cured is None

    def _to_process(self, function: Callable[..., Event], process: str) -> bool:
        return self.act(function, UUID(process), process=process)

    def _recent(self) -> str:
        return self.random.choice(list(self.ledger.accounts)[-RECENT:])

    def _anyone(self) -> str:
        return self.random.choice(list(self.ledger.accounts))
