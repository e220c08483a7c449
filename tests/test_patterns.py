"""The five patterns of docs/failures.md: each to its end, by hand, with what it did asserted in rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from examples.patterns import approvals, contacts, newsletters, reports, trips
from examples.patterns.models import Booking, Contact, Invoice, Letter, Partner, Report
from examples.patterns.verifying import findings
from processes.failures import Failure
from processes.models import Event, Process
from processes.states import ProcessState
from recovery.scans import run_scan
from tasks.actors import complete_task, fail_task
from tasks.errors import AlreadySettled
from tasks.models import DelayReason, Task
from tasks.states import TaskState
from tests.by_hand import done, finished, registered, run_to_standstill, task_of
from tests.conftest import Launch

pytestmark = pytest.mark.usefixtures("rows")

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PARTNERS = ["Flights", "Hotels", "Cars"]


def let_delays_end() -> None:
    """Whatever is DELAYED is due now, and what follows is done."""
    Task.objects.filter(state=TaskState.DELAYED).update(due_at=LONG_AGO)
    run_to_standstill()


def let_the_deadline_pass(task: Task) -> None:
    """The enqueue-to-end time of a task is used up, and what follows is done."""
    assert Task.objects.filter(id=task.id, deadline_at__isnull=False).update(deadline_at=LONG_AGO) == 1
    assert run_scan("task_enqueue_to_end") == 1
    run_to_standstill()


def ended(process: Process) -> object:
    """The value of a process, which must be COMPLETED."""
    process.refresh_from_db()
    assert process.state == ProcessState.COMPLETED
    return process.value


# --- Compensation --------------------------------------------------------------------------------------------------


@pytest.fixture
def partners(rows: None) -> list[str]:
    Partner.objects.bulk_create(Partner(name=name) for name in PARTNERS)
    return PARTNERS


def cancelled_in_order(trip: str) -> list[str]:
    """The partners whose booking was cancelled, in that order."""
    cancelled = Booking.objects.filter(trip=trip, cancelled_at__isnull=False)
    return list(cancelled.order_by("cancelled_at").values_list("partner_id", flat=True))


def booked(trip: str) -> list[str]:
    """The partners that were booked, in that order, cancelled or not."""
    return list(Booking.objects.filter(trip=trip).order_by("id").values_list("partner_id", flat=True))


def test_a_trip_without_failure_is_booked_in_order_and_nothing_is_cancelled(partners: list[str]) -> None:
    process = finished(trips.book_trip, "Oslo", partners)
    assert ended(process) == "booked"
    assert (booked("Oslo"), cancelled_in_order("Oslo")) == (PARTNERS, [])


def test_where_the_third_step_fails_for_good_the_two_before_are_cancelled_backwards(partners: list[str]) -> None:
    Partner.objects.filter(name="Cars").update(is_sold_out=True)
    process = finished(trips.book_trip, "Oslo", partners)
    assert ended(process) == "cancelled: Cars is sold out"
    assert booked("Oslo") == ["Flights", "Hotels"]
    assert cancelled_in_order("Oslo") == ["Hotels", "Flights"]
    failed = Task.objects.get(process=process, state=TaskState.FAILED)
    assert (failed.actor, failed.tries, failed.failure_accepted) == (str(trips.book.actor_name), 1, True)


def test_where_the_first_step_fails_nothing_else_is_booked(partners: list[str]) -> None:
    Partner.objects.filter(name="Flights").update(is_sold_out=True)
    assert ended(finished(trips.book_trip, "Oslo", partners)) == "cancelled: Flights is sold out"
    assert booked("Oslo") == []


def test_a_compensation_that_fails_is_tried_again_and_those_behind_it_wait(partners: list[str]) -> None:
    Partner.objects.filter(name="Cars").update(is_sold_out=True)
    process = registered(trips.book_trip, "Oslo", partners)
    while not Task.objects.filter(actor=str(trips.cancel.actor_name)).exists():
        for actor in (trips.book_trip, trips.book, trips.go_on):
            done(actor)
    Partner.objects.filter(name="Hotels").update(answers=False)
    run_to_standstill()
    let_delays_end()
    hotels = Task.objects.get(actor=str(trips.cancel.actor_name), arguments__contains="Hotels")
    assert (hotels.state, hotels.delay_reason, hotels.tries) == (TaskState.DELAYED, DelayReason.RETRY, 2)
    assert cancelled_in_order("Oslo") == []
    Partner.objects.filter(name="Hotels").update(answers=True)
    let_delays_end()
    assert ended(process) == "cancelled: Cars is sold out"
    assert cancelled_in_order("Oslo") == ["Hotels", "Flights"]


def test_a_compensation_that_fails_for_good_makes_the_process_stand_still(partners: list[str]) -> None:
    Partner.objects.filter(name="Cars").update(answers=False)
    process = finished(trips.book_trip, "Oslo", partners)
    for _ in range(30):
        let_delays_end()
    process.refresh_from_db()
    assert process.state == ProcessState.FAILED
    failed = Task.objects.get(process=process, state=TaskState.FAILED, failure_accepted=False)
    assert process.failed_task_id == failed.id
    assert (failed.actor, failed.tries) == (str(trips.cancel.actor_name), trips.PATIENT.max_attempts)
    assert (booked("Oslo"), cancelled_in_order("Oslo")) == (["Flights", "Hotels"], [])


# --- A loop --------------------------------------------------------------------------------------------------------


def test_a_loop_takes_one_turn_for_each_page_and_ends_with_the_sum() -> None:
    process = finished(contacts.import_contacts, "acme")
    assert ended(process) == 100
    emails = set(Contact.objects.values_list("email", flat=True))
    assert emails == {f"person-{number}@acme.example" for number in range(100)}
    turns = Task.objects.filter(process=process, actor=str(contacts.import_contacts.actor_name))
    assert list(turns.order_by("id").values_list("arguments", flat=True)) == [
        '{"company":"acme"}',
        '{"company":"acme","start":40,"stored":40}',
        '{"company":"acme","start":80,"stored":80}',
    ]


# --- Polling -------------------------------------------------------------------------------------------------------


def test_a_snooze_looks_again_in_the_same_task_and_counts_no_try() -> None:
    process = finished(reports.obtain_report, "acme")
    for _ in range(10):
        let_delays_end()
    task = task_of(process, reports.fetch)
    assert (task.state, task.delay_reason, task.attempt, task.tries) == (TaskState.DELAYED, DelayReason.SNOOZE, 11, 0)
    assert task.due_at is not None
    assert task.polled_at is not None
    assert timedelta(minutes=5) <= task.due_at - task.polled_at < timedelta(minutes=6)
    Report.objects.update(content="all is well")
    let_delays_end()
    assert ended(process) == "all is well"
    assert task_of(process, reports.fetch).attempt == 12


def test_a_report_that_never_comes_is_given_up_when_patience_ends() -> None:
    process = finished(reports.obtain_report, "acme", patience=timedelta(hours=2))
    task = task_of(process, reports.fetch)
    assert task.enqueue_to_end == timedelta(hours=2)
    let_delays_end()
    let_the_deadline_pass(task)
    assert ended(process) == "not ready: the enqueue-to-end time is used up"
    task.refresh_from_db()
    assert (task.state, task.failure_accepted) == (TaskState.FAILED, True)
    assert list(Event.objects.values_list("kind", flat=True)) == ["TASK_ENQUEUE_TO_END_TIMEOUT"]


# --- Fan-out -------------------------------------------------------------------------------------------------------


def test_letters_that_fail_keep_no_other_from_being_sent_and_are_named() -> None:
    process = finished(newsletters.send_newsletter, ["ann@acme.example", "nowhere", "bob@acme.example", "?"])
    assert ended(process) == {"sent": 2, "failed": {"nowhere": "'nowhere' is no address", "?": "'?' is no address"}}
    assert set(Letter.objects.values_list("address", flat=True)) == {"ann@acme.example", "bob@acme.example"}
    outcomes = Task.objects.filter(process=process, actor=str(newsletters.send.actor_name)).order_by("id")
    assert list(outcomes.values_list("state", "failure_accepted")) == [
        (TaskState.COMPLETED, False),
        (TaskState.FAILED, True),
        (TaskState.COMPLETED, False),
        (TaskState.FAILED, True),
    ]


def test_a_newsletter_to_nobody_is_sent_to_nobody() -> None:
    assert ended(finished(newsletters.send_newsletter, [])) == {"sent": 0, "failed": {}}


# --- Approval ------------------------------------------------------------------------------------------------------


@pytest.fixture
def invoice(rows: None) -> Invoice:
    return Invoice.objects.create(number="R-1")


def told(invoice: Invoice) -> tuple[str, int]:
    """What became of an invoice, and how often somebody was reminded."""
    invoice.refresh_from_db()
    return invoice.state, invoice.reminders


def test_an_approval_that_never_comes_is_an_accepted_failure_at_its_deadline(invoice: Invoice) -> None:
    process = finished(approvals.pay_invoice, "R-1")
    asked = task_of(process, approvals.approve)
    assert asked.deadline_at is not None
    assert asked.enqueued_at is not None
    assert asked.deadline_at - asked.enqueued_at == timedelta(days=7)
    assert (asked.state, told(invoice)) == (TaskState.ENQUEUED, (Invoice.State.OPEN, 0))
    let_delays_end()
    assert told(invoice) == (Invoice.State.OPEN, 1)
    let_the_deadline_pass(asked)
    assert ended(process) == Invoice.State.OVERDUE
    assert told(invoice) == (Invoice.State.OVERDUE, 1)
    asked.refresh_from_db()
    assert (asked.state, asked.failure_accepted) == (TaskState.FAILED, True)
    assert Failure.from_text(asked.failure or "").type == "timeout"


@pytest.mark.parametrize(("answer", "state"), [(True, Invoice.State.PAID), (False, Invoice.State.REFUSED)])
def test_an_answer_from_outside_pays_or_refuses_and_nobody_is_reminded(
    invoice: Invoice, answer: bool, state: Invoice.State
) -> None:
    process = finished(approvals.pay_invoice, "R-1")
    event = complete_task(task_of(process, approvals.approve), answer, by="ada")
    assert (event.kind, event.by) == ("external_task_completed", "ada")
    run_to_standstill()
    assert told(invoice) == (state, 0)
    process.refresh_from_db()
    assert process.state == ProcessState.RUNNING
    let_delays_end()
    assert ended(process) == state
    assert told(invoice) == (state, 0)


def test_somebody_who_cannot_answer_fails_the_question_and_that_is_accepted_too(invoice: Invoice) -> None:
    process = finished(approvals.pay_invoice, "R-1")
    let_delays_end()
    fail_task(task_of(process, approvals.approve), "the project was closed", by="ada")
    run_to_standstill()
    assert ended(process) == Invoice.State.OVERDUE
    assert told(invoice) == (Invoice.State.OVERDUE, 1)


def test_an_answer_after_the_deadline_is_refused_and_changes_nothing(invoice: Invoice) -> None:
    process = finished(approvals.pay_invoice, "R-1")
    asked = task_of(process, approvals.approve)
    let_delays_end()
    let_the_deadline_pass(asked)
    with pytest.raises(AlreadySettled):
        complete_task(asked, True, by="ada")
    assert told(invoice) == (Invoice.State.OVERDUE, 1)
    assert not Event.objects.filter(kind="external_task_completed").exists()


# --- All five on real workers --------------------------------------------------------------------------------------


def test_all_five_come_out_right_on_real_workers(rows: None, launch: Launch) -> None:
    launch("beat")
    launch(concurrency=2)
    names = []
    for name, found in findings():
        names.append(name)
        assert [each for each in found if not each.is_right] == []
    assert names == ["compensation", "loop", "polling", "fan-out", "approval"]
