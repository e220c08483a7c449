"""`manage.py list_actors`: the actors that the installed apps have the code of."""

from typing import Any

from django.core.management.base import BaseCommand

from tasks.definitions import Definition, definition
from tasks.registry import ACTORS


class Command(BaseCommand):
    """Prints each actor with its definition."""

    help = "List the actors of the installed apps, each with its signature, retries, clocks and where its code is."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a few lines for each actor."""
        for actor in ACTORS.all():
            self.stdout.write(_told(definition(actor)))


def _told(actor: Definition) -> str:
    flags = f" {', '.join(actor.flags)}" if actor.flags else ""
    lines = [
        f"{actor.name} {actor.kind}{flags}",
        f"{actor.module}.{actor.function}{actor.signature}",
        *([] if actor.kind == "external" else [actor.retry]),
        f"{actor.clocks}; priority {actor.priority}",
    ]
    return "\n    ".join(lines)
