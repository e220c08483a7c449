"""Polling: somebody else takes minutes or days to write a report; we look again and again, in one task."""

from __future__ import annotations

from datetime import timedelta

from examples.patterns.models import Report
from tasks.actors import Failure, Snooze, decider, worker


@decider
def obtain_report(
    customer: str, every: timedelta = timedelta(minutes=5), patience: timedelta = timedelta(days=1)
) -> str:
    """Order a report, and wait for it as long as patience lasts."""
    ordered = order(customer)
    report = fetch.options(after=ordered, enqueue_to_end=patience, accept_failure=True)(customer, every)
    return hand_over(report)


@worker
def order(customer: str) -> None:
    """Order it once, however often this runs."""
    Report.objects.get_or_create(customer=customer)


@worker
def fetch(customer: str, every: timedelta) -> str:
    """The report, or a Snooze: not yet, look again later. That counts no try and makes no new row."""
    content = Report.objects.get(customer=customer).content
    if content is None:
        raise Snooze(every)
    return content


@decider
def hand_over(report: str | Failure) -> str:
    """What the customer is told."""
    return f"not ready: {report.message}" if isinstance(report, Failure) else report
