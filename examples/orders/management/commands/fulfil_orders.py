"""`manage.py fulfil_orders`: the demo. `make demo` runs it with servers of its own."""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from examples.orders import catalogue, invoices
from examples.orders.demo import (
    FOLDER,
    LEDGER,
    Faults,
    follow,
    payment_service,
    report,
    start,
    workers,
)
from examples.orders.reading import read_orders
from examples.orders.verifying import problems
from orchestrator.local.programs import LaunchError, Ownership
from tasks.actors import Code


class Command(BaseCommand):
    """Fulfils all orders of the file on real workers, kills some of what runs, and checks that all adds up."""

    help = (
        "Fulfil the orders of examples/orders/orders.csv. Run again it goes on with the same data: every order is "
        "known by its number, so nothing starts twice. Exit status 1 if anything does not add up."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the demo."""
        try:
            self._fulfil()
        except LaunchError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("stopped; run it again and it goes on")
            sys.exit(130)

    def _fulfil(self) -> None:
        began_at = monotonic()
        orders, rejected = read_orders()
        for row in rejected:
            self.stdout.write(f"line {row.line} rejected: {row.reason}")
        (FOLDER / "invoices").mkdir(parents=True, exist_ok=True)
        os.environ[invoices.FOLDER_VARIABLE] = str(FOLDER / "invoices")
        catalogue.stock_up()
        ownership = Ownership(FOLDER)
        with payment_service(ownership), workers(ownership) as programs:
            codes = start(orders)
            follow(orders, Faults(ownership, programs))
        states = report(orders)
        seconds = monotonic() - began_at
        wrong = list(problems(orders, LEDGER))
        for problem in wrong:
            self.stdout.write(f"does not add up: {problem}")
        if not wrong:
            self.stdout.write("stock, invoices and the payment service's ledger add up")
        self.stdout.write(
            f"started={codes[Code.CREATED]} already_existed={codes[Code.EXISTS]} "
            f"rejected={len(rejected) + codes[Code.NOT_CREATED]} "
            f"completed={states['COMPLETED']} failed={states['FAILED']} seconds={seconds:.1f}"
        )
        if wrong:
            sys.exit(1)
