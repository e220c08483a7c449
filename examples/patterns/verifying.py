"""The five runs: each starts its pattern, plays the outside, and compares what came of it with rows."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from examples.patterns.approvals import approve, pay_invoice
from examples.patterns.contacts import import_contacts
from examples.patterns.models import Booking, Contact, Invoice, Letter, Partner, Report
from examples.patterns.newsletters import send_newsletter
from examples.patterns.reports import fetch, obtain_report
from examples.patterns.running import NotInTime, wait_for
from examples.patterns.trips import book_trip, cancel
from processes.models import Process
from processes.states import FINAL_STATES, ProcessState
from tasks.actors import Actor, complete_task, start_process
from tasks.models import DelayReason, Task
from tasks.states import TaskState

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what should be there, and what is."""

    what: str
    expected: object
    found: object

    @property
    def is_right(self) -> bool:
        """Whether the two agree."""
        return self.expected == self.found


def findings() -> Iterator[tuple[str, list[Finding]]]:
    """Run the patterns one after the other; yield the name of each with what was found."""
    run = secrets.token_hex(3)
    for name, pattern in PATTERNS.items():
        try:
            yield name, pattern(run)
        except NotInTime as error:
            yield name, [Finding("what happened", "all of it in time", str(error))]


def compensation(run: str) -> list[Finding]:
    """A trip whose car is sold out in the end, and whose hotel does not answer when it is to be cancelled."""
    flights, hotels, cars = (f"{each} {run}" for each in ("flights", "hotels", "cars"))
    partners = Partner.objects
    partners.bulk_create([Partner(name=flights), Partner(name=hotels), Partner(name=cars, answers=False)])
    process = started(book_trip, f"Oslo {run}", [flights, hotels, cars])
    mine = Booking.objects.filter(trip=f"Oslo {run}")
    wait_for("the second booking", lambda: mine.count() == 2)
    partners.filter(name=hotels).update(answers=False)
    partners.filter(name=cars).update(answers=True, is_sold_out=True)
    cancelling = Task.objects.filter(process=process, actor=str(cancel.actor_name))
    wait_for("a failing compensation", lambda: cancelling.filter(delay_reason=DelayReason.RETRY).exists())
    partners.filter(name=hotels).update(answers=True)
    cancelled = mine.exclude(cancelled_at=None).order_by("cancelled_at").values_list("partner_id", flat=True)
    return [
        Finding("the process", f"cancelled: {cars} is sold out", value_of(process)),
        Finding("bookings", 2, mine.count()),
        Finding("cancelled, in this order", [hotels, flights], list(cancelled)),
    ]


def loop(run: str) -> list[Finding]:
    """A directory of a hundred contacts in three pages."""
    process = started(import_contacts, run)
    value = value_of(process)
    turns = Task.objects.filter(process=process, actor=str(import_contacts.actor_name))
    return [
        Finding("the process", 100, value),
        Finding("contacts", 100, Contact.objects.filter(email__endswith=f"@{run}.example").count()),
        Finding("turns", 3, turns.count()),
    ]


def polling(run: str) -> list[Finding]:
    """A report that is ready only after it was looked for twice."""
    process = started(obtain_report, run, every=SECOND / 2)
    looking = Task.objects.filter(process=process, actor=str(fetch.actor_name))
    wait_for("a second look", lambda: looking.filter(attempt__gte=2).exists())
    Report.objects.filter(customer=run).update(content="all is well")
    value = value_of(process)
    task = looking.get()
    return [
        Finding("the process", "all is well", value),
        Finding("tries", 0, task.tries),
        Finding("looks, three or more", True, task.attempt >= 3),
    ]


def fan_out(run: str) -> list[Finding]:
    """A newsletter to twenty addresses, two of which are none."""
    addresses = [f"reader-{number}@{run}.example" for number in range(18)]
    process = started(send_newsletter, [*addresses, "nobody", "nowhere"])
    failed = {"nobody": "'nobody' is no address", "nowhere": "'nowhere' is no address"}
    value = value_of(process)
    return [
        Finding("the process", {"sent": 18, "failed": failed}, value),
        Finding("letters", 18, Letter.objects.filter(address__endswith=f"@{run}.example").count()),
    ]


def approval(run: str) -> list[Finding]:
    """Three invoices: one is approved after a reminder, one refused before it, one reminded of in vain."""
    numbers = [f"{run}-{number}" for number in (1, 2, 3)]
    Invoice.objects.bulk_create(Invoice(number=number) for number in numbers)
    processes = [
        started(pay_invoice, number, patience=patience * SECOND, remind_after=remind_after * SECOND)
        for number, patience, remind_after in zip(numbers, (60, 60, 4), (2, 4, 0), strict=True)
    ]
    complete_task(question(processes[1]), False, by="run_patterns", reason="not ordered by us")
    first = Invoice.objects.filter(number=numbers[0], reminders=1)
    wait_for("a reminder", first.exists)
    complete_task(question(processes[0]), True, by="run_patterns")
    values = [value_of(process) for process in processes]
    states = Invoice.objects.filter(number__in=numbers).order_by("number").values_list("state", "reminders")
    return [
        Finding("the processes", ["paid", "refused", "overdue"], values),
        Finding("invoices and reminders", [("paid", 1), ("refused", 0), ("overdue", 1)], list(states)),
    ]


def started(actor: Actor[..., Any], *args: object, **kwargs: Any) -> Process:
    """A process that was started just now."""
    answer = start_process(actor, *args, **kwargs)
    assert answer.process is not None, answer.message
    return answer.process


def question(process: Process) -> Task:
    """The question that waits for an answer from outside, once it is asked."""
    asked = Task.objects.filter(process=process, actor=str(approve.actor_name), state=TaskState.ENQUEUED)
    return wait_for("a question", asked.first)


def value_of(process: Process) -> object:
    """The value of a process, once it has ended; its state where it ended otherwise, or stands still."""
    over = Process.objects.filter(id=process.id, state__in=[*FINAL_STATES, ProcessState.FAILED])
    ended = wait_for(f"the end of {process}", over.first)
    return ended.value if ended.state == ProcessState.COMPLETED else ended.state


PATTERNS: Mapping[str, Callable[[str], list[Finding]]] = {
    "compensation": compensation,
    "loop": loop,
    "polling": polling,
    "fan-out": fan_out,
    "approval": approval,
}
