"""Reads orders from a CSV file; a malformed row is rejected with its line number and the reason."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

ORDERS = Path(__file__).with_name("orders.csv")
COLUMNS = ("number", "customer", "email", "sku", "quantity", "unit_price", "card")


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `card` is what the payment service charges."""

    number: int
    customer: str
    email: str
    sku: str
    quantity: int
    unit_price: Decimal
    card: str

    @property
    def total(self) -> Decimal:
        """What the customer pays."""
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is no order."""

    line: int
    reason: str


def read_orders(path: Path = ORDERS) -> tuple[list[Order], list[Rejected]]:
    """The orders in a file, and the rows that are none."""
    orders: list[Order] = []
    rejected: list[Rejected] = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if tuple(next(reader, ())) != COLUMNS:
            raise ValueError(f"{path} does not begin with the columns {','.join(COLUMNS)}")
        for row in reader:
            try:
                orders.append(_order(row))
            except ValueError as error:
                rejected.append(Rejected(reader.line_num, str(error)))
    return orders, rejected


def _order(row: list[str]) -> Order:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} columns instead of {len(COLUMNS)}")
    number, customer, email, sku, quantity, unit_price, card = (each.strip() for each in row)
    if not customer:
        raise ValueError("no customer")
    if "@" not in email:
        raise ValueError(f"{email!r} is no e-mail address")
    return Order(
        _positive("number", number), customer, email, sku, _positive("quantity", quantity), _price(unit_price), card
    )


def _positive(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{name} {text!r} is no positive whole number")
    return int(text)


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"unit_price {text!r} is no number") from None
    if not price.is_finite() or price <= 0:
        raise ValueError(f"unit_price {text!r} is no price")
    return price
