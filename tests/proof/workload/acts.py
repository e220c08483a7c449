"""Acts of an operator, each under a request id of its own, so that one without a certain answer can be repeated."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from processes.models import Event, Process
from recovery.why import why
from tasks import actors as engine
from tests.proof import history
from tests.proof.workload.calls import Answer, call, is_answered

REPEATED = 0.1
"""The share of acts that are asked for again although they were answered: the answer must be the same."""

FUNCTIONS: Mapping[str, Callable[..., Event]] = {
    function.__name__: function
    for function in (
        engine.pause,
        engine.resume,
        engine.abort,
        engine.restart_process,
        engine.restart_task,
        engine.restart_failed_tasks,
        engine.complete_task,
        engine.fail_task,
        engine.block,
        engine.unblock,
        engine.pause_everything,
        engine.resume_everything,
    )
}


class Acts:
    """Acts, and remembers those that were not answered."""

    def __init__(self, random: Random, name: str) -> None:
        self.random = random
        self._name = name
        self._number = 0
        self._open: list[Callable[[], Answer]] = []

    def act(self, act: str, **told: Any) -> Answer:
        """Do it, now and then twice. `told` is what the history tells of it: process, task, actor, value, type."""
        self._number += 1
        arguments = {**told, "request": f"{self._name}-{self._number}"}

        def ask() -> Answer:
            return call(act, arguments, lambda: _do(act, arguments))

        answer = ask()
        if not is_answered(answer):
            self._open.append(ask)
        elif self.random.random() < REPEATED:
            ask()
        return answer

    def repeat_unanswered(self) -> bool:
        """Ask again for what was not answered; tell whether all is answered now."""
        self._open = [ask for ask in self._open if not is_answered(ask())]
        return not self._open

    def cure(self, process: UUID) -> None:
        """Let those of a process that refuse until it is cured refuse no longer."""
        path = Path(os.environ[history.FOLDER], "cures", str(process))

        def touch() -> Answer:
            path.parent.mkdir(exist_ok=True)
            path.touch()
            return {}

        call("cure", {"process": process}, touch)

    def ask_why(self, process: Process) -> Answer:
        """Ask why a process does not move."""

        def ask() -> Answer:
            told = why(process)
            return {"code": told.code, "sentence": told.sentence}

        return call("why", {"process": process.id}, ask)


def _do(act: str, arguments: Mapping[str, Any]) -> Answer:
    words: dict[str, Any] = {"by": "proof", "reason": "at random", "request_id": arguments["request"]}
    subject = arguments.get("task") or arguments.get("process") or arguments.get("actor")
    subjects = [subject] if subject is not None else []
    if act == "complete_task":
        subjects.append(arguments["value"])
    if act == "fail_task":
        subjects.append("refused from outside")
        words["type"] = arguments["type"]
    event = FUNCTIONS[act](*subjects, **words)
    return {"event": event.id, "detail": event.detail}
