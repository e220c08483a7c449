"""How each shape ends by itself, and with which value: what the soak expects, written down apart from the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

Fate = Literal["completes", "refuses", "is doomed", "is asked", "times out"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape. `actor` names its root within `module`, `tasks` counts the tasks of one that has completed.

    `value` is what a completed one must have as its result, by its number; None where workers draw it.
    What `refuses` fails unaccepted until it is cured and restarted; what `is doomed` fails for good; what `is asked`
    waits for an answer from outside, and accepts a refusal if it is `gentle`.
    """

    actor: str
    tasks: int
    value: Callable[[int], Any] | None
    fate: Fate = "completes"
    module: str = "soak"
    gentle: bool = False
    start_to_end: timedelta | None = None


def _number(number: int) -> Any:
    return number


def _one(number: int) -> Any:
    return [number, 1]


def _refused(number: int) -> Any:
    return [number, "refused"]


SHAPES = {
    shape.actor: shape
    for shape in (
        Shape("step", 1, None, module="storm"),
        Shape("plain", 1, _number),
        Shape("promised", 2, None),
        Shape("collected", 4, None),
        Shape("nested", 6, _one),
        Shape("fan", 10, lambda number: [number, 8]),
        Shape("diamond", 5, lambda number: [number, 2]),
        Shape("in_line", 4, _one),
        Shape("loop", 9, lambda number: [number, 4]),
        Shape("unawaited", 3, _number),
        Shape("snoozing", 3, _one),
        Shape("sleeping", 4, _one),
        Shape("retrying", 3, _one),
        Shape("booked", 5, _one),
        Shape("accepted", 3, _refused),
        Shape("climbing", 6, _refused),
        Shape("dependent_accepted", 4, _refused),
        Shape("unaccepted", 3, _one, "refuses"),
        Shape("unaccepted_below", 6, _one, "refuses"),
        Shape("unaccepted_twice", 5, lambda number: [number, 3], "refuses"),
        Shape("unawaited_refusal", 2, _number, "refuses"),
        Shape("undecided", 3, _one, "refuses"),
        Shape("dependent", 4, None, "is doomed"),
        Shape("asked", 3, _one, "is asked"),
        Shape("asked_gently", 3, None, "is asked", gentle=True),
        Shape("form", 1, None, "is asked"),
        Shape("forgotten", 1, None, "times out", start_to_end=timedelta(seconds=4)),
    )
}


def is_curable(number: int) -> bool:
    """Whether a process that refuses is cured before its first restart; the others refuse for ever."""
    return number % 3 != 0
