"""Compensation: a trip is booked step by step; where a step fails, what was booked is cancelled backwards."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from examples.patterns.models import Booking, Partner
from tasks.actors import Failure, Retry, decider, worker


class SoldOut(Exception):
    """The partner has nothing left."""


class NoAnswer(Exception):
    """The partner does not answer."""


PATIENT = Retry(max_attempts=10, initial=timedelta(milliseconds=500), give_up_on=(SoldOut,))


@decider
def book_trip(trip: str, partners: list[str], step: int = 0) -> str:
    """Book at one partner after the other."""
    if step == len(partners):
        return "booked"
    outcome = book.options(accept_failure=True)(trip, partners[step])
    return go_on(trip, partners, step, outcome)


@decider
def go_on(trip: str, partners: list[str], step: int, outcome: str | Failure) -> str:
    """Take the next step, or all steps back: also the one that failed, for who knows how far it came."""
    if not isinstance(outcome, Failure):
        return book_trip(trip, partners, step + 1)
    undone: list[None] = []
    for partner in reversed(partners[: step + 1]):
        undone = [cancel.options(after=undone)(trip, partner)]
    return tell.options(after=undone)(f"cancelled: {outcome.message}")


@worker(retry=PATIENT)
def book(trip: str, partner: str) -> str:
    """Book once, however often this runs. Raises SoldOut and NoAnswer."""
    if ask(partner).is_sold_out:
        raise SoldOut(f"{partner} is sold out")
    Booking.objects.get_or_create(trip=trip, partner_id=partner)
    return partner


@worker(retry=PATIENT)
def cancel(trip: str, partner: str) -> None:
    """Cancel what may be booked; harmless where nothing is. Raises NoAnswer."""
    ask(partner)
    Booking.objects.filter(trip=trip, partner_id=partner, cancelled_at=None).update(cancelled_at=Now())


@worker
def tell(outcome: str) -> str:
    """Say how it ended."""
    return outcome


def ask(name: str) -> Partner:
    """The partner, if it answers. Raises NoAnswer."""
    partner = Partner.objects.get(name=name)
    if not partner.answers:
        raise NoAnswer(f"{name} does not answer")
    return partner
