"""What the patterns keep. `Partner` and `Report` stand for what belongs to somebody else."""

from __future__ import annotations

from django.db import models


class Partner(models.Model):
    """A company that takes bookings. It may be sold out, and it may not answer."""

    name = models.TextField(primary_key=True)
    is_sold_out = models.BooleanField(default=False)
    answers = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class Booking(models.Model):
    """What a partner has put aside for a trip."""

    trip = models.TextField()
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trip", "partner"], name="booking_once_for_each_trip_and_partner"),
        ]

    def __str__(self) -> str:
        return f"{self.trip}: {self.partner_id}"


class Contact(models.Model):
    """Somebody who was imported from a directory."""

    email = models.TextField(primary_key=True)

    def __str__(self) -> str:
        return self.email


class Report(models.Model):
    """A report that somebody else writes; without content it is not ready."""

    customer = models.TextField(unique=True)
    content = models.TextField(null=True)

    def __str__(self) -> str:
        return f"report for {self.customer}"


class Letter(models.Model):
    """A newsletter that was sent."""

    address = models.TextField(primary_key=True)

    def __str__(self) -> str:
        return self.address


class Invoice(models.Model):
    """An invoice that somebody has to approve before it is paid."""

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "open"
        PAID = "paid"
        REFUSED = "refused"
        OVERDUE = "overdue"

    number = models.TextField(primary_key=True)
    state = models.TextField(choices=State, default=State.OPEN)
    reminders = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"invoice {self.number}"
