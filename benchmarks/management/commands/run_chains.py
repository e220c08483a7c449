"""`manage.py run_chains`: the engine's client of one round of the chain benchmark."""

from __future__ import annotations

import json
from time import monotonic, sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Max, Min

from benchmarks.actors import count_to_five
from processes.models import Process
from processes.states import ProcessState
from tasks.actors import Code, StartRequest, start_processes

LOOK_EVERY_SECONDS = 0.02


class Command(BaseCommand):
    """Starts processes of five steps in one call, waits until the last has ended, prints one line of JSON."""

    help = "Run a round of the chain benchmark against workers that run already."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command line."""
        parser.add_argument("processes", type=int)
        parser.add_argument("warm_up", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """Warm up, then measure. Raises CommandError where a process did not complete with the value 5."""
        run_chains(options["warm_up"])
        self.stdout.write(json.dumps(run_chains(options["processes"])))


def run_chains(count: int) -> dict[str, float]:
    """Start `count` processes and wait until the last has ended; seconds per phase, from the first start on."""
    began_at = monotonic()
    answers = start_processes([StartRequest(actor=count_to_five, args=(0,)) for _ in range(count)])
    started_at = monotonic()
    if any(answer.code is not Code.CREATED for answer in answers):
        raise CommandError("a process was not created")
    ids = sorted(answer.process_id for answer in answers if answer.process_id)
    mine = Process.objects.filter(id__range=(ids[0], ids[-1]))
    while mine.filter(state__in=[ProcessState.REGISTERING, ProcessState.RUNNING]).exists():
        sleep(LOOK_EVERY_SECONDS)
    ended_at = monotonic()
    if mine.filter(state=ProcessState.COMPLETED, result="5").count() != count:
        raise CommandError("a process did not complete with the value 5")
    times = mine.aggregate(created=Min("created_at"), registered=Max("registered_at"))
    registered = (times["registered"] - times["created"]).total_seconds()
    return {"start": started_at - began_at, "registered": registered, "total": ended_at - began_at}
