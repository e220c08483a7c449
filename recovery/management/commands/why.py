"""`manage.py why`: one sentence on why a process or a task does not move."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from processes.errors import Refused
from processes.models import Process
from recovery.why import why


class Command(BaseCommand):
    """Prints the sentence, the action that helps, the code and the ids."""

    help = "Tell why a process or a task does not move, and what helps."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("id", help="id of a process or a task, or custom id of a process")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the explanation; raise CommandError where there is no such process or task."""
        try:
            explanation = why(_found(options["id"]))
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(explanation.sentence)
        self.stdout.write(explanation.action)
        self.stdout.write(f"code={explanation.code} " + " ".join(f"{k}={v}" for k, v in explanation.ids.items()))


def _found(text: str) -> Process | UUID:
    """A custom id may look like anything, so it is looked for first."""
    process = Process.objects.filter(custom_id=text).first()
    if process is not None:
        return process
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"there is no process with the custom id {text!r}") from None
