"""Hearing: a start that commits while nothing else goes on is heard of, and not only found by a scan."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.checker.records import Violation
from tests.proof.checker.story import Story

PROBE = "p-probe-"
"""So the custom ids of starts begin that were made one after the other when everything was calm."""
HEARD_SECONDS = 1.2
"""Scans look after 2 s; one bell may be lost or late, so the quickest of the starts counts."""


def check(story: Story) -> Iterator[Violation]:
    """Some of the starts was registered at once."""
    registered = {process.id: process.registered_at for process in story.records.processes}
    waits = []
    for call in story.calls:
        if call.act == "start" and call.arguments["custom_id"].startswith(PROBE) and call.answered_at is not None:
            registered_at = registered.get((call.answer or {}).get("process", ""))
            if registered_at is not None:
                waits.append(registered_at - call.answered_at)
    if waits and min(waits) > HEARD_SECONDS:
        told = ", ".join(f"{seconds:.1f} s" for seconds in waits)
        yield Violation(f"nobody heard of starts on an idle installation: they were registered {told} late")
