"""The little language of flows: what the deciders of a generated process call, in plain JSON.

A flow is the body of the root decider. A body's calls refer to earlier calls of the same body, to values, and to what
the decider was handed. Every task has a key, its path: "0" is the root, "0.3" the fourth call of its body. A timer
(actor `sleep`) has the key of its call, a collection that a body returns the key `<decider>.returned`; these two
have built-in actors, write nothing and carry no key themselves: in a decider's tasks they are known by their actor, for
a body has one timer at most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NotRequired, TypedDict

import orjson

ROOT = "0"
RETURNED = "returned"
WORKERS = ("a", "b", "c", "book", "judge")
"""`book` is transactional, `judge` accepts failures."""
FORM, DECIDE, TIMER, COLLECT = "form", "decide", "sleep", "collect"
"""An actor that is answered from outside, the nested decider, and the built-in actors."""

SNOOZE_SECONDS = 0.3
OVERSLEPT_SECONDS = 1.5
"""How long a worker that oversleeps does, in its first attempt."""
MAX_ATTEMPTS = 50
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PAUSE_FACTOR, JITTER = 0.2, 1.0, 2.0, 0.1
"""How all actors are retried: patiently, so that faults use up nobody's tries."""

Ref = dict[str, Any]
"""{"call": index}, {"value": x}, {"input": index} or {"all": [Ref, …]}."""


class Call(TypedDict):
    """One call. Durations are in seconds, None where there is none; `times` counts stumbles or snoozes.

    Modes of workers and deciders: works, stumbles (raises in its first `times` tries), snoozes (at most `times` times),
    refuses (fails for good), refuses_until_cured; of workers also oversleeps. Of forms: completed, failed, forgotten.
    """

    actor: str
    mode: str
    inputs: list[Ref]
    after: list[int]
    accept: bool
    start_in: float | None
    priority: int | None
    sleep: float
    body: Body | None
    times: int
    budget: float | None
    poll_to_end: float | None


class Body(TypedDict):
    """What a decider decides. `start_to_end` stands in the body of a root alone: seconds for the whole process."""

    calls: list[Call]
    returns: Ref
    start_to_end: NotRequired[float | None]


Flow = Body


def call_of(actor: str, mode: str = "works", **options: Any) -> Call:
    """A call with everything that is not given left at its default."""
    call: dict[str, Any] = {
        "actor": actor,
        "mode": mode,
        "inputs": [],
        "after": [],
        "accept": False,
        "start_in": None,
        "priority": None,
        "sleep": 0.0,
        "body": None,
        "times": 0,
        "budget": None,
        "poll_to_end": None,
    }
    return call | options  # type: ignore[return-value]  # the keys of a Call, with values of its types


def called(ref: Ref) -> Iterator[int]:
    """The calls that a reference refers to."""
    if "call" in ref:
        yield ref["call"]
    for each in ref.get("all", ()):
        yield from called(each)


def awaited(call: Call) -> set[int]:
    """The calls that a call waits for, for their values or not."""
    return {index for ref in call["inputs"] for index in called(ref)} | set(call["after"])


def keyed(body: Body, key: str) -> Iterator[tuple[str, Call]]:
    """All calls of a body and of the bodies in it, with their keys."""
    for index, call in enumerate(body["calls"]):
        yield f"{key}.{index}", call
        if call["body"] is not None:
            yield from keyed(call["body"], f"{key}.{index}")


def digest(key: str, inputs: Sequence[Any]) -> str:
    """What a worker makes of what it is handed, by the structure of that; the same in every attempt."""
    told = orjson.dumps([key, *map(structure, inputs)], option=orjson.OPT_SORT_KEYS)
    return f"d-{hashlib.sha256(told).hexdigest()[:16]}"


def structure(value: Any) -> Any:
    """A value without what is drawn anew in each attempt: `[digest, nonce]` becomes the digest.

    Takes values as they are stored and as histories tell them: a failure becomes {"failure": type}.
    """
    if isinstance(value, list):
        return value[0] if is_worked(value) else [structure(each) for each in value]
    if isinstance(value, dict):
        if value.get("$") == "failure":
            return {"failure": value["v"]["type"]}
        return {name: structure(each) for name, each in value.items()}
    return value


def is_worked(value: Any) -> bool:
    """Whether a value is what a worker returned: its digest and its nonce."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(each, str) for each in value)
        and value[0].startswith("d-")
        and value[1].startswith("n-")
    )
