"""How an order is fulfilled: the deciders that say what comes next, and the workers that do it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TypedDict

from django.db.models import F
from django.db.models.functions import Now

from examples.orders import invoices
from examples.orders.charging import PaymentRefused, charge_card
from examples.orders.models import Booking, Invoice, Product
from tasks.actors import Failure, Retry, decider, sleep, worker

HEARTBEAT = timedelta(seconds=3)
"""A killed worker is noticed this soon; the default of 30 s would make the demo slow."""
PACKING = timedelta(seconds=1)
REFUSED = Failure.of(PaymentRefused()).type


class UnknownProduct(Exception):
    """The shop does not sell this."""


class OutOfStock(Exception):
    """There is not enough of it."""


class NotBooked(Exception):
    """No stock is put aside for this order."""


class PaymentUnclear(Exception):
    """Nobody can tell whether the card was charged."""


class Outcome(TypedDict):
    """What became of an order: `delivered` or `refused`."""

    order: int
    outcome: str


@decider(heartbeat=HEARTBEAT)
def fulfil(number: int, customer: str, sku: str, quantity: int, unit_price: Decimal, card: str) -> Outcome:
    """Put the goods aside, charge the card, then see."""
    total = quantity * unit_price
    booked = book_stock(number, sku, quantity)
    payment = charge.options(after=booked, accept_failure=True)(number, card, total)
    return settle(number, customer, sku, quantity, total, payment)


@decider(heartbeat=HEARTBEAT, retry=Retry(give_up_on=(PaymentUnclear,)))
def settle(number: int, customer: str, sku: str, quantity: int, total: Decimal, payment: str | Failure) -> Outcome:
    """Deliver what is paid, take back what is refused; whatever else went wrong is left to a person.

    An error that is no refusal must not pass for one: the card may have been charged all the same. So this raises,
    and the order stands still, visibly.
    """
    if isinstance(payment, Failure):
        if payment.type != REFUSED:
            raise PaymentUnclear(f"order {number}: {payment.message}")
        released = release_stock(number)
        return close.options(after=released)(number, "refused")
    invoiced = write_invoice(number, customer, sku, quantity, total, payment)
    packed = sleep(PACKING)
    dispatched = dispatch.options(after=[invoiced, packed])(number)
    return close.options(after=dispatched)(number, "delivered")


@worker(transactional=True, heartbeat=HEARTBEAT, retry=Retry(give_up_on=(UnknownProduct, OutOfStock)))
def book_stock(number: int, sku: str, quantity: int) -> None:
    """Put stock aside: exactly once, for it commits together with the completion of this task."""
    taken = Product.objects.filter(sku=sku, stock__gte=quantity).update(stock=F("stock") - quantity)
    if not taken:
        if not Product.objects.filter(sku=sku).exists():
            raise UnknownProduct(f"there is no product {sku}")
        raise OutOfStock(f"fewer than {quantity} of {sku} are left")
    Booking.objects.create(order_number=number, product_id=sku, quantity=quantity)


@worker(
    heartbeat=HEARTBEAT,
    retry=Retry(max_attempts=5, initial=timedelta(milliseconds=200), give_up_on=(PaymentRefused,)),
)
def charge(number: int, card: str, amount: Decimal) -> str:
    """Charge the card: this runs at least once, and the key of the order makes it once for the card."""
    return charge_card(f"order-{number}", card, amount)


@worker(heartbeat=HEARTBEAT)
def write_invoice(number: int, customer: str, sku: str, quantity: int, total: Decimal, payment: str) -> None:
    """Render the invoice: at least once, so the file has one name and the row one key."""
    invoices.render(number, customer, [f"{quantity} x {sku}"], total, payment)
    Invoice.objects.get_or_create(order_number=number, defaults={"payment": payment, "total": total})


@worker(transactional=True, heartbeat=HEARTBEAT)
def dispatch(number: int) -> None:
    """Hand the parcel over: exactly once. Raises NotBooked."""
    if not Booking.objects.waiting().filter(order_number=number).update(dispatched_at=Now()):
        raise NotBooked(f"nothing is put aside for order {number}")


@worker(transactional=True, heartbeat=HEARTBEAT)
def release_stock(number: int) -> None:
    """Put the goods back on the shelf: exactly once. Raises NotBooked."""
    if not Booking.objects.waiting().filter(order_number=number).update(released=True):
        raise NotBooked(f"nothing is put aside for order {number}")
    booking = Booking.objects.get(order_number=number)
    Product.objects.filter(sku=booking.product_id).update(stock=F("stock") + booking.quantity)


@worker(heartbeat=HEARTBEAT)
def close(number: int, outcome: str) -> Outcome:
    """Say what became of the order."""
    return {"order": number, "outcome": outcome}
