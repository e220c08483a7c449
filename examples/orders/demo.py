"""The parts of the demo: the payment service and the workers, the start of all orders, the faults, the report."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep

from django.conf import settings
from tqdm import tqdm

from examples.orders.actors import fulfil
from examples.orders.payments import URL_VARIABLE
from examples.orders.reading import Order
from examples.orders.verifying import custom_id
from orchestrator.local.broker import Broker
from orchestrator.local.django_programs import ROOT, beat, start_worker, worker
from orchestrator.local.programs import LaunchError, Ownership, Program
from processes.failures import Failure
from processes.models import Process
from processes.states import FINAL_STATES, ProcessState
from tasks.actors import Code, StartRequest, start_processes

FOLDER = ROOT / ".local" / "demo"
LEDGER = FOLDER / "ledger.jsonl"
PATIENCE_SECONDS = 150.0
TICK_SECONDS = 0.2
LINE_SECONDS = 2.0


@contextmanager
def payment_service(ownership: Ownership) -> Iterator[None]:
    """Run the payment service meanwhile; workers find it through the environment."""
    port_file = FOLDER / "payments.port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "examples.orders.payments", str(LEDGER), str(port_file)]
    program = Program("payments", ownership, command, environ={**os.environ, "PYTHONPATH": str(ROOT)})
    program.start()
    until = monotonic() + 10
    while not port_file.exists():
        if monotonic() > until:
            raise LaunchError(f"the payment service does not start: {program.last_words()}")
        sleep(0.02)
    os.environ[URL_VARIABLE] = f"http://127.0.0.1:{port_file.read_text()}"
    try:
        yield
    finally:
        program.stop()


@contextmanager
def workers(ownership: Ownership) -> Iterator[list[Program]]:
    """Run two workers and beat meanwhile; yields the workers."""
    programs = [worker(ownership, os.environ, name=f"worker-{number}", concurrency=2) for number in (1, 2)]
    clock = beat(ownership, os.environ)
    try:
        clock.start()
        for program in programs:
            start_worker(program)
        yield programs
    finally:
        for program in (clock, *programs):
            program.stop()


def start(orders: Sequence[Order]) -> Counter[Code]:
    """Start a process for every order; how many were created, existed already, were refused."""
    answers = start_processes(
        StartRequest(
            actor=fulfil,
            args=(order.number, order.customer, order.sku, order.quantity, order.unit_price, order.card),
            custom_id=custom_id(order),
            attributes={"sku": order.sku},
        )
        for order in orders
    )
    return Counter(answer.code for answer in answers)


class Faults:
    """What goes wrong during the demo: a worker is killed, then the broker loses everything."""

    def __init__(self, ownership: Ownership, programs: Sequence[Program]) -> None:
        self._victim = programs[0]
        broker = Broker(FOLDER, ownership)
        self._broker = broker if broker.url == settings.CELERY_BROKER_URL else None
        self._due = [(0.1, self._kill_a_worker), (0.4, self._empty_the_broker)]

    def strike(self, done: float) -> None:
        """Do what is due when this part of the orders is done."""
        while self._due and done >= self._due[0][0]:
            self._due.pop(0)[1]()

    def _kill_a_worker(self) -> None:
        say(f"killing a worker with -9: process {self._victim.pid} and its children; another one takes its place")
        self._victim.kill()
        start_worker(self._victim)

    def _empty_the_broker(self) -> None:
        if self._broker is None:
            say("the broker is your own: it is left alone")
            return
        say("killing the broker with -9 and starting it again, empty")
        self._broker.restart()


def follow(orders: Sequence[Order], faults: Faults) -> None:
    """Wait until every order has ended or stands still, striking on the way. Raises LaunchError if one does not."""
    names = [custom_id(order) for order in orders]
    done = Process.objects.filter(custom_id__in=names, state__in=[*FINAL_STATES, ProcessState.FAILED])
    began_with = done.count()
    until = monotonic() + PATIENCE_SECONDS
    told_at = 0.0
    with tqdm(total=len(names), initial=began_with, unit="order", disable=not sys.stdout.isatty()) as bar:
        while (count := done.count()) < len(names):
            bar.update(count - bar.n)
            if bar.disable and monotonic() - told_at > LINE_SECONDS:
                told_at = monotonic()
                say(f"{count} of {len(names)} orders done")
            faults.strike((count - began_with) / (len(names) - began_with))
            if monotonic() > until:
                raise LaunchError(f"{len(names) - count} orders did not end in {PATIENCE_SECONDS:.0f} seconds")
            sleep(TICK_SECONDS)
        bar.update(len(names) - bar.n)


def report(orders: Sequence[Order]) -> Counter[str]:
    """Print where the orders went; return how many processes are in which state."""
    states: Counter[str] = Counter()
    places: Counter[tuple[str, str]] = Counter()
    for process in Process.objects.filter(custom_id__in=[custom_id(order) for order in orders]):
        states[process.state] += 1
        places[process.state, _told(process)] += 1
    say(f"\n{'state':<12} {'orders':>6}  what became of them")
    for (state, told), count in sorted(places.items(), key=lambda item: -item[1]):
        say(f"{state:<12} {count:>6}  {told}")
    say("")
    return states


def say(line: str) -> None:
    """Print a line, above the progress bar where there is one."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def _told(process: Process) -> str:
    if process.failure is not None:
        failure = Failure.from_text(process.failure)
        return f"{failure.type.rpartition('.')[2]}: {failure.message}"
    return str(process.value["outcome"]) if isinstance(process.value, dict) else ""
