"""Remembers what pure functions answered: a search asks the same of one process in thousands of worlds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

Answer = TypeVar("Answer")

_remembered: list[Any] = []


def remembered(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """The function with its answers kept by its (hashable) arguments, until `forget_all`."""
    kept = cache(function)
    _remembered.append(kept)
    return kept


def forget_all() -> None:
    """Forget every answer: before a rule is broken on purpose, and before it holds again."""
    for kept in _remembered:
        kept.cache_clear()
