"""`manage.py retain`: follows the retention rules now, or tells what that would do."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from recovery.retention import COUNTED, rehearse, retain


class Command(BaseCommand):
    """Deletes and aborts until nothing is due; stopped at any point, the next run or the scan goes on."""

    help = "Delete what has ended, and abort what has failed, for longer than the retention rules say."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("--rehearse", action="store_true", help="tell what would be done, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line for each rule (a rehearsal), or one with what was done."""
        if options["rehearse"]:
            self._rehearse()
            return
        done: Counter[str] = Counter()
        for step in retain():
            done += step
        self.stdout.write(f"deleted {done['deleted']} processes, aborted {done['aborted']}")

    def _rehearse(self) -> None:
        rehearsed = rehearse()
        for each in rehearsed:
            count = f"{COUNTED} or more" if each.count >= COUNTED else each.count
            self.stdout.write(f"{each.rule}: {count} now")
        if not rehearsed:
            self.stdout.write("there is no retention rule: nothing is ever deleted")
