"""What the histories and the recovery events tell of each attempt of each task, gathered in one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.proof.checker.records import EventRow, Line, Seconds

HEARTBEAT = "TASK_HEARTBEAT_TIMEOUT"
POLL_TO_END = "TASK_POLL_TO_END_TIMEOUT"
EXPIRIES = (HEARTBEAT, POLL_TO_END)


@dataclass(slots=True)
class Claim:
    """One claim statement that took something. `leases` are triples of task, process, attempt."""

    file: str
    began: Seconds
    at: Seconds
    actor: str
    leases: Sequence[tuple[str, str, int]]


@dataclass(slots=True)
class Release:
    """One delivery of an outcome. Without an answer nobody knows whether it was accepted."""

    offered_at: Seconds
    state: str
    at: Seconds | None = None
    answer: str | None = None


@dataclass(slots=True)
class Heartbeat:
    """One heartbeat statement that extended the lease; `held` counts the leases that it was sent for."""

    began: Seconds
    at: Seconds
    held: int


@dataclass(slots=True)
class Attempt:
    """One attempt of a task, as it was seen. A process that is killed leaves its last statement unwritten."""

    task: str
    number: int
    claims: list[Claim] = field(default_factory=list)
    runs: list[Line] = field(default_factory=list)
    effects: list[Line] = field(default_factory=list)
    ends: list[Line] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    expiries: list[EventRow] = field(default_factory=list)

    @property
    def accepted(self) -> list[Release]:
        """The deliveries that were answered with `accepted`."""
        return [each for each in self.releases if each.answer == "accepted"]

    @property
    def possibly_accepted(self) -> list[Release]:
        """The deliveries of which one may be the accepted one: the accepted one itself, where its answer was seen."""
        if self.expiries:
            return self.accepted
        return self.accepted or [each for each in self.releases if each.answer is None]

    @property
    def was_delivered(self) -> bool:
        """Whether an outcome was certainly accepted, be it that only a repeated delivery was answered so."""
        return any(each.answer in ("accepted", "already_accepted") for each in self.releases)

    @property
    def is_known_to_have_ended(self) -> bool:
        """Whether its lease may have ended, as far as is known: delivered, perhaps delivered, or taken back."""
        return bool(self.expiries or self.possibly_accepted)

    @property
    def seen_at(self) -> Seconds | None:
        """A moment at which the attempt was under way or just over; None where nothing at all tells of it."""
        moments = [claim.at for claim in self.claims]
        moments += [run["at"] for run in self.runs]
        moments += [release.offered_at for release in self.releases]
        return min(moments, default=min((event.at for event in self.expiries), default=None))


Attempts = dict[str, dict[int, Attempt]]
"""By task and number."""


def gather(histories: Mapping[str, Sequence[Line]], events: Sequence[EventRow]) -> tuple[list[Claim], Attempts]:
    """All claims, and all attempts."""
    gatherer = _Gatherer()
    for file, lines in histories.items():
        gatherer.read(file, lines)
    for event in events:
        if event.kind in EXPIRIES and event.task_id is not None:
            gatherer.attempt(event.task_id, event.detail["attempt"]).expiries.append(event)
    ordered = {task: dict(sorted(attempts.items())) for task, attempts in gatherer.attempts.items()}
    return gatherer.claims, ordered


class _Gatherer:
    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.attempts: defaultdict[str, dict[int, Attempt]] = defaultdict(dict)
        self._readers = {
            "claimed": self._claimed,
            "began": lambda _, line: self.attempt(line["task"], line["attempt"]).runs.append(line),
            "effect": lambda _, line: self.attempt(line["task"], line["attempt"]).effects.append(line),
            "ended": lambda _, line: self.attempt(line["task"], line["attempt"]).ends.append(line),
            "releasing": self._releasing,
            "released": self._released,
            "heartbeat": self._heartbeat,
        }

    def attempt(self, task: str, number: int) -> Attempt:
        attempts = self.attempts[task]
        if number not in attempts:
            attempts[number] = Attempt(task, number)
        return attempts[number]

    def read(self, file: str, lines: Sequence[Line]) -> None:
        for line in lines:
            reader = self._readers.get(line["what"])
            if reader is not None:
                reader(file, line)

    def _claimed(self, file: str, line: Line) -> None:
        claim = Claim(file, line["began"], line["at"], line["actor"], [tuple(lease) for lease in line["leases"]])
        self.claims.append(claim)
        for task, _, number in claim.leases:
            self.attempt(task, number).claims.append(claim)

    def _releasing(self, file: str, line: Line) -> None:
        for task, number, state in line["outcomes"]:
            self.attempt(task, number).releases.append(Release(line["at"], state))

    def _released(self, file: str, line: Line) -> None:
        for task, answer in line["answers"].items():
            releases = self.attempt(task, line["attempts"][task]).releases
            # A delivery that raised is offered again: the answer belongs to the last one.
            release = next((each for each in reversed(releases) if each.answer is None), None)
            if release is None:
                release = Release(line["began"], "")
                releases.append(release)
            release.at, release.answer = line["at"], answer

    def _heartbeat(self, file: str, line: Line) -> None:
        extended = set(line["extended"])
        for task, number in line["tasks"]:
            if task in extended:
                heartbeat = Heartbeat(line["began"], line["at"], len(line["tasks"]))
                self.attempt(task, number).heartbeats.append(heartbeat)
