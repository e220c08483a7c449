"""Compares what a soak has left behind with its ledger, and asks the database by SQL whether anything contradicts.

Each check returns sentences that name what is wrong; none is the good answer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import cast

from tests.proof.checker.calls import KINDS
from tests.storm.observing import WRONG_COUNTERS, Observer
from tests.storm.soak.ledger import DONE, Ledger

PROCESSES = "SELECT id::text, custom_id, former_custom_id, restarted_as::text, state, result FROM processes_process"
LEFT = "SELECT id::text, state FROM processes_process WHERE state NOT IN ('COMPLETED', 'TIMED_OUT', 'ABORTED')"
TASKS_OF_COMPLETED = """
    SELECT task.process_id::text, count(*)
    FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
    WHERE process.state = 'COMPLETED'
    GROUP BY task.process_id
"""
EMPTY: Mapping[str, str] = {
    "counter of open tasks is not what it counts": WRONG_COUNTERS,
    "open task in a final process": """
        SELECT task.id, task.state, process.id, process.state
        FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state IN ('COMPLETED', 'TIMED_OUT', 'ABORTED') AND task.ended_at IS NULL
    """,
    "unaccepted failure in a completed process": """
        SELECT task.id, process.id
        FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state = 'COMPLETED' AND task.state = 'FAILED' AND NOT task.failure_accepted
    """,
    "FAILED process without an unaccepted failed task, or with another failure than it names": """
        SELECT process.id, process.failed_task_id
        FROM processes_process AS process
        WHERE process.state = 'FAILED' AND NOT EXISTS (
            SELECT FROM tasks_task AS task
            WHERE task.process_id = process.id AND task.id = process.failed_task_id AND task.state = 'FAILED'
              AND NOT task.failure_accepted AND task.failure = process.failure
        )
    """,
    "PAUSED process that nothing keeps from completing": """
        SELECT process.id
        FROM processes_process AS process
        WHERE process.state = 'PAUSED' AND NOT EXISTS (
            SELECT FROM tasks_task AS task
            WHERE task.process_id = process.id
              AND (task.state = 'HELD' OR (task.state = 'FAILED' AND NOT task.failure_accepted))
        )
    """,
    "task that is still handed out, or waits for its time, or could be": """
        SELECT task.id, task.actor, task.state, process.id, process.state
        FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE task.state IN ('POLLED', 'DELAYED', 'ENQUEUED')
    """,
    "task that was handed out between a pause and its end": """
        SELECT task.id, task.actor, task.polled_at, pause.process_id, pause.at
        FROM processes_event AS pause
        CROSS JOIN LATERAL (
            SELECT coalesce(min(at), 'infinity') AS at
            FROM processes_event AS after
            WHERE after.process_id = pause.process_id AND after.id > pause.id
              AND after.kind IN ('resumed', 'aborted', 'restarted')
        ) AS ended
        JOIN tasks_task AS task ON task.process_id = pause.process_id
        WHERE pause.kind = 'paused' AND task.polled_at > pause.at AND task.polled_at < ended.at
    """,
    # A claim at the very moment of the failure may still take a task.
    "task that was handed out after its process had failed": """
        SELECT task.id, task.actor, task.polled_at, process.id, process.stood_still_at
        FROM tasks_task AS task JOIN processes_process AS process ON process.id = task.process_id
        WHERE process.state = 'FAILED' AND task.polled_at > process.stood_still_at + interval '1 second'
    """,
    "pending count that is not the number of awaited tasks that are not settled": """
        SELECT waiter.id, waiter.pending, waiter.state, counted.pending
        FROM tasks_task AS waiter
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE NOT (
                awaited.state IN ('COMPLETED', 'CANCELLED') OR (awaited.state = 'FAILED' AND awaited.failure_accepted)
            )) AS pending
            FROM tasks_dependency AS dependency JOIN tasks_task AS awaited ON awaited.id = dependency.awaited_id
            WHERE dependency.waiter_id = waiter.id
        ) AS counted
        WHERE waiter.state <> 'CANCELLED' AND waiter.pending <> counted.pending
    """,
    "dependency that is there twice": """
        SELECT waiter_id, awaited_id FROM tasks_dependency GROUP BY waiter_id, awaited_id HAVING count(*) > 1
    """,
    "transactional effect without its completed booking, or there twice": """
        SELECT effect.task_id, count(*)
        FROM storm_effect AS effect
        LEFT JOIN tasks_task AS task
            ON task.id = effect.task_id AND task.state = 'COMPLETED' AND task.result::json #>> '{}' = effect.nonce
        GROUP BY effect.task_id
        HAVING count(*) > 1 OR count(task.id) = 0
    """,
    "completed booking without its effect": """
        SELECT task.id FROM tasks_task AS task
        WHERE task.actor = 'storm.book#1.0' AND task.state = 'COMPLETED'
          AND NOT EXISTS (SELECT FROM storm_effect AS effect WHERE effect.task_id = task.id)
    """,
}
"""Queries that must find nothing."""
TRACED = ("storm.step#1.0", "storm.book#1.0", "soak.nap#1.0", "soak.snooze#1.0", "soak.stumble#1.0", "soak.refuse#1.0")
NONCE = re.compile(r"[0-9a-f]{16}")
ACCEPTED = (
    "SELECT id::text, released_attempt, result::json #>> '{{}}' FROM tasks_task "
    "WHERE state = 'COMPLETED' AND actor IN ({})"
).format(", ".join(f"'{actor}'" for actor in TRACED))


def states(ledger: Ledger, observer: Observer) -> Iterator[str]:
    """Every process that was started is there once, where the ledger leaves it, with its value; and no other."""
    rows = {cast(str, row[0]): row[1:] for row in observer.ask(PROCESSES)}
    for process in rows.keys() ^ ledger.accounts.keys():
        yield f"process {process} is in the {'database' if process in rows else 'ledger'} only"
    for process in rows.keys() & ledger.accounts.keys():
        account = ledger.accounts[process]
        custom_id, former, successor, state, result = rows[process]
        told = f"process {process} ({account.shape.actor} {account.number})"
        if state not in account.allowed_states:
            yield f"{told} is {state}, not {' or '.join(sorted(account.allowed_states))}"
        if state == "COMPLETED" and account.value is not None and json.loads(cast(str, result)) != account.value:
            yield f"{told} has the value {result}, not {account.value}"
        identity = (None, account.custom_id) if account.successor else (account.custom_id, None)
        if (successor, custom_id, former) != (account.successor, *identity):
            yield f"{told} is called {custom_id}, was {former} and is restarted as {successor}: {account}"


def decisions(ledger: Ledger, observer: Observer) -> Iterator[str]:
    """A completed process has exactly the tasks of its calls: a decision applied twice would have made more."""
    for process, tasks in observer.ask(TASKS_OF_COMPLETED):
        shape = ledger.accounts[cast(str, process)].shape
        if tasks != shape.tasks:
            yield f"process {process} ({shape.actor}) has {tasks} tasks, not {shape.tasks}"


def records(ledger: Ledger, observer: Observer) -> Iterator[str]:
    """Each act that was done has one audit record, and no refused one has; a repeated request has the first answer."""
    kinds = ", ".join(f"'{kind}'" for kind in KINDS.values())
    query = f"SELECT kind, count(*) FROM processes_event WHERE kind IN ({kinds}) GROUP BY kind"
    written = dict(cast(list[tuple[str, int]], observer.ask(query)))
    done = {kind: count for (kind, answer), count in ledger.acts.items() if answer == DONE}
    if written != done:
        yield f"audit records {written}, but acts that were done {done}"
    for entry in ledger.doubled:
        yield f"a repeated request was answered with another record: {entry}"


def outcomes(ledger: Ledger, observer: Observer) -> Iterator[str]:
    """Of all values that the runs of a task drew, one was accepted, and everybody was handed accepted ones."""
    accepted = {cast(str, task): (attempt, value) for task, attempt, value in observer.ask(ACCEPTED)}
    drawn: Counter[tuple[str, int, str]] = Counter()
    handed: dict[str, str] = {}
    values = {value for _, value in accepted.values()}
    for run in observer.executions():
        drawn[run.task, run.attempt, run.nonce] += 1
        if NONCE.fullmatch(run.handed) and run.handed not in values:
            yield f"task {run.task} was handed {run.handed}, which is nobody's outcome"
        if run.task in accepted and handed.setdefault(run.task, run.handed) != run.handed:
            yield f"task {run.task} was handed {handed[run.task]}, then {run.handed}"
    for task, (attempt, value) in accepted.items():
        if (task, attempt, value) not in drawn:
            yield f"task {task} has the outcome {value}, which its attempt {attempt} did not draw"
    if len(values) != len(accepted):
        yield "two tasks have one outcome"


def contradictions(ledger: Ledger, observer: Observer) -> Iterator[str]:
    """What the rows say of each other."""
    for name, query in EMPTY.items():
        for row in observer.ask(query):
            yield f"{name}: {' '.join(map(str, row))}"


def reasons(ledger: Ledger, observer: Observer) -> Iterator[str]:
    """Every process that is not final, and no other, has its why, which says that it is paused or failed."""
    asked = {process: code.upper() for process, (code, sentence) in ledger.whys.items() if sentence}
    left = dict(cast(list[tuple[str, str]], observer.ask(LEFT)))
    for process in left.keys() | asked.keys():
        if left.get(process) != asked.get(process):
            yield f"process {process} is {left.get(process)}, and its why is {ledger.whys.get(process)}"


CHECKS: tuple[Callable[[Ledger, Observer], Iterator[str]], ...] = (
    states,
    decisions,
    records,
    outcomes,
    contradictions,
    reasons,
)
