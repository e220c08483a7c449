"""`manage.py fulfil_orders`: the demo. `make demo` runs it with servers of its own."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from examples.orders import catalogue, invoices
from examples.orders.faults import Faults
from examples.orders.reading import Order, read_orders
from examples.orders.reporting import report, say
from examples.orders.running import FOLDER, LEDGER, follow, payment_service, start, workers
from examples.orders.verifying import problems
from orchestrator.local.programs import LaunchError, Ownership
from processes.states import ProcessState
from tasks.actors import Code


class Command(BaseCommand):
    """Fulfils all orders of the file on real workers, kills some of what runs, and checks that all adds up."""

    help = (
        "Fulfil the orders of examples/orders/orders.csv. Run again it goes on with the same data: every order is "
        "known by its number, so nothing starts twice. Exit status 1 if anything does not add up."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the demo."""
        began_at = monotonic()
        orders, rejected = read_orders()
        for row in rejected:
            say(f"line {row.line} rejected: {row.reason}")
        try:
            codes = self._fulfil(orders)
        except LaunchError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("stopped; run it again and it goes on")
            sys.exit(130)
        states = report(orders)
        is_right = self._verify(orders)
        say(
            f"started={codes[Code.CREATED]} already_existed={codes[Code.EXISTS]} "
            f"rejected={len(rejected) + codes[Code.NOT_CREATED]} completed={states[ProcessState.COMPLETED]} "
            f"failed={states[ProcessState.FAILED]} seconds={monotonic() - began_at:.1f}"
        )
        if not is_right:
            sys.exit(1)

    def _fulfil(self, orders: Sequence[Order]) -> Counter[Code]:
        (FOLDER / "invoices").mkdir(parents=True, exist_ok=True)
        os.environ[invoices.FOLDER_VARIABLE] = str(FOLDER / "invoices")
        catalogue.stock_up()
        ownership = Ownership(FOLDER)
        with payment_service(ownership), workers(ownership) as programs:
            codes = start(orders)
            follow(orders, Faults(FOLDER, ownership, programs))
        return codes

    def _verify(self, orders: Sequence[Order]) -> bool:
        wrong = list(problems(orders, LEDGER))
        for problem in wrong:
            say(f"does not add up: {problem}")
        if not wrong:
            say("stock, invoices and the payment service's ledger add up")
        return not wrong
