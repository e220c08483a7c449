"""Watches how long work stands still although there is some, from outside."""

from __future__ import annotations

from time import monotonic

from tests.proof.matrix.installation import Site
from tests.storm.observing import CLAIMABLE


class Watch:
    """The longest time for which some task could be claimed, and no program wrote anything down."""

    def __init__(self, site: Site) -> None:
        self.longest_stall = 0.0
        self._site = site
        self._seen = -1
        self._moved_at = monotonic()

    def look(self) -> None:
        """Look once."""
        written = sum(path.stat().st_size for path in (self._site.folder / "history").glob("worker-*"))
        now = monotonic()
        if written != self._seen or not self._site.observer.number(CLAIMABLE):
            self._seen, self._moved_at = written, now
        self.longest_stall = max(self.longest_stall, now - self._moved_at)
