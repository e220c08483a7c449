"""Checks from outside that stock, invoices and the payment service's ledger add up exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from django.db.models import Sum

from examples.orders.invoices import path_of
from examples.orders.models import Booking, Invoice, Product
from examples.orders.payments import CHARGED, REFUSED, read_ledger
from examples.orders.reading import Order
from processes.models import Process
from processes.states import ProcessState
from tasks.models import Task
from tasks.states import OPEN_STATES


def custom_id(order: Order) -> str:
    """How the process of an order is identified."""
    return f"order-{order.number}"


def problems(orders: Sequence[Order], ledger_path: Path) -> Iterator[str]:
    """What does not add up, one line each; nothing where all is right."""
    processes = {process.custom_id: process for process in Process.objects.filter(custom_id__startswith="order-")}
    outcomes = {order.number: _outcome(processes.get(custom_id(order))) for order in orders}
    by_number = {order.number: order for order in orders}
    delivered = {number for number, outcome in outcomes.items() if outcome == "delivered"}
    refused = {number for number, outcome in outcomes.items() if outcome == "refused"}
    yield from _ledger_problems(by_number, delivered, refused, ledger_path)
    yield from _invoice_problems(by_number, delivered)
    yield from _stock_problems(by_number, delivered, refused)
    left = Task.objects.filter(process__state=ProcessState.COMPLETED, state__in=OPEN_STATES).count()
    if left:
        yield f"{left} tasks are open in completed processes"


def _outcome(process: Process | None) -> str:
    if process is None:
        return "missing"
    value = process.value
    return str(value["outcome"]) if isinstance(value, dict) else process.state


def _ledger_problems(
    orders: dict[int, Order], delivered: set[int], refused: set[int], ledger_path: Path
) -> Iterator[str]:
    entries = [(int(entry["key"].removeprefix("order-")), entry) for entry in read_ledger(ledger_path)]
    charged = Counter(number for number, entry in entries if entry["status"] == CHARGED)
    turned_down = {number for number, entry in entries if entry["status"] == REFUSED}
    if charged != Counter(delivered):
        yield f"charged {sum(charged.values())} times, delivered {len(delivered)} orders"
    if turned_down != refused:
        yield f"the payment service refused {len(turned_down)} orders, {len(refused)} ended as refused"
    for number, entry in entries:
        if Decimal(entry["amount"]) != orders[number].total:
            yield f"order {number} was charged {entry['amount']} instead of {orders[number].total}"


def _invoice_problems(orders: dict[int, Order], delivered: set[int]) -> Iterator[str]:
    totals = dict(Invoice.objects.values_list("order_number", "total"))
    if totals.keys() != delivered:
        yield f"{len(totals)} invoices for {len(delivered)} delivered orders"
    for number, total in totals.items():
        if total != orders[number].total:
            yield f"the invoice of order {number} says {total} instead of {orders[number].total}"
    files = set(path_of(0).parent.glob("*.pdf"))
    if files != {path_of(number) for number in delivered}:
        yield f"{len(files)} PDF files for {len(delivered)} delivered orders"
    for path in files:
        content = path.read_bytes()
        if not (content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")):
            yield f"{path} is no whole PDF file"


def _stock_problems(orders: dict[int, Order], delivered: set[int], refused: set[int]) -> Iterator[str]:
    bookings = {booking.order_number: booking for booking in Booking.objects.all()}
    if {number for number, booking in bookings.items() if not booking.released} != delivered:
        yield "the bookings that hold stock are not those of the delivered orders"
    if {number for number, booking in bookings.items() if booking.released} != refused:
        yield "the bookings that were released are not those of the refused orders"
    for number, booking in bookings.items():
        if (booking.product_id, booking.quantity) != (orders[number].sku, orders[number].quantity):
            yield f"order {number} booked {booking.quantity} of {booking.product_id}"
    booked = dict(
        Booking.objects.filter(released=False).values_list("product_id").annotate(total=Sum("quantity")).order_by()
    )
    for product in Product.objects.all():
        if product.stock != product.initial_stock - booked.get(product.sku, 0):
            yield f"{product.sku}: {product.stock} on the shelf, {product.initial_stock} less {booked.get(product.sku)}"
