"""Checks from outside that processes, stock, invoices and the payment service's ledger add up exactly.

What should have become of an order follows from its row in the file and from the catalogue alone. What did become of
it is read from rows, from the PDF files, and from the ledger. The two are compared order by order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from django.db.models import Sum

from examples.orders import invoices
from examples.orders.catalogue import PRODUCTS
from examples.orders.ledger import (
    CHARGED,
    FAILURES_OF_A_FLAKY_CARD,
    FLAKY_CARDS,
    REFUSED,
    REFUSED_CARDS,
    UNAVAILABLE,
    Entry,
    read_ledger,
)
from examples.orders.models import Booking, Invoice, Product
from examples.orders.reading import Order
from processes.models import Process
from processes.states import ProcessState
from tasks.actors import Failure

SHOWN = 5
Key = TypeVar("Key", int, str)


class Fate(StrEnum):
    """What becomes of an order."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNKNOWN_PRODUCT = "UnknownProduct"


def expected_fate(order: Order) -> Fate:
    """What should become of an order."""
    if order.sku not in PRODUCTS:
        return Fate.UNKNOWN_PRODUCT
    return Fate.REFUSED if order.card.startswith(REFUSED_CARDS) else Fate.DELIVERED


def problems(orders: Sequence[Order], ledger_path: Path) -> Iterator[str]:
    """What does not add up, one line each; nothing where all is right."""
    fates: defaultdict[Fate, set[int]] = defaultdict(set)
    for order in orders:
        fates[expected_fate(order)].add(order.number)
    by_number = {order.number: order for order in orders}
    entries = read_ledger(ledger_path)
    yield from _process_problems(orders)
    yield from _ledger_problems(orders, fates, entries)
    yield from _invoice_problems(by_number, fates[Fate.DELIVERED], entries)
    yield from _file_problems(fates[Fate.DELIVERED])
    yield from _booking_problems(by_number, fates)
    yield from _stock_problems()


def _process_problems(orders: Sequence[Order]) -> Iterator[str]:
    processes = {
        process.custom_id: process
        for process in Process.objects.filter(custom_id__in=[order.custom_id for order in orders])
    }
    for order in orders:
        actual, fate = _fate(processes.get(order.custom_id)), expected_fate(order)
        if actual != fate:
            yield f"order {order.number} should be {fate}, and is {actual}"


def _fate(process: Process | None) -> str:
    if process is None:
        return "not there"
    if process.state == ProcessState.FAILED and process.failure is not None and process.failed_task_id is not None:
        return Failure.from_text(process.failure).type.rpartition(".")[2]
    return str(process.value["outcome"]) if isinstance(process.value, dict) else process.state


def _ledger_problems(
    orders: Sequence[Order], fates: Mapping[Fate, set[int]], entries: Sequence[Entry]
) -> Iterator[str]:
    by_key = {order.custom_id: order for order in orders}
    counts: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for entry in entries:
        order = by_key.get(entry.key)
        if order is None:
            yield f"the ledger has {entry.key}, which is no order"
        elif (entry.card, entry.amount) != (order.card, str(order.total)):
            yield f"order {order.number}: {entry.amount} instead of {order.total} was asked of card {entry.card}"
        else:
            counts[entry.status][order.number] += 1
    flaky = [order.number for order in orders if order.card.startswith(FLAKY_CARDS)]
    yield from _differences("charged", counts[CHARGED], Counter(fates[Fate.DELIVERED]))
    yield from _differences("refused by the payment service", counts[REFUSED], Counter(fates[Fate.REFUSED]))
    failures = Counter({number: FAILURES_OF_A_FLAKY_CARD for number in flaky if number in fates[Fate.DELIVERED]})
    yield from _differences("put off by the payment service", counts[UNAVAILABLE], failures)


def _invoice_problems(orders: Mapping[int, Order], delivered: set[int], entries: Sequence[Entry]) -> Iterator[str]:
    payments = {entry.key: entry.payment for entry in entries if entry.status == CHARGED}
    written = {invoice.order_number: invoice for invoice in Invoice.objects.all()}
    yield from _differences("invoiced", Counter(written.keys()), Counter(delivered))
    for number in sorted(written.keys() & delivered):
        order, invoice = orders[number], written[number]
        if (invoice.total, invoice.payment) != (order.total, payments.get(order.custom_id)):
            yield f"the invoice of order {number} says {invoice.total}, paid by {invoice.payment}"


def _file_problems(delivered: set[int]) -> Iterator[str]:
    files = {path.name: path for path in invoices.folder().glob("*.pdf")}
    expected = {invoices.path_of(number).name: number for number in delivered}
    yield from _differences("rendered", Counter(files.keys()), Counter(expected.keys()))
    for name in sorted(files.keys() & expected.keys()):
        try:
            if f"Invoice of order {expected[name]})" not in invoices.text_of(files[name]):
                yield f"{name} does not name order {expected[name]}"
        except invoices.BrokenInvoice as error:
            yield str(error)


def _booking_problems(orders: Mapping[int, Order], fates: Mapping[Fate, set[int]]) -> Iterator[str]:
    bookings = list(Booking.objects.order_by("order_number"))
    dispatched = Counter(booking.order_number for booking in bookings if booking.dispatched_at is not None)
    yield from _differences("dispatched", dispatched, Counter(fates[Fate.DELIVERED]))
    released = Counter(booking.order_number for booking in bookings if booking.released)
    yield from _differences("released", released, Counter(fates[Fate.REFUSED]))
    for booking in bookings:
        order = orders.get(booking.order_number)
        if order is None or (booking.product_id, booking.quantity) != (order.sku, order.quantity):
            yield f"order {booking.order_number} booked {booking.quantity} of {booking.product_id}"


def _stock_problems() -> Iterator[str]:
    sums = Booking.objects.filter(released=False).values_list("product_id").annotate(Sum("quantity")).order_by()
    kept = dict(sums)
    for product in Product.objects.order_by("sku"):
        if product.stock != product.initial_stock - kept.get(product.sku, 0):
            yield (
                f"{product.sku}: {product.stock} on the shelf, where {kept.get(product.sku, 0)} "
                f"of {product.initial_stock} are taken"
            )


def _differences(what: str, actual: Counter[Key], expected: Counter[Key]) -> Iterator[str]:
    if missing := expected - actual:
        yield f"not {what}: {_shown(missing.elements())}"
    if surplus := actual - expected:
        yield f"{what} too often: {_shown(surplus.elements())}"


def _shown(names: Iterable[int | str]) -> str:
    every = sorted(str(name) for name in names)
    return ", ".join(every[:SHOWN]) + (f" and {len(every) - SHOWN} more" if len(every) > SHOWN else "")
