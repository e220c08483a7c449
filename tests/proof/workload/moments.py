"""Stops a process at a named moment."""

from __future__ import annotations


def reach(moment: str) -> None:
    """Be at a moment."""


def install() -> None:
    """Install."""
