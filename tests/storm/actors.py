"""The workload: each process fans out into branches, each branch is a chain of plain and transactional workers.

Every execution of a worker draws a nonce, which is its value, and appends a line to a log outside of the database:
which task, which attempt, which nonce, and which nonce it was handed. Whoever compares log, rows and effects sees
whether a task ever had two outcomes.
"""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from time import sleep
from typing import Any

from tasks.actors import Retry, current_task, decider, worker
from tests.storm.models import Effect

WIDTH = 5
STEPS = 4
"""Of one branch; in the first branch of each process one of them is a booking."""
TASKS = 2 + WIDTH * (1 + STEPS)
"""Of one process: its root, the count at its end, and the branches."""
PATIENT = Retry(max_attempts=50, initial=timedelta(seconds=0.2), max_interval=timedelta(seconds=1))
_log = os.open(os.environ.get("STORM_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@decider(retry=PATIENT)
def storm(number: int) -> Any:
    return count(number, [branch(number, place) for place in range(WIDTH)])


@decider(retry=PATIENT)
def branch(number: int, place: int) -> Any:
    second = step(step(f"{number}.{place}"))
    return step(book(second) if place == 0 else step(second))


@worker(retry=PATIENT)
def step(handed: str) -> str:
    sleep(0.0003)
    return trace(handed)


@worker(retry=PATIENT, transactional=True)
def book(handed: str) -> str:
    nonce = trace(handed)
    Effect.objects.create(task_id=current_task().id, nonce=nonce)
    return nonce


@worker(retry=PATIENT)
def count(number: int, values: list[str]) -> list[int]:
    for value in values:
        trace(value)
    return [number, len(values)]


def trace(handed: str) -> str:
    """Draw a nonce and write down who was handed what; return the nonce."""
    task = current_task()
    nonce = secrets.token_hex(8)
    os.write(_log, f"{task.id} {task.attempt} {nonce} {handed}\n".encode())
    return nonce
