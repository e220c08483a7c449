"""When a process stood still, and when an actor was blocked, as far as that is certain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from tests.proof.checker.calls import Call
from tests.proof.checker.records import EventRow, Seconds

START_TO_END = "PROCESS_START_TO_END_TIMEOUT"
UNLOCKED = "REGISTRATION_STUCK"
"""The one event of a process that is written without its lock: it says nothing about the order of commits."""
LONGEST_COMMIT = 60.0
"""A transaction is over so long after its audit record was written, whatever was frozen meanwhile."""
EVERYTHING = "*"


@dataclass(slots=True)
class Window:
    """A standstill or a block, begun by `event`.

    From `known` on its transaction had certainly committed, at `until` that of its end certainly had not: a claim in
    between takes nothing. Its clocks certainly stood from `stops_at` to `goes_on_at`.
    """

    event: EventRow
    known: Seconds
    stops_at: Seconds
    until: Seconds = inf
    goes_on_at: Seconds = inf


def standstills(
    events: Sequence[EventRow], callers: Mapping[int, Sequence[Call]], released: Callable[[EventRow], Seconds]
) -> list[Window]:
    """The standstills of one process, its end among them. `released` tells when a failure had certainly committed."""
    locked = [event for event in events if event.kind != UNLOCKED]
    windows: list[Window] = []
    for place, event in enumerate(locked):
        standing = bool(windows) and windows[-1].until == inf
        if _stops(event) and not standing:
            followers = [locked[place + 1].at] if place + 1 < len(locked) else []
            windows.append(_begin(event, callers, [*followers, released(event)]))
        elif _moves_on(event) and standing:
            _end(windows[-1], event, callers)
    return windows


def blocks(events: Iterable[EventRow], callers: Mapping[int, Sequence[Call]]) -> dict[str, list[Window]]:
    """The blocks by actor; `*` is everything."""
    windows: defaultdict[str, list[Window]] = defaultdict(list)
    for event in events:
        if event.kind in ("blocked", "everything_paused"):
            windows[event.detail["actor"]].append(_begin(event, callers, []))
        elif event.kind in ("unblocked", "everything_resumed") and windows[event.detail["actor"]]:
            window = windows[event.detail["actor"]][-1]
            window.known = min(window.known, event.at)
            _end(window, event, callers)
    return dict(windows)


def stopped(windows: Iterable[Window], begin: Seconds, end: Seconds) -> Seconds:
    """How long, between two moments, at least one of the clocks certainly stood."""
    total, reached = 0.0, begin
    for window in sorted(windows, key=lambda each: each.stops_at):
        begins, ends = max(window.stops_at, reached), min(window.goes_on_at, end)
        if ends > begins:
            total += ends - begins
            reached = ends
    return total


def _stops(event: EventRow) -> bool:
    if event.kind == START_TO_END:
        return bool(event.detail.get("policy") == "time_out")
    return event.kind in ("paused", "task_failed", "registration_failed", "aborted", "restarted")


def _moves_on(event: EventRow) -> bool:
    kinds = ("resumed", "task_restarted", "failed_tasks_restarted")
    return event.kind in kinds and bool(event.detail.get("state") == "RUNNING")


def _begin(event: EventRow, callers: Mapping[int, Sequence[Call]], committed: Sequence[Seconds]) -> Window:
    # A repeated request is answered with the record of the first: that answer tells of the commit as well.
    answered = [call.answered_at for call in callers.get(event.id, ()) if call.event and call.answered_at is not None]
    return Window(event, known=min([event.at + LONGEST_COMMIT, *answered, *committed]), stops_at=event.at)


def _end(window: Window, event: EventRow, callers: Mapping[int, Sequence[Call]]) -> None:
    window.until = event.at
    asked = [call.at for call in callers.get(event.id, ())]
    window.goes_on_at = max(min(asked, default=window.stops_at), window.stops_at)
