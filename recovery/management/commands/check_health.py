"""`manage.py check_health`: says what is wrong, and exits with the number of the worst."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from recovery.health import CHECKS, Ailment, troubles


class Command(BaseCommand):
    """Runs the checks of `recovery.health`."""

    help = "Say in one line each what is wrong. Exit status: 0 for nothing, else the lowest of these numbers: " + (
        ", ".join(f"{ailment.value} {ailment.name.lower()}" for ailment in Ailment) + "."
    )
    # A probe runs often, and asks for the system as it runs, not as it is configured.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("checks", nargs="*", metavar="check", help=f"among {', '.join(CHECKS)}; all by default")
        parser.add_argument("--here", action="store_true", help="look at the workers of this host only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line if all is well; else one for each trouble, and exit with the number of the worst."""
        checks = options["checks"] or list(CHECKS)
        if unknown := set(checks) - CHECKS.keys():
            self.stderr.write(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
            sys.exit(2)
        found = troubles(checks, here=options["here"])
        for trouble in found:
            self.stderr.write(str(trouble))
        if found:
            sys.exit(found[0].ailment.value)
        self.stdout.write(f"healthy: {', '.join(checks)}")
