"""What the shop keeps: stock, bookings of it, invoices."""

from __future__ import annotations

from django.db import models


class Product(models.Model):
    """Something for sale. `stock` is what nobody has booked."""

    sku = models.TextField(primary_key=True)
    name = models.TextField()
    initial_stock = models.PositiveIntegerField()
    stock = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.name


class BookingQuerySet(models.QuerySet["Booking"]):
    """Bookings."""

    def waiting(self) -> BookingQuerySet:
        """Those that are neither dispatched nor released."""
        return self.filter(released=False, dispatched_at=None)


class Booking(models.Model):
    """Stock that is put aside for an order, until it is dispatched or released."""

    order_number = models.PositiveIntegerField(primary_key=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    released = models.BooleanField(default=False)
    dispatched_at = models.DateTimeField(null=True)

    objects = BookingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(released=False) | models.Q(dispatched_at=None),
                name="booking_is_not_both_released_and_dispatched",
            ),
        ]

    def __str__(self) -> str:
        return f"order {self.order_number}: {self.quantity} × {self.product_id}"


class Invoice(models.Model):
    """An invoice that was rendered."""

    order_number = models.PositiveIntegerField(primary_key=True)
    payment = models.TextField(unique=True)
    total = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self) -> str:
        return f"invoice of order {self.order_number}"
