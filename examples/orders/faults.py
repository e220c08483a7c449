"""What goes wrong during the demo, on purpose: a worker is killed, then the broker loses everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from examples.orders.reporting import say
from orchestrator.local.broker import Broker
from orchestrator.local.programs import Ownership, Program

KILL_A_WORKER_AT, EMPTY_THE_BROKER_AT = 0.1, 0.4
"""When it happens: once this part of the orders is done."""


class Faults:
    """Each strikes once."""

    def __init__(self, folder: Path, ownership: Ownership, workers: Sequence[Program]) -> None:
        self._victim = workers[0]
        broker = Broker(folder, ownership)
        self._broker = broker if broker.url == settings.CELERY_BROKER_URL else None
        self._due = [(KILL_A_WORKER_AT, self._kill_a_worker), (EMPTY_THE_BROKER_AT, self._empty_the_broker)]

    def strike(self, done: float) -> None:
        """Do what is due when this part of the orders is done."""
        while self._due and done >= self._due[0][0]:
            self._due.pop(0)[1]()

    def _kill_a_worker(self) -> None:
        killed = self._victim.pid
        self._victim.kill()
        say(f"killed a worker with -9: process {killed} and its children; process {self._victim.pid} takes its place")

    def _empty_the_broker(self) -> None:
        if self._broker is None:
            say("the broker is your own, so it is left alone")
            return
        self._broker.restart()
        say("killed the broker with -9 and started it again, empty")
