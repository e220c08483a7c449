"""`manage.py run_patterns`: the five patterns. `make examples` runs it with servers of its own."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from examples.patterns.running import workers
from examples.patterns.verifying import findings
from orchestrator.local.programs import LaunchError


class Command(BaseCommand):
    """Runs the five patterns on real workers and checks in the rows what came of them."""

    help = "Run the five patterns of docs/failures.md. Exit status 1 if anything is not as it should be."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run them."""
        wrong = 0
        try:
            with workers():
                began_at = monotonic()
                for name, found in findings():
                    told = "; ".join(f"{each.what}: {each.found}" for each in found)
                    self.stdout.write(f"{name:<13}{monotonic() - began_at:4.1f} s  {told}")
                    for each in found:
                        if not each.is_right:
                            wrong += 1
                            self.stdout.write(f"  not as it should be: {each.what}, expected {each.expected}")
                    began_at = monotonic()
        except LaunchError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(130)
        if wrong:
            sys.exit(1)
