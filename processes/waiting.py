"""How a view asks the waiting room in front of it to hold a request, instead of waiting itself.

A view that found nothing, and whose client is willing to wait, answers as if the time were over and adds `HEADER`. The
waiting room holds the request without a thread or a connection, asks the view again when there may be something or
the time is over, and takes the header off the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

HEADER = "X-Orchestrator-Wait"
REPEATED = "orchestrator.repeated"
"""In `request.META` where the waiting room asks again for a request that it holds; no client can put it there."""
LONGEST_SECONDS = 55.0
"""Proxies commonly cut what takes a minute."""

Awaited = str | UUID
"""An actor (its full name) that may get work, or a process (its id) that may stop moving."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request waits for, any of it, and for how many seconds from its arrival."""

    seconds: float
    awaited: tuple[Awaited, ...]

    def __str__(self) -> str:
        """The value of the header: `<seconds> actors a#1.0,b#1.0@eu` or `<seconds> process <uuid>`."""
        kind = "process" if isinstance(self.awaited[0], UUID) else "actors"
        return f"{self.seconds:g} {kind} {','.join(map(str, self.awaited))}"

    @staticmethod
    def parse(text: str) -> Wish:
        """The wish written in a header. Raises ValueError."""
        seconds, kind, names = text.split(" ")
        if kind not in ("actors", "process"):
            raise ValueError(f"one can wait for actors or a process, not for {kind}")
        words = names.split(",")
        return Wish(float(seconds), tuple(map(UUID, words)) if kind == "process" else tuple(words))
