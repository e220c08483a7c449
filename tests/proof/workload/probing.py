"""Asks of an installation at rest how soon a start inside a transaction of its caller's is heard of."""

from __future__ import annotations

from time import monotonic, sleep

from django.db import transaction

from processes.models import Process
from tests.proof.workload.calls import Answer, call
from tests.proof.workload.client import Start, start_of, told_of

PROBES = 5
OPEN_SECONDS = 0.3
"""So long a transaction stays open after its start: whoever hears of the start before it commits finds nothing."""
PATIENCE_SECONDS = 10.0


def probe(seed: str) -> None:
    """Start processes one after the other, each when the one before is registered."""
    for number in range(PROBES):
        start = start_of(f"p-probe-{number}", seed)
        call("start", start, lambda: _start_within(start))  # noqa: B023  # called at once
        until = monotonic() + PATIENCE_SECONDS
        waiting = Process.objects.filter(custom_id=start["custom_id"], registered_at__isnull=True)
        while waiting.exists() and monotonic() < until:
            sleep(0.02)


def _start_within(start: Start) -> Answer:
    with transaction.atomic():
        answer = told_of(start)
        sleep(OPEN_SECONDS)
    return answer
