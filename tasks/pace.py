"""How many tasks a worker process claims at once, and how often it rings for help: learned per actor."""

from __future__ import annotations

from time import monotonic

from django.conf import settings

TARGET_SECONDS = 0.05
"""A batch should keep a worker busy for about this long."""
NEWEST_WEIGHT = 0.5
FIRST_SPACING_SECONDS = 0.05
LAST_SPACING_SECONDS = 2.0
NOTE_SPACING_SECONDS = 2.0


class Pace:
    """What a worker process has learned about one actor."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._spacing = 0.0
        self._next_help_at = 0.0
        self._next_note_at = 0.0

    @property
    def limit(self) -> int:
        """How many tasks to claim: enough for some tens of milliseconds; one where nothing is known yet."""
        if self._seconds is None:
            return 1
        fitting = int(TARGET_SECONDS / max(self._seconds, 1e-9))
        return max(1, min(fitting, settings.ORCHESTRATOR_BATCH_LIMIT))

    def learn(self, seconds: float, tasks: int) -> None:
        """Learn from a batch: `tasks` were executed in `seconds`."""
        if tasks:
            newest = seconds / tasks
            known = newest if self._seconds is None else self._seconds
            self._seconds = known + NEWEST_WEIGHT * (newest - known)

    def may_ring_for_help(self) -> bool:
        """Whether enough time has passed since the last help bell."""
        return monotonic() >= self._next_help_at

    def rang_for_help(self) -> None:
        """Note a help bell: the next one may ring after twice the last pause."""
        self._spacing = min(max(self._spacing * 2, FIRST_SPACING_SECONDS), LAST_SPACING_SECONDS)
        self._next_help_at = monotonic() + self._spacing

    def is_poll_to_be_noted(self) -> bool:
        """Whether to tell the database that this actor is polled: every other second, not at every claim."""
        if monotonic() < self._next_note_at:
            return False
        self._next_note_at = monotonic() + NOTE_SPACING_SECONDS
        return True

    def start_anew(self) -> None:
        """Forget the spacing: the next help bell rings at once."""
        self._spacing = 0.0
        self._next_help_at = 0.0
