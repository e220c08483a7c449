"""The plain sequential evaluation of a flow: what must come out, by the rules of failure alone.

A task is settled with a value or with an accepted failure, or never. A failure is accepted where its call accepts it;
if not, and nobody waits for the task, it climbs to the decider whose value the task was to become, and on. Where it
finds nobody the process stands still, and nothing is delivered to anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.proof.language import (
    COLLECT,
    DECIDE,
    FORM,
    MAX_ATTEMPTS,
    RETURNED,
    ROOT,
    TIMER,
    Body,
    Call,
    Flow,
    Ref,
    awaited,
    call_of,
    called,
    digest,
)

REFUSAL = "tests.proof.workload.actors.Refusal"
STUMBLE = "tests.proof.workload.actors.Stumble"
DEPENDENCY_FAILED = "dependency_failed"
TIMEOUT = "timeout"
FAILED_OUTSIDE = "external"


@dataclass(slots=True)
class Expected:
    """What a flow comes to, as far as the flow alone tells; faults and standstills only delay it."""

    ends: str = "COMPLETED"
    """COMPLETED; FAILED where a failure stays unaccepted; TIMED_OUT, or RUNNING without a bound, where it waits for
    what never comes."""
    value: Any = None
    """The structure of the root's value, where it is COMPLETED."""
    keys: set[str] = field(default_factory=set)
    """The tasks of a run that goes as far as it can. A standstill may come before some of them exist."""
    values: dict[str, Any] = field(default_factory=dict)
    """The structure of the value of every task that can be settled; an accepted failure is {"failure": type}."""
    failing: set[str] = field(default_factory=set)
    """The tasks whose own failure nobody accepts. The first may keep the others from running."""
    accepted: set[str] = field(default_factory=set)
    """The tasks that end FAILED with the failure accepted: their own, or one that climbed through them."""
    doomed: set[str] = field(default_factory=set)
    """The tasks that fail without having run, for they are handed a failure that they do not accept."""
    awaits: dict[str, list[str]] = field(default_factory=dict)
    """What each task waits for, for its value or not."""
    least_delay: dict[str, float] = field(default_factory=dict)
    """Seconds from the decision that made a task to its first claim at the least, where there are any."""
    modes: dict[str, Call] = field(default_factory=dict)
    """The call behind each task but the root."""


def expected(flow: Flow, *, cured: bool = False) -> Expected:
    """What must come out of a flow; `cured` tells whether those that refuse until then are."""
    evaluation = _Evaluation(cured)
    outcome = evaluation.decide(flow, (), _Place(ROOT, accept=False, is_awaited=False, above=None))
    told = evaluation.told
    told.keys.add(ROOT)
    told.awaits[ROOT] = []
    if told.failing:
        told.ends = "FAILED"
    elif evaluation.waits:
        told.ends = "TIMED_OUT" if flow.get("start_to_end") else "RUNNING"
    elif outcome is not None:
        told.value = outcome.value
    return told


@dataclass(frozen=True, slots=True)
class _Settled:
    """How a task was settled: with the structure of a value, or with a failure."""

    value: Any
    is_failure: bool = False


_Outcome = _Settled | None
"""None: never settled."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a task stands: `above` is its decider, where that is to have its value."""

    key: str
    accept: bool
    is_awaited: bool
    above: _Place | None


class _Evaluation:
    def __init__(self, cured: bool) -> None:
        self.cured = cured
        self.waits = False
        self.told = Expected()

    def decide(self, body: Body, inputs: Sequence[_Settled], place: _Place) -> _Outcome:
        """Evaluate the calls of a decider, one by one, and then what becomes its value."""
        outcomes: list[_Outcome] = []
        collected = set(called(body["returns"])) if "all" in body["returns"] else set()
        waited_for = collected.union(*map(awaited, body["calls"]))
        for index, call in enumerate(body["calls"]):
            above = place if body["returns"] == {"call": index} else None
            here = _Place(f"{place.key}.{index}", call["accept"], index in waited_for, above)
            outcomes.append(self._call(call, place.key, inputs, outcomes, here))
        if collected:
            self._collect(f"{place.key}.{RETURNED}", [f"{place.key}.{index}" for index in sorted(collected)])
        return self._settle(place.key, _resolved(body["returns"], inputs, outcomes), collected and place.key)

    def _call(
        self, call: Call, decider: str, inputs: Sequence[_Settled], outcomes: Sequence[_Outcome], place: _Place
    ) -> _Outcome:
        self.told.keys.add(place.key)
        self.told.modes[place.key] = call
        self.told.awaits[place.key] = [f"{decider}.{index}" for index in sorted(awaited(call))]
        if call["start_in"] is not None:
            self.told.least_delay[place.key] = call["start_in"]
        if any(outcomes[index] is None for index in awaited(call)):
            return None
        handed = [_resolved(ref, inputs, outcomes) for ref in call["inputs"]]
        return self._perform(
            call, [each for each in handed if each is not None], place, self._is_doomed(call, outcomes)
        )

    def _is_doomed(self, call: Call, outcomes: Sequence[_Outcome]) -> bool:
        if call["actor"] in ("judge", DECIDE):
            return False
        promised = (outcomes[index] for ref in call["inputs"] for index in called(ref))
        return any(outcome is not None and outcome.is_failure for outcome in promised)

    def _perform(self, call: Call, handed: Sequence[_Settled], place: _Place, is_doomed: bool) -> _Outcome:
        if is_doomed:
            self.told.doomed.add(place.key)
            return self._fail(DEPENDENCY_FAILED, place)
        failure = _failure(call, self.cured)
        if failure is not None:
            return self._fail(failure, place)
        if call["body"] is not None:
            return self.decide(call["body"], handed, place)
        if call["mode"] == "forgotten":
            self.waits = True
            return None
        if call["actor"] == TIMER:
            return self._settle(place.key, _Settled(None))
        seen = [] if call["actor"] == FORM else [each.value for each in handed]
        return self._settle(place.key, _Settled(digest(place.key, seen)))

    def _collect(self, key: str, keys: list[str]) -> None:
        self.told.keys.add(key)
        self.told.modes[key] = call_of(COLLECT)
        self.told.awaits[key] = keys

    def _settle(self, key: str, outcome: _Outcome, collector: object = None) -> _Outcome:
        if outcome is not None:
            self.told.values[key] = outcome.value
            if collector:
                self.told.values[f"{key}.{RETURNED}"] = outcome.value
        return outcome

    def _fail(self, kind: str, origin: _Place) -> _Outcome:
        """Let a failure climb. Every member of a chain that accepts it is settled with it; else nobody is."""
        failure = _Settled({"failure": kind}, is_failure=True)
        members = [origin]
        while not members[-1].accept:
            above = members[-1].above
            if members[-1].is_awaited or above is None:
                self.told.failing.add(origin.key)
                return None
            members.append(above)
        self.told.accepted |= {member.key for member in members}
        return self._settle(origin.key, failure)


def _failure(call: Call, cured: bool) -> str | None:
    """The type of the failure that a call comes to by itself; None where it does not fail."""
    match call["mode"]:
        case "refuses":
            return REFUSAL
        case "refuses_until_cured":
            return None if cured else REFUSAL
        case "failed":
            return FAILED_OUTSIDE
        case "forgotten":
            return TIMEOUT if call["budget"] is not None else None
        case "stumbles" if call["times"] >= MAX_ATTEMPTS:
            return TIMEOUT if call["budget"] is not None else STUMBLE
    return None


def _resolved(ref: Ref, inputs: Sequence[_Settled], outcomes: Sequence[_Outcome]) -> _Outcome:
    """What a reference delivers; None where something in it is never settled."""
    if "value" in ref:
        return _Settled(ref["value"])
    if "input" in ref:
        return inputs[ref["input"]]
    if "call" in ref:
        return outcomes[ref["call"]]
    parts = [_resolved(each, inputs, outcomes) for each in ref["all"]]
    values = [part.value for part in parts if part is not None]
    return _Settled(values) if len(values) == len(parts) else None
