"""Reads orders from a CSV file; a malformed row is rejected with its line number and the reason."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

ORDERS = Path(__file__).with_name("orders.csv")
COLUMNS = ("number", "customer", "email", "sku", "quantity", "unit_price", "card")
WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
PRICE = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")


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
    def custom_id(self) -> str:
        """How its process is identified, and its charge."""
        return f"order-{self.number}"

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
    """The orders in a file, and the rows that are none. Raises ValueError where the columns are others."""
    orders: dict[int, Order] = {}
    rejected: list[Rejected] = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if tuple(next(reader, ())) != COLUMNS:
            raise ValueError(f"{path} does not begin with the columns {','.join(COLUMNS)}")
        for row in reader:
            try:
                order = _order(row)
                if order.number in orders:
                    raise ValueError(f"number {order.number} is there already")
                orders[order.number] = order
            except ValueError as error:
                rejected.append(Rejected(reader.line_num, str(error)))
    return list(orders.values()), rejected


def _order(row: list[str]) -> Order:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} columns instead of {len(COLUMNS)}")
    number, customer, email, sku, quantity, unit_price, card = (each.strip() for each in row)
    for name, text in (("customer", customer), ("sku", sku), ("card", card)):
        if not text:
            raise ValueError(f"no {name}")
    if "@" not in email:
        raise ValueError(f"{email!r} is no e-mail address")
    return Order(
        _positive("number", number), customer, email, sku, _positive("quantity", quantity), _price(unit_price), card
    )


def _positive(name: str, text: str) -> int:
    if not WHOLE_NUMBER.fullmatch(text):
        raise ValueError(f"{name} {text!r} is no positive whole number")
    return int(text)


def _price(text: str) -> Decimal:
    if not PRICE.fullmatch(text) or Decimal(text) == 0:
        raise ValueError(f"unit_price {text!r} is no price")
    return Decimal(text)
