"""Decisions: each was applied exactly once and whole, with the calls, the options and the dependencies of its body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tests.proof.checker.keys import BUILT_IN
from tests.proof.checker.records import ProcessRow, TaskRow, Violation
from tests.proof.checker.story import Named, Story
from tests.proof.evaluating import Expected
from tests.proof.language import RETURNED, ROOT, Call

DECIDED = ("DECIDED", "COMPLETED")
USUAL_PRIORITY = 5
TOLERANCE = 0.001


def check(story: Story) -> Iterator[Violation]:
    """Every task is a call of its flow, and every decision made all of its calls."""
    pairs = Counter((each.waiter_id, each.awaited_id, each.process_id) for each in story.records.dependencies)
    for (waiter, awaited, process_id), count in pairs.items():
        if count > 1:
            yield Violation(f"it awaits {awaited} {count} times", process_id, waiter)
    for process in story.records.processes:
        yield from _all_calls(process, story.keyed.get(process.id, {}), story.expectations(process))
    for named in story.named():
        for sentence in _as_called(named, story):
            yield Violation(sentence, named.process.id, named.task.id)


def _all_calls(
    process: ProcessRow, tasks: Mapping[str, Sequence[TaskRow]], allowed: Sequence[Expected]
) -> Iterator[Violation]:
    for key, rows in tasks.items():
        if len(rows) > 1:
            ids = ", ".join(row.id for row in rows)
            yield Violation(f"{key} is there {len(rows)} times: {ids}", process.id, rows[1].id)
    for key in sorted(tasks.keys() - set().union(*(each.keys for each in allowed))):
        yield Violation(f"no call makes a task {key}", process.id, tasks[key][0].id)
    if process.state == "COMPLETED" and not any(tasks.keys() == each.keys for each in allowed):
        missing = sorted(allowed[0].keys - tasks.keys())
        yield Violation(f"it is COMPLETED without the tasks {missing}", process.id)
    if process.state not in ("REGISTERING", "FAILED", "ABORTED") and ROOT not in tasks:
        yield Violation(f"it is {process.state} without its root task", process.id)


def _as_called(named: Named, story: Story) -> Iterator[str]:
    task = named.task
    key = story.keys.get(task.id)
    told = story.expected(named.process, cured=True)
    if key is None or key not in told.keys:
        return
    yield from _decided_once(task, key, told, story)
    if key == ROOT:
        return
    yield from _options(task, key, told.modes[key])
    awaited = {story.keys.get(each.awaited_id, each.awaited_id) for each in story.awaits.get(task.id, ())}
    if awaited != set(told.awaits[key]):
        yield f"{key} awaits {sorted(awaited)}, not {sorted(told.awaits[key])}"


def _options(task: TaskRow, key: str, call: Call) -> Iterator[str]:
    name = task.actor.partition("#")[0].rpartition(".")[2]
    if key.rpartition(".")[2] == RETURNED or task.actor in BUILT_IN.values():
        wanted = name
    else:
        wanted = call["actor"]
        priority = USUAL_PRIORITY if call["priority"] is None else call["priority"]
        pairs = {
            "priority": (task.priority, priority),
            "accept_failure": (task.accept_failure, call["accept"]),
            "enqueue_to_end": (task.enqueue_to_end, call["budget"]),
        }
        if call["poll_to_end"] is not None:
            pairs["poll_to_end"] = (task.poll_to_end, call["poll_to_end"])
        for option, (found, asked) in pairs.items():
            if found != asked:
                yield f"{option} of {key} is {found}, not {asked}"
    if call["actor"] != name or wanted != name:
        yield f"{key} calls {task.actor}, not {call['actor']}"


def _decided_once(task: TaskRow, key: str, told: Expected, story: Story) -> Iterator[str]:
    children = story.children.get(task.id, ())
    calls = {each for each in told.keys if each.rpartition(".")[0] == key}
    if not children:
        if task.state in DECIDED and calls:
            yield f"{key} is {task.state}, but none of its {len(calls)} calls is there"
        return
    if task.state not in (*DECIDED, "FAILED", "CANCELLED"):
        yield f"{key} is {task.state}, but it has {len(children)} calls already"
    if len(children) != len(calls):
        yield f"{key} has {len(children)} calls, not {len(calls)}"
    yield from _made_at_once(task, key, children, story)


def _made_at_once(task: TaskRow, key: str, children: Sequence[TaskRow], story: Story) -> Iterator[str]:
    moments = sorted({child.created_at for child in children})
    if len(moments) > 1:
        yield f"the calls of {key} were made at {len(moments)} moments: {moments}"
    attempt = story.attempts_of(task.id).get(task.released_attempt or 0)
    releases = attempt.possibly_accepted if attempt is not None else []
    if releases and not any(release.offered_at - TOLERANCE <= moments[0] for release in releases):
        yield f"the calls of {key} were made at {moments[0]:.6f}, before its decision was delivered: {releases}"
    answered = [release.at for release in releases if release.answer == "accepted" and release.at is not None]
    if answered and moments[-1] > answered[0] + TOLERANCE:
        yield f"the calls of {key} were made at {moments[-1]:.6f}, after its delivery was answered at {answered[0]:.6f}"
