"""Approval over days: a person says yes or no, is reminded once, and has until a deadline."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from examples.patterns.models import Invoice
from tasks.actors import Failure, Promise, decider, external, no_wait, sleep, worker


@decider
def pay_invoice(
    number: str, patience: timedelta = timedelta(days=7), remind_after: timedelta = timedelta(days=2)
) -> str:
    """Ask for approval, remind whoever has to give it, and do what they say."""
    approved = approve.options(enqueue_to_end=patience, accept_failure=True)(number)
    remind.options(after=sleep(remind_after))(number, no_wait(approved))
    return settle(number, approved)


@external
def approve(number: str) -> bool:
    """Whether an invoice may be paid: somebody says so with `complete_task(task, True)`."""
    raise NotImplementedError


@decider
def remind(number: str, approved: Promise) -> None:
    """Remind, unless there is an answer by now."""
    if not approved.is_resolved:
        write_reminder(number)


@decider
def settle(number: str, approved: bool | Failure) -> str:
    """Do what was decided; no answer in time is an answer too."""
    if isinstance(approved, Failure):
        return close(number, Invoice.State.OVERDUE.value)
    return close(number, Invoice.State.PAID.value if approved else Invoice.State.REFUSED.value)


@worker(transactional=True)
def write_reminder(number: str) -> None:
    """Remind exactly once."""
    Invoice.objects.filter(number=number).update(reminders=F("reminders") + 1)


@worker(transactional=True)
def close(number: str, state: str) -> str:
    """Note what became of an invoice."""
    Invoice.objects.filter(number=number, state=Invoice.State.OPEN).update(state=state)
    return state
