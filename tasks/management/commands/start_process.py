"""`manage.py start_process`: starts a process from the shell."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.errors import TasksError
from tasks.policies import ActorName
from tasks.registry import ACTORS
from tasks.requests import Code, StartRequest
from tasks.starting import start_processes


class Command(BaseCommand):
    """Starts one process and prints its answer: code, process id, reason."""

    help = "Start a process of an actor. Exit status 0 for code 0 and 1, 1 for code 2 and for no code."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("actor", help="name or name#version of the actor, such as orders.fulfil")
        parser.add_argument("--arguments", default="{}", help="JSON object: parameter name to value")
        parser.add_argument("--custom-id", help="makes the start safe to repeat for ever")
        parser.add_argument("--if-ended", default="return", choices=["return", "start_again"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the process; raise CommandError for code 2 and for no code (OutcomeUnknown, StartConflict)."""
        try:
            actor = ACTORS.find(ActorName.parse(options["actor"]))
            arguments = json.loads(options["arguments"])
        except (TasksError, ValueError) as error:
            raise CommandError(str(error)) from error
        if actor is None:
            raise CommandError(f"no actor {options['actor']!r} in the installed apps; there are: {ACTORS.names()}")
        if not isinstance(arguments, dict):
            raise CommandError("--arguments must be a JSON object")
        request = StartRequest(
            actor=actor, kwargs=arguments, custom_id=options["custom_id"], if_ended=options["if_ended"]
        )
        try:
            [started] = start_processes([request])
        except TasksError as error:
            raise CommandError(f"no code: {error}") from error
        if started.code is Code.NOT_CREATED:
            raise CommandError(f"code=2 reason={started.reason} {started.message}")
        self.stdout.write(f"code={started.code.value} process={started.process_id}")
        for warning in started.warnings:
            self.stderr.write(f"warning: {warning}")
