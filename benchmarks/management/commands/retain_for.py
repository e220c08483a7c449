"""`manage.py retain_for`: retention as beat has it run, or without a pause; how long it holds its locks."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from recovery.retention import SECONDS, retain
from recovery.scans import SCANS
from tasks.statements import statement


class Command(BaseCommand):
    """Follows the rules for a while, and notes for each transaction how long it held its locks."""

    help = "Run retention for SECONDS; print the milliseconds of each transaction and how many processes went, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("seconds", type=float)
        parser.add_argument("--without-pause", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line of JSON."""
        end = monotonic() + options["seconds"]
        self._locked_at = 0.0
        self._held: list[float] = []
        deleted = 0
        with connection.execute_wrapper(self._note_lock):
            while (began_at := monotonic()) < end:
                deleted += self._retain_until(end if options["without_pause"] else began_at + SECONDS)
                if not options["without_pause"]:
                    sleep(max(0.0, SCANS["retention"].period.total_seconds() - (monotonic() - began_at)))
        self.stdout.write(json.dumps({"held": self._held, "deleted": deleted}))

    def _retain_until(self, until: float) -> int:
        deleted = 0
        for done in retain():
            self._held.append((monotonic() - self._locked_at) * 1000)
            deleted += done["deleted"]
            if monotonic() >= until:
                break
        return deleted

    def _note_lock(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql == statement("lock_free_processes"):
            self._locked_at = monotonic()
        return execute(sql, *args)
