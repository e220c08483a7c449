"""What the demo runs: the payment service, two workers and beat, and all orders."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep

from tqdm import tqdm

from examples.orders.actors import fulfil
from examples.orders.charging import URL_VARIABLE
from examples.orders.faults import Faults
from examples.orders.reading import Order
from examples.orders.reporting import say
from orchestrator.local.django_programs import ROOT, beat, wait_until_it_says, worker
from orchestrator.local.programs import LaunchError, Ownership, Program
from processes.models import Process
from processes.states import FINAL_STATES, ProcessState
from tasks.actors import Code, StartRequest, start_processes

FOLDER = ROOT / ".local" / "demo"
LEDGER = FOLDER / "ledger.jsonl"
PATIENCE_SECONDS = 120.0
TICK_SECONDS = 0.2
LINE_SECONDS = 2.0


@contextmanager
def payment_service(ownership: Ownership) -> Iterator[None]:
    """Run the payment service meanwhile, on a free port; workers find it through the environment."""
    port_file = FOLDER / "payments.port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "examples.orders.payments"]
    options = ["--ledger", str(LEDGER), "--port-file", str(port_file)]
    program = Program("payments", ownership, [*command, *options], environ={**os.environ, "PYTHONPATH": str(ROOT)})
    program.start()
    try:
        until = monotonic() + 10
        while not port_file.exists():
            if not program.is_running() or monotonic() > until:
                raise LaunchError(f"the payment service does not start: {program.last_words()}")
            sleep(0.02)
        os.environ[URL_VARIABLE] = f"http://127.0.0.1:{port_file.read_text()}"
        yield
    finally:
        program.stop()


@contextmanager
def workers(ownership: Ownership) -> Iterator[list[Program]]:
    """Run two workers and beat meanwhile; yields the workers. Whichever dies is started again."""
    clock = beat(ownership, os.environ, restart=True)
    programs = [
        worker(ownership, os.environ, name=f"worker-{number}", concurrency=2, restart=True) for number in (1, 2)
    ]
    begins = [each.log_path.stat().st_size if each.log_path.exists() else 0 for each in programs]
    try:
        for program in (clock, *programs):
            program.start()
        for program, begin in zip(programs, begins, strict=True):
            wait_until_it_says(program, " ready.", begin=begin)
        yield programs
    finally:
        for program in (clock, *programs):
            program.stop()


def start(orders: Sequence[Order]) -> Counter[Code]:
    """Start a process for every order, and count the answers: created, there already, not created."""
    answers = start_processes(
        StartRequest(
            actor=fulfil,
            args=(order.number, order.customer, order.sku, order.quantity, order.unit_price, order.card),
            custom_id=order.custom_id,
            attributes={"sku": order.sku},
        )
        for order in orders
    )
    for order, answer in zip(orders, answers, strict=True):
        if answer.code is Code.NOT_CREATED:
            say(f"order {order.number} rejected: {answer.message}")
    return Counter(answer.code for answer in answers)


def follow(orders: Sequence[Order], faults: Faults) -> None:
    """Wait until every order that was started has ended or stands still, striking on the way. Raises LaunchError."""
    ours = Process.objects.filter(custom_id__in=[order.custom_id for order in orders])
    moving = ours.exclude(state__in=[*FINAL_STATES, ProcessState.FAILED])
    total, began_with = ours.count(), moving.count()
    until, told_at = monotonic() + PATIENCE_SECONDS, monotonic()
    with tqdm(total=total, initial=total - began_with, unit="order", disable=not sys.stdout.isatty()) as bar:
        while left := moving.count():
            bar.update(total - left - bar.n)
            if bar.disable and monotonic() - told_at > LINE_SECONDS:
                told_at = monotonic()
                say(f"{total - left} of {total} orders done")
            faults.strike(1 - left / began_with)
            if monotonic() > until:
                raise LaunchError(f"{left} orders did not end within {PATIENCE_SECONDS:.0f} seconds")
            sleep(TICK_SECONDS)
        bar.update(total - bar.n)
