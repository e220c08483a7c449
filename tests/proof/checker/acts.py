"""Acts: each that was accepted has one audit record and no refused one has; a repeated request has the first answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.proof.checker.calls import KINDS, Call
from tests.proof.checker.records import EventRow, Violation
from tests.proof.checker.story import Story

REPEATABLE = ("complete_task", "fail_task")
"""An equal answer to an external task, given again, is told of the first."""
EVERYTHING = "*"


def check(story: Story) -> Iterator[Violation]:
    """Calls and audit records agree."""
    events = {event.id: event for event in story.records.events}
    requests: defaultdict[str, list[Call]] = defaultdict(list)
    for call in story.calls:
        if call.act not in KINDS:
            continue
        if call.event is not None:
            yield from _recorded(call, events.get(call.event))
        if call.arguments.get("request"):
            requests[call.arguments["request"]].append(call)
    recorded = {event.request_id for event in story.records.events if event.request_id is not None}
    for request, calls in requests.items():
        yield from _repeated(request, calls, request in recorded)
    for event in story.records.events:
        if event.kind in KINDS.values():
            yield from _asked_for(event, story)


def _recorded(call: Call, event: EventRow | None) -> Iterator[Violation]:
    subject = call.arguments.get("process"), call.arguments.get("task")
    if event is None:
        yield Violation(f"{_told(call)} was answered with event {call.event}, which does not exist", *subject)
        return
    found = (event.kind, event.task_id if "task" in call.arguments else None, event.detail.get("actor"))
    actor = call.arguments.get("actor", EVERYTHING if event.process_id is None else event.detail.get("actor"))
    wanted = (KINDS[call.act], call.arguments.get("task"), actor)
    if found != wanted or call.arguments.get("process", event.process_id) != event.process_id:
        yield Violation(f"{_told(call)} was answered with {event}", *subject)
    if call.act not in REPEATABLE and event.request_id != call.arguments.get("request"):
        yield Violation(f"{_told(call)} was recorded under the request {event.request_id}", *subject)


def _repeated(request: str, calls: Sequence[Call], is_recorded: bool) -> Iterator[Violation]:
    answered = sorted({call.event for call in calls if call.event is not None})
    subject = calls[0].arguments.get("process"), calls[0].arguments.get("task")
    if len(answered) > 1:
        yield Violation(f"the request {request} was answered with the events {answered}", *subject)
    done = [call.at for call in calls if call.event is not None]
    for call in calls:
        if call.is_refused and done and min(done) < call.at:
            yield Violation(f"the request {request} was done, and {_told(call)} refused ({call.answer})", *subject)
    if is_recorded and all(call.is_refused for call in calls):
        yield Violation(f"the request {request} was refused ({calls[0].answer}), but has an audit record", *subject)


def _asked_for(event: EventRow, story: Story) -> Iterator[Violation]:
    callers = story.callers.get(event.id, ())
    if not callers:
        lost = [call for call in story.calls_named(event) if call.is_unknown and call.at <= event.at]
        if not lost:
            yield Violation(f"nobody asked for what {event} records", event.process_id, event.task_id)
        return
    first = min(call.at for call in callers)
    if event.at < first:
        yield Violation(f"{event} was asked for only at {first:.6f}", event.process_id, event.task_id)
    requests = {call.arguments.get("request") for call in callers if call.act not in REPEATABLE}
    if len(requests) > 1:
        yield Violation(f"the requests {requests} were all answered with {event}", event.process_id, event.task_id)


def _told(call: Call) -> str:
    return f"{call.act} {call.arguments} at {call.at:.6f}"
