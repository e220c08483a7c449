"""Fan-out with partial failure: letters to many, of which some fail; the others arrive, and the failed are named."""

from __future__ import annotations

from typing import TypedDict

from examples.patterns.models import Letter
from tasks.actors import Failure, Retry, decider, worker


class BadAddress(Exception):
    """Nothing can be sent there."""


class Summary(TypedDict):
    """How many letters were sent, and why others were not, by address."""

    sent: int
    failed: dict[str, str]


@decider
def send_newsletter(addresses: list[str]) -> Summary:
    """Send all letters side by side; none of them keeps the others from being sent."""
    outcomes = [send.options(accept_failure=True)(address) for address in addresses]
    return sum_up(addresses, outcomes)


@worker(retry=Retry(give_up_on=(BadAddress,)))
def send(address: str) -> Failure | None:
    """Send one letter. Raises BadAddress."""
    if "@" not in address:
        raise BadAddress(f"{address!r} is no address")
    Letter.objects.get_or_create(address=address)
    return None


@worker(accepts_failures=True)
def sum_up(addresses: list[str], outcomes: list[Failure | None]) -> Summary:
    """Tell what was sent and what was not."""
    failed = {
        address: outcome.message
        for address, outcome in zip(addresses, outcomes, strict=True)
        if isinstance(outcome, Failure)
    }
    return {"sent": len(addresses) - len(failed), "failed": failed}
