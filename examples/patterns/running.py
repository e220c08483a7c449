"""What a run of the patterns needs: a worker and beat, patience, and somebody who plays the outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TypeVar

from orchestrator.local.django_programs import ROOT, beat, start_worker, worker
from orchestrator.local.programs import Ownership

FOLDER = ROOT / ".local" / "examples"
PATIENCE_SECONDS = 60.0
TICK_SECONDS = 0.1

T = TypeVar("T")


class NotInTime(Exception):
    """What a run waits for did not happen."""


@contextmanager
def workers() -> Iterator[None]:
    """Run a worker with two children, and beat, meanwhile."""
    ownership = Ownership(FOLDER)
    programs = [beat(ownership, os.environ), worker(ownership, os.environ, concurrency=2)]
    try:
        programs[0].start()
        start_worker(programs[1])
        yield
    finally:
        for program in programs:
            program.stop()
        ownership.close()


def wait_for(what: str, question: Callable[[], T | None]) -> T:
    """Wait until there is an answer, and return it. Raises NotInTime."""
    until = monotonic() + PATIENCE_SECONDS
    while not (answer := question()):
        if monotonic() > until:
            raise NotInTime(f"{what} did not happen within {PATIENCE_SECONDS:.0f} seconds")
        sleep(TICK_SECONDS)
    return answer
