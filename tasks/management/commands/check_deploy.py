"""`manage.py check_deploy`: exits 1 where open processes need what this code does not have."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from processes.models import Process
from tasks.deploy_guard import Misfit, misfits


class Command(BaseCommand):
    """Lists what open processes call and the code at hand cannot serve."""

    help = (
        "List, by actor and reason, what open processes call and the code at hand cannot serve: no such actor, no such"
        " version, arguments that do not fit. Exit status 1 if there is any."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line for each actor and reason; exit with 1 if there is one."""
        found = misfits()
        for each in found:
            self.stdout.write(_told(each))
        if found:
            sys.exit(1)
        self.stdout.write("the code at hand serves every open process")


def _told(misfit: Misfit) -> str:
    examples = ", ".join(map(str, Process.objects.filter(id__in=misfit.examples).order_by("id")))
    counts = f"calls: {misfit.calls}, processes: {misfit.processes}, such as {examples}"
    return f"{misfit.actor}: {misfit.reason} ({counts})"
