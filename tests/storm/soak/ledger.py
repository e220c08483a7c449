"""The log of a soak: every start and every act with its answer, as lines of JSON; and what follows from them.

What a process must have come to is reckoned from this log, the shape, and the rules of the domain: never from what
the database says at the end.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.storm.soak.shapes import SHAPES, Shape, is_curable

DONE = "done"
FINAL = ("COMPLETED", "TIMED_OUT", "ABORTED")
Entry = dict[str, Any]


@dataclass(slots=True)
class Account:
    """What the log tells of one process."""

    shape: Shape
    number: int
    custom_id: str
    aborted: bool = False
    is_paused: bool = False
    cured: set[str] | None = None
    """The tasks that had failed when the process was cured; each needs its restart."""
    answer: str | None = None
    """What the external task was answered: with "completed" or "failed"."""
    given: str | None = None
    """The value that it was completed with."""
    successor: str | None = None

    @property
    def fails(self) -> bool:
        """Whether the process has, or will have, a failed task that nobody accepts."""
        match self.shape.fate:
            case "is doomed":
                return True
            case "refuses":
                return not is_curable(self.number) or self.cured is None or bool(self.cured)
            case "is asked":
                return self.answer == "failed" and not self.shape.gentle
            case _:
                return False

    @property
    def waits_for_ever(self) -> bool:
        """Whether nobody will give the process what it waits for, as things stand."""
        return self.shape.fate == "times out" or (self.shape.fate == "is asked" and self.answer is None)

    @property
    def allowed_states(self) -> set[str]:
        """Where the process may be once everything that can end has ended.

        A paused one keeps what ran at the pause, so it may have completed: if nothing was handed out afterwards.
        """
        if self.aborted:
            return {"ABORTED"}
        if self.is_paused:
            return {"PAUSED"} if self.fails or self.waits_for_ever else {"PAUSED", "COMPLETED"}
        if self.fails:
            return {"FAILED"}
        return {"TIMED_OUT"} if self.shape.fate == "times out" else {"COMPLETED"}

    @property
    def value(self) -> Any:
        """The result that a completed one must have; None where workers draw it."""
        if self.shape.gentle:
            return [self.number, "refused" if self.answer == "failed" else "answered"]
        if self.shape.actor == "form":
            return self.given
        return self.shape.value(self.number) if self.shape.value is not None else None

    def act(self, entry: Entry) -> None:
        """Draw the conclusions from an act that was done."""
        detail = entry["detail"]
        match entry["kind"]:
            case "paused":
                self.is_paused = True
            case "resumed":
                self.is_paused = False
            case "aborted":
                self.aborted, self.is_paused = True, False
            case "restarted":
                self.aborted = self.aborted or detail["state_before"] not in FINAL
                self.is_paused = self.is_paused and not self.aborted
                self.successor = detail["restarted_as"]
            case "failed_tasks_restarted":
                self._restart(detail["restarted"])
            case "task_restarted":
                self._restart([entry["task"]])
            case "external_task_completed":
                self.answer, self.given = "completed", entry["value"]
            case "external_task_failed":
                self.answer = "failed"

    def _restart(self, tasks: list[str]) -> None:
        if self.cured is not None:
            self.cured -= set(tasks)
        self.answer = None


@dataclass(slots=True)
class Ledger:
    """The log, kept in a file, and the accounts by process id."""

    path: Path
    accounts: dict[str, Account] = field(default_factory=dict)
    acts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many acts of a kind were given an answer: `done`, or the code of a refusal."""
    whys: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Code and sentence of what a process that is not final was answered at the end, when it was asked why."""
    doubled: list[Entry] = field(default_factory=list)
    """Acts that were repeated under their request id and answered with another record."""

    def write(self, **entry: Any) -> None:
        """Add a line, and note it."""
        with open(self.path, "a") as file:
            file.write(json.dumps(entry) + "\n")
        self.note(entry)

    def read(self) -> Ledger:
        """Note all lines of the file."""
        for line in self.path.read_text().splitlines():
            self.note(json.loads(line))
        return self

    def note(self, entry: Entry) -> None:
        """Draw the conclusions from a line."""
        match entry["what"]:
            case "started":
                self._open(entry["process"], entry["shape"], entry["number"], entry["custom_id"])
            case "cured":
                self.accounts[entry["process"]].cured = set(entry["failed"])
            case "why":
                self.whys[entry["process"]] = (entry["code"], entry["sentence"])
            case "act":
                self._note_act(entry)

    def _note_act(self, entry: Entry) -> None:
        self.acts[entry["kind"], entry["answer"]] += 1
        if entry["answer"] != DONE:
            return
        if entry.get("repeated", entry["event"]) != entry["event"]:
            self.doubled.append(entry)
        account = self.accounts.get(entry["process"])
        if account is None:
            return
        account.act(entry)
        if entry["kind"] == "restarted" and account.successor is not None:
            self._open(account.successor, account.shape.actor, account.number, account.custom_id)

    def _open(self, process: str, shape: str, number: int, custom_id: str) -> None:
        self.accounts[process] = Account(SHAPES[shape], number, custom_id)
