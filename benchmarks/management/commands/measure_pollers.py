"""`manage.py measure_pollers`: what clients cost that wait for work."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from benchmarks.pollers import main


class Command(BaseCommand):
    """Runs the benchmark of waiting clients."""

    help = "Have a thousand clients wait at a web server; exit status 1 where a figure is beyond its bar."

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and print."""
        sys.exit(0 if main() else 1)
