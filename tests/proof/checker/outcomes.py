"""Outcomes: each task has one accepted outcome, that of one of its attempts, and everybody is handed that."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.checker.attempts import Attempt
from tests.proof.checker.records import Json, TaskRow, Violation
from tests.proof.checker.story import Named, Story
from tests.proof.checker.values import NotThere, Values, value_of
from tests.proof.language import is_worked

BUILT_IN = "tasks."
"""How the names of the actors begin that write no history."""
DELIVERED = {"COMPLETED": ("COMPLETED", "DECIDED"), "DECIDED": ("DECIDED",)}


def check(story: Story) -> Iterator[Violation]:
    """Rows, deliveries and arguments agree."""
    for task, attempts in story.attempts.items():
        process_id = story.tasks[task].process_id if task in story.tasks else None
        for attempt in attempts.values():
            for sentence in _accepted_once(attempt, list(attempts.values())):
                yield Violation(sentence, process_id, task)
    nonces: dict[str, str] = {}
    for process in story.records.processes:
        values = Values(story, process)
        for task_row in story.tasks_of.get(process.id, ()):
            for sentence in _one_outcome(Named(process, task_row), values, nonces):
                yield Violation(sentence, process.id, task_row.id)


def _accepted_once(attempt: Attempt, attempts: list[Attempt]) -> Iterator[str]:
    accepted = attempt.accepted
    if len(accepted) > 1:
        yield f"attempt {attempt.number} was delivered with success {len(accepted)} times: {accepted}"
    if not accepted:
        return
    if attempt.expiries:
        events = [f"{event.kind} {event.id} at {event.at:.6f}" for event in attempt.expiries]
        yield f"attempt {attempt.number} was delivered with success ({accepted[0]}) and taken back: {events}"
    for later in attempts:
        claims = [claim for claim in later.claims if later.number > attempt.number]
        if claims and claims[0].at < accepted[0].offered_at:
            yield (
                f"attempt {attempt.number} was delivered with success at {accepted[0].offered_at:.6f}, "
                f"after attempt {later.number} had been claimed at {claims[0].at:.6f}"
            )


def _one_outcome(named: Named, values: Values, nonces: dict[str, str]) -> Iterator[str]:
    story, task = values.story, named.task
    key = story.keys.get(task.id, "")
    yield from _released_attempt(task, story)
    if task.state == "COMPLETED":
        yield from _value(task, key, values, nonces)
    wanted: Json
    try:
        wanted = values.handed(key)
    except NotThere:
        wanted = None
    for attempt in story.attempts_of(task.id).values():
        for run in attempt.runs:
            if run["handed"] != wanted:
                yield f"attempt {attempt.number} of {key} was handed {run['handed']}, not {wanted}"
            if run["key"] != key:
                yield f"attempt {attempt.number} ran as {run['key']}, but the task is {key} by its place"


def _released_attempt(task: TaskRow, story: Story) -> Iterator[str]:
    attempts = story.attempts_of(task.id)
    accepted = [number for number, attempt in attempts.items() if attempt.accepted]
    if accepted and task.released_attempt != accepted[-1]:
        released = attempts.get(task.released_attempt or 0)
        if task.released_attempt is None or task.released_attempt < accepted[-1] or released is None:
            yield f"attempt {accepted[-1]} was delivered last, but the row says {task.released_attempt}"
    if task.released_attempt is None:
        if task.state in ("COMPLETED", "DECIDED") and task.kind != "external":
            yield f"it is {task.state}, but no attempt was delivered"
        return
    released = attempts.get(task.released_attempt)
    if released is None or not released.possibly_accepted:
        yield f"attempt {task.released_attempt} was delivered by the row, but by nobody who was seen"
        return
    states = [release.state for release in released.possibly_accepted]
    wanted = DELIVERED.get(task.state)
    if wanted is not None and not set(states) & set(wanted):
        yield f"it is {task.state}, but attempt {task.released_attempt} was delivered as {states}"


def _value(task: TaskRow, key: str, values: Values, nonces: dict[str, str]) -> Iterator[str]:
    try:
        value = value_of(task, values.story)
    except NotThere:
        yield f"the value of {key} is nowhere: {task.value_from}"
        return
    if task.kind == "worker" and not task.actor.startswith(BUILT_IN):
        yield from _returned(task, value, values.story)
        if is_worked(value) and nonces.setdefault(value[1], task.id) != task.id:
            yield f"its value {value} is that of task {nonces[value[1]]}, too"
    elif task.kind == "external":
        yield from _answered(task, value, values.story)
    elif task.kind == "decider":
        yield from _carried(task, key, value, values)


def _returned(task: TaskRow, value: Json, story: Story) -> Iterator[str]:
    attempt = story.attempts_of(task.id).get(task.released_attempt or 0)
    returned = [end["value"] for end in attempt.ends if end["how"] == "value"] if attempt is not None else []
    if value not in returned:
        yield f"its value is {value}, but its attempt {task.released_attempt} returned {returned}"


def _answered(task: TaskRow, value: Json, story: Story) -> Iterator[str]:
    calls = [call for call in story.calls_about(task.id) if call.act == "complete_task" and not call.is_refused]
    given = [call.arguments.get("value") for call in calls]
    if value not in given:
        yield f"its value is {value}, but it was completed with {given}"


def _carried(task: TaskRow, key: str, value: Json, values: Values) -> Iterator[str]:
    body = values.body(key)
    if body is None:
        return
    try:
        wanted = values.resolve(body["returns"], key)
    except NotThere:
        yield f"{key} has the value {value}, but what it returned, {body['returns']}, is not settled"
        return
    if value != wanted:
        yield f"{key} has the value {value}, but what it returned, {body['returns']}, has {wanted}"
