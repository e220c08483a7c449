"""`manage.py create_token`: makes a token for a client of the API."""

from datetime import timedelta
from getpass import getuser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orchestrator.access.errors import InvalidToken
from orchestrator.access.making import create_token
from orchestrator.access.models import Scope, Token

LONGEST_DAYS = 36_500


class Command(BaseCommand):
    """Prints the new token, and nothing else, on standard output; what it allows on standard error."""

    help = "Make a token: TOKEN=$(manage.py create_token --client shop --scope start). It is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("--client", required=True, help="who will use it; may have several tokens, for rotation")
        parser.add_argument(
            "--scope", action="append", required=True, choices=Scope.values, dest="scopes", help="may be repeated"
        )
        parser.add_argument(
            "--start-actor",
            action="append",
            default=[],
            metavar="NAME",
            dest="start_actors",
            help="may start only this process actor (no #version); may be repeated",
        )
        parser.add_argument(
            "--act-actor",
            action="append",
            default=[],
            metavar="NAME",
            dest="act_actors",
            help="may act as this actor (no #version; '*' for every one); may be repeated; required with --scope act",
        )
        parser.add_argument("--expires-in-days", type=int, metavar="N", help="never, if not given")
        parser.add_argument(
            "--requests-per-second", type=int, metavar="N", help="for each server process; 0 for no limit"
        )
        parser.add_argument("--by", default=None, help="who makes it; the user of the shell by default")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the token. Raise CommandError where it cannot be made like this."""
        days = options["expires_in_days"]
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--expires-in-days must be from 1 to {LONGEST_DAYS}", returncode=2)
        words = ("client", "scopes", "start_actors", "act_actors", "requests_per_second")
        try:
            token = create_token(
                **{word: options[word] for word in words},
                expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
                by=options["by"] if options["by"] is not None else getuser(),
            )
        except InvalidToken as error:
            raise CommandError(str(error), returncode=2) from error
        self.stderr.write(_told(token))
        self.stdout.write(token.text)


def _told(token: Token) -> str:
    until = f"expires {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "never expires"
    rate = token.requests_per_second
    if rate is None:
        rate = settings.ORCHESTRATOR_TOKEN_REQUESTS_PER_SECOND
    limit = f"{rate} requests a second" if rate else "no limit of requests"
    return f"token {token.identifier} of {token.client}: {token.allows()}; {until}; {limit}"
