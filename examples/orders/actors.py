"""How an order is fulfilled: the workers that do it, and the deciders that say what comes next."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F

from examples.orders import invoices
from examples.orders.models import Booking, Invoice, Product
from examples.orders.payments import PaymentRefused, charge_card
from tasks.actors import Failure, Retry, decider, sleep, worker

HEARTBEAT = timedelta(seconds=3)
"""A killed worker is noticed this soon; the default of 30 s would make the demo slow."""


class UnknownProduct(Exception):
    """The shop does not sell this."""


class OutOfStock(Exception):
    """There is not enough of it."""


@decider(heartbeat=HEARTBEAT)
def fulfil(number: int, customer: str, sku: str, quantity: int, unit_price: Decimal, card: str) -> Any:
    """Book, charge, then deliver or call it off."""
    total = quantity * unit_price
    booked = book_stock(number, sku, quantity)
    payment = charge.options(after=booked, accept_failure=True)(number, card, total)
    return after_payment(number, customer, sku, quantity, total, payment)


@decider(heartbeat=HEARTBEAT)
def after_payment(number: int, customer: str, sku: str, quantity: int, total: Decimal, payment: str | Failure) -> Any:
    """Deliver what is paid; release the stock of what is not."""
    if isinstance(payment, Failure):
        released = release_stock(number)
        return close.options(after=released)(number, "refused")
    invoiced = write_invoice(number, customer, sku, quantity, total, payment)
    packed = sleep(timedelta(seconds=1))
    return close.options(after=[invoiced, packed])(number, "delivered")


@worker(transactional=True, heartbeat=HEARTBEAT, retry=Retry(give_up_on=(UnknownProduct, OutOfStock)))
def book_stock(number: int, sku: str, quantity: int) -> None:
    """Take stock off the shelf: exactly once, for it commits together with the completion of this task."""
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
    """Charge the card: at least once, so the payment service is told a key that makes it once."""
    return charge_card(number, card, amount)


@worker(heartbeat=HEARTBEAT)
def write_invoice(number: int, customer: str, sku: str, quantity: int, total: Decimal, payment: str) -> None:
    """Render the invoice: at least once, so the file has one name and the row one key."""
    invoices.render(number, customer, [f"{quantity} x {sku}"], total, payment)
    Invoice.objects.get_or_create(order_number=number, defaults={"payment": payment, "total": total})


@worker(transactional=True, heartbeat=HEARTBEAT)
def release_stock(number: int) -> None:
    """Put stock back on the shelf: exactly once."""
    booking = Booking.objects.get(order_number=number)
    Product.objects.filter(sku=booking.product_id).update(stock=F("stock") + booking.quantity)
    booking.released = True
    booking.save()


@worker(heartbeat=HEARTBEAT)
def close(number: int, outcome: str) -> dict[str, Any]:
    """Say what became of the order."""
    return {"order": number, "outcome": outcome}
