"""Puts functions of the workload round those of the engine, where the engine looks them up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def wrap(owner: Any, name: str, around: Callable[[Any], Any]) -> None:
    """Have what `owner` (a module or a class) calls by this name called through what `around` makes of it."""
    setattr(owner, name, around(getattr(owner, name)))
