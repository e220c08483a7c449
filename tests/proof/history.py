"""One line of a history: what a process of a run saw and did, written down outside of the engine's tables.

The folder of a run (PROOF_FOLDER) has one file for each process, `history/<program>-<pid>.jsonl` (PROOF_PROGRAM names
the program). A line is one JSON object. `what` says what it tells, `at` when (seconds since the epoch: the clock that
the database's clock_timestamp() reads, too). Ids are text; a value is told as `language.structure` makes it, nonces
kept. Every line reaches the file in one write, in the order in which things happened in its process: before an act
the line that announces it, after it the one that answers.

Workers write, round the functions of the engine:
  claimed    began, actor, leases: [[task, process, attempt], …]; `began` before the statement was sent, `at` after it
  releasing  outcomes: [[task, attempt, state], …]; ENQUEUED is a lease that is handed back
  released   began, answers: {task: answer}, attempts: {task: attempt}; after the last COMMIT
  heartbeat  began, tasks: [[task, attempt], …], extended: [task, …]
and from within user code:
  began      task, process, attempt, tries, key, mode, handed: [value, …]
  effect     task, attempt, nonce; the side effect outside of the database
  ended      task, attempt, how, value, pause, error; `how` is value (value: [digest, nonce]), decision, error (error:
             its type; pause: the least seconds until the next try, or None where there is none) or snooze (pause)

Whoever starts and steers writes `call` (id, act, arguments) before and `answer` (id, answer) after. An act without an
answer has an unknown outcome: its process died, or still waits. Acts and answers:
  start                 custom_id, seed, variant, profile, invalid → {code, process, reason}, or {unknown: true}
  start_many            starts: [what a start has, …] → {answers: [what a start is answered, …]}, or {unknown: true}
  pause, resume, abort, restart_process, restart_failed_tasks    process, request → {event, detail}
  restart_task, complete_task, fail_task    task, process, request (value, type) → {event, detail}
  block, unblock        actor, request → {event, detail}
  pause_everything, resume_everything       request → {event, detail}
  cure                  process → {}
  why                   process → {code, sentence}
A refusal is answered {refused: code}, whatever the database raises {error: type}. The flow of a start is
`flows.flow_of(seed, custom_id, variant, profile)`; `invalid` says what is wrong with one that must be refused, or None.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson

FOLDER = "PROOF_FOLDER"
PROGRAM = "PROOF_PROGRAM"
Line = dict[str, Any]


def is_kept() -> bool:
    """Whether this process writes a history."""
    return FOLDER in os.environ


def write(what: str, **told: Any) -> None:
    """Write one line; nothing where no history is kept. `at` is now unless it is told."""
    if is_kept():
        line = {"what": what, "at": time.time(), **told}
        os.write(_file(os.getpid()), orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def read(folder: Path) -> Iterator[Line]:
    """All lines of a run, file by file, each in its order; `program`, `pid` and `line` (from 0) are added to each."""
    for path in sorted((folder / "history").glob("*.jsonl")):
        yield from read_file(path)


def read_file(path: Path) -> Iterator[Line]:
    """The lines of one file. A last line that was cut off is left out."""
    program, _, pid = path.stem.rpartition("-")
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, text in enumerate(whole.split(b"\n") if whole else ()):
        yield orjson.loads(text) | {"program": program, "pid": int(pid), "line": number}


@cache
def _file(process_id: int) -> int:
    """The open file of a process: a child that was forked has one of its own."""
    folder = Path(os.environ[FOLDER], "history")
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{os.environ.get(PROGRAM, 'program')}-{process_id}.jsonl"
    return os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
