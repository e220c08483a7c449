"""`manage.py start_naps`: work for the benchmark of faults."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from benchmarks.actors import nap
from tasks.actors import StartRequest, start_processes


class Command(BaseCommand):
    """Starts processes of one task each, which takes a while."""

    help = "Start COUNT processes of one task that takes SECONDS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("count", type=int)
        parser.add_argument("seconds", type=float)

    def handle(self, *args: Any, **options: Any) -> None:
        """Start them in one call."""
        start_processes([StartRequest(actor=nap, args=(options["seconds"],)) for _ in range(options["count"])])
