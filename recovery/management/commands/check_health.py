"""`manage.py check_health`: exits 1 and says why where recovery is not running."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recovery.lateness import late_scans


class Command(BaseCommand):
    """Reports scans that have not run for three periods."""

    help = "Report recovery scans that have not run for three of their periods; exit 1 if there are any."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line if all is well; raise CommandError naming the late scans otherwise."""
        late = late_scans()
        if late:
            told = ", ".join(
                f"{name} ({'never ran' if age is None else f'ran {age.total_seconds():.0f} s ago'})"
                for name, age in sorted(late.items())
            )
            raise CommandError(f"late recovery scans: {told}. Is celery beat running?")
        self.stdout.write("recovery is running: every scan ran within three of its periods")
