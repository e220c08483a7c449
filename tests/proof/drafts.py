"""What a body has in it so far while it is written, and how its calls may be connected."""

from __future__ import annotations

from random import Random

from tests.proof.language import DECIDE, TIMER, Call, Ref, called


class Draft:
    """The calls of a body so far. `inputs` tells which of those its decider is handed may be a Failure."""

    def __init__(self, inputs: tuple[bool, ...]) -> None:
        self.inputs = inputs
        self.calls: list[Call] = []

    def add(self, call: Call) -> None:
        """Append a call."""
        self.calls.append(call)

    def has_timer(self) -> bool:
        """Whether there is a timer: a body has one at most."""
        return any(call["actor"] == TIMER for call in self.calls)

    def may_be_failure(self, ref: Ref) -> bool:
        """Whether what a reference delivers may itself be a Failure; one in a collection is a part of a value."""
        if "input" in ref:
            return self.inputs[ref["input"]]
        return "call" in ref and _may_deliver_failure(self.calls[ref["call"]])

    def would_be_refused(self, call: Call) -> bool:
        """Whether the engine would refuse the call: a promise that may fail, for a worker that accepts no failure."""
        if call["actor"] in ("judge", DECIDE):
            return False
        return any(self.calls[index]["accept"] for ref in call["inputs"] for index in called(ref))


def _may_deliver_failure(call: Call) -> bool:
    body = call["body"]
    if call["accept"] or body is None:
        return call["accept"]
    return "call" in body["returns"] and _may_deliver_failure(body["calls"][body["returns"]["call"]])


def _chain(random: Random, index: int, count: int) -> list[int]:
    return [index - 1] if index else []


def _fan(random: Random, index: int, count: int) -> list[int]:
    return list(range(index)) if index == count - 1 else []


def _diamond(random: Random, index: int, count: int) -> list[int]:
    return list(range(1, index)) if index == count - 1 and index > 1 else [0] if index else []


def _scattered(random: Random, index: int, count: int) -> list[int]:
    return sorted(random.sample(range(index), min(index, random.randint(0, 3))))


PATTERNS = (_chain, _fan, _diamond, _scattered)
"""Which earlier calls each call of a body is connected with."""
