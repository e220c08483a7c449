"""Writes runs by hand: histories and rows, with no engine behind them, on which the checker is tried."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

from tests.proof.checker.records import DependencyRow, EffectRow, EventRow, ProcessRow, Records, TaskRow
from tests.proof.language import Body, Flow

CLIENT, STEERING = "client-1-12", "steering-13"
ROOT_ACTOR = "workload.run#1.0"
PROFILE = "mixed"


class Script:
    """Writes what clients and operators do, step by step, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.files: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.processes: dict[str, ProcessRow] = {}
        self.tasks: dict[str, TaskRow] = {}
        self.keys: dict[str, str] = {}
        self.bodies: dict[str, Body] = {}
        self.dependencies: list[DependencyRow] = []
        self.events: list[EventRow] = []
        self.effects: list[EffectRow] = []
        self.asked: dict[tuple[Any, ...], Any] = {}

    def records(self) -> Records:
        """What was written so far."""
        return Records(
            histories=dict(self.files),
            processes=list(self.processes.values()),
            tasks=list(self.tasks.values()),
            dependencies=list(self.dependencies),
            events=list(self.events),
            effects=list(self.effects),
            looked_at=self.now + 1.0,
            asked=dict(self.asked),
        )

    def wait(self, seconds: float = 0.01) -> float:
        """Let time pass; the moment after it."""
        self.now += seconds
        return self.now

    def line(self, file: str, what: str, **told: Any) -> None:
        """One line of a history."""
        self.files[file].append({"what": what, "at": self.wait(), **told})

    def start(self, custom_id: str, flow: Flow, *, code: int = 0, variant: int = 0, reason: str | None = None) -> str:
        """A start by a client; with code 0 the row of the process."""
        told = {"custom_id": custom_id, "seed": 1, "profile": PROFILE, "variant": variant, "invalid": None}
        process = f"process-{custom_id}"
        self.line(CLIENT, "call", id=f"start-{self.now}", act="start", arguments=told)
        self.asked[1, custom_id, variant, PROFILE] = flow
        if code == 0:
            self.insert(process, custom_id, json.dumps({"flow": flow}), flow.get("start_to_end"))
        answer = {"code": code, "process": process, "reason": reason}
        self.line(CLIENT, "answer", id=self.files[CLIENT][-1]["id"], answer=answer)
        return process

    def insert(self, process: str, custom_id: str, arguments: str, start_to_end: float | None) -> None:
        """The row of a process."""
        self.processes[process] = ProcessRow(
            id=process,
            actor=ROOT_ACTOR,
            arguments=arguments,
            state="REGISTERING",
            open_tasks=0,
            created_at=self.wait(),
            custom_id=custom_id,
            start_to_end=start_to_end,
            deadline_at=self.now + start_to_end if start_to_end is not None else None,
        )

    def register(self, process: str) -> None:
        """The root task, enqueued."""
        row = self.processes[process]
        self.keys[process], self.bodies[process] = "0", json.loads(row.arguments)["flow"]
        self.tasks[process] = TaskRow(
            id=process,
            process_id=process,
            actor=ROOT_ACTOR,
            kind="decider",
            arguments=row.arguments,
            state="ENQUEUED",
            created_at=self.wait(),
            enqueued_at=self.now,
        )
        self.change_process(process, state="RUNNING", open_tasks=1, registered_at=self.now)

    def act(self, act: str, kind: str, do: Any = None, **told: Any) -> int:
        """An act of the steering that is done, and its audit record; the record's id. `detail` is what it holds."""
        detail = told.pop("detail", {})
        request = f"steering-{len(self.events)}"
        call = f"act-{self.now}"
        self.line(STEERING, "call", id=call, act=act, arguments={**told, "request": request})
        if do is not None:
            do()
        event = self.event(kind, told.get("process"), told.get("task"), request_id=request, **detail)
        self.line(STEERING, "answer", id=call, answer={"event": event, "detail": detail})
        return event

    def ask_why(self, process: str, code: str) -> None:
        """The question at the end."""
        call = f"why-{self.now}"
        self.line(STEERING, "call", id=call, act="why", arguments={"process": process})
        self.line(STEERING, "answer", id=call, answer={"code": code, "sentence": f"{process} is {code}."})

    def event(
        self, kind: str, process: str | None, task: str | None, *, request_id: str | None = None, **detail: Any
    ) -> int:
        """One row of the audit trail; its id."""
        self.events.append(EventRow(len(self.events) + 1, kind, self.wait(), process, task, detail, request_id))
        return len(self.events)

    def change(self, task: str, **columns: Any) -> TaskRow:
        """Change the row of a task."""
        self.tasks[task] = replace(self.tasks[task], **columns)
        return self.tasks[task]

    def change_process(self, process: str, **columns: Any) -> None:
        """Change the row of a process."""
        self.processes[process] = replace(self.processes[process], **columns)
