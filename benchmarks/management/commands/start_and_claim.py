"""`manage.py start_and_claim`: the clients and the worker beside which the benchmark of retention deletes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from benchmarks.actors import nap
from tasks.actors import start_process
from tasks.claiming import Claimer
from tasks.outcomes import completed
from tasks.registration import register_all_waiting
from tasks.releasing import release

STARTS = 20


class Command(BaseCommand):
    """Starts processes one by one, registers them together, claims and releases their tasks; again and again."""

    help = "Start, claim and release for SECONDS; print how long each single call took, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("seconds", type=float)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line of JSON: the milliseconds of every start, claim and release."""
        took: dict[str, list[float]] = {"start": [], "claim": [], "release": []}
        claimer = Claimer(str(nap.actor_name), "benchmark")
        until = monotonic() + options["seconds"]
        while monotonic() < until:
            for _ in range(STARTS):
                with _timed(took["start"]):
                    start_process(nap, 0.0)
            register_all_waiting()
            with _timed(took["claim"]):
                leases = claimer.claim(STARTS)
            with _timed(took["release"]):
                release([completed(lease, "null") for lease in leases])
        self.stdout.write(json.dumps(took))


@contextmanager
def _timed(took: list[float]) -> Iterator[None]:
    began_at = monotonic()
    yield
    took.append((monotonic() - began_at) * 1000)
