"""`manage.py retain_for`: retention as beat has it run, or without a pause, with the time of each transaction."""

from __future__ import annotations

import json
from time import monotonic, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from recovery.retention import SECONDS, retain
from recovery.scans import SCANS


class Command(BaseCommand):
    """Follows the rules for a while. A step is one transaction and the search before it: no lock is held longer."""

    help = "Run retention for SECONDS; print the milliseconds of each step and how many processes went, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("seconds", type=float)
        parser.add_argument("--without-pause", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line of JSON."""
        steps: list[float] = []
        deleted = 0
        end = monotonic() + options["seconds"]
        while (began_at := monotonic()) < end:
            until = end if options["without_pause"] else began_at + SECONDS
            step_began_at = began_at
            for done in retain():
                steps.append((monotonic() - step_began_at) * 1000)
                deleted += done["deleted"]
                if monotonic() >= until:
                    break
                step_began_at = monotonic()
            if not options["without_pause"]:
                sleep(max(0.0, SCANS["retention"].period.total_seconds() - (monotonic() - began_at)))
        self.stdout.write(json.dumps({"steps": steps, "deleted": deleted}))
