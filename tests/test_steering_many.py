"""Steering all processes of a query: in batches, each with a record of its own, and with a rehearsal."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import transaction

from processes.errors import InvalidOrder, RequestIdTaken
from processes.models import Event, Process, ProcessState
from tasks.aborting import ABORT
from tasks.actors import StartRequest, abort, pause, restart_task, resume, start_processes
from tasks.acts import Order
from tasks.pausing import PAUSE, RESUME
from tasks.restarting import RESTART, RESTART_FAILED_TASKS
from tasks.steering import BATCH, steer_many
from tests.by_hand import elsewhere, finished, registered, started, task_of, wait_until, waiting_backends
from tests.every_row import disagreements, every_row, refused
from tests.flows.actors import echo, fail, unaccepted
from tests.messages import take_messages

pytestmark = pytest.mark.usefixtures("rows")
ORDER = Order(by="ann", reason="all of them")


def states() -> dict[UUID, str]:
    return dict(Process.objects.values_list("id", "state"))


def test_all_that_may_be_steered_are_and_the_others_are_counted_by_why_not() -> None:
    running = [registered(echo, number) for number in range(3)]
    ended = [registered(echo, number) for number in range(7)]
    for process in ended:
        abort(process)
    unregistered = started(echo, 1)
    Event.objects.all().delete()
    steered = steer_many(PAUSE, Process.objects.all(), ORDER)
    assert (steered.done, steered.refused) == (3, {"not_running": 8})
    assert steered.examples == {"not_running": [each.id for each in ended[:5]]}
    assert str(steered) == "3 done, 8 refused (8 not_running)"
    assert states() == (
        dict.fromkeys((each.id for each in running), "PAUSED")
        | dict.fromkeys((each.id for each in ended), "ABORTED")
        | {unregistered.id: "REGISTERING"}
    )
    told = Event.objects.order_by("process_id").values_list("kind", "process_id", "by", "detail")
    assert list(told) == [
        ("paused", each.id, "ann", {"reason": "all of them", "state_before": "RUNNING"}) for each in running
    ]
    assert disagreements() == {}


def test_only_processes_of_the_query_are_steered_and_the_bell_rings_once_for_an_actor() -> None:
    ours, others = ([registered(echo, 1, attributes={"tenant": name}) for _ in range(3)] for name in ("a", "b"))
    for process in ours + others:
        pause(process)
    take_messages("actors")
    steered = steer_many(RESUME, Process.objects.filter(attributes__tenant="a"), ORDER)
    assert (steered.done, steered.refused) == (3, {})
    assert {states()[each.id] for each in ours} == {"RUNNING"}
    assert {states()[each.id] for each in others} == {"PAUSED"}
    assert take_messages("actors") == [("tasks.drain", [str(echo.actor_name)])]


@pytest.mark.parametrize("steering", [ABORT, PAUSE, RESUME, RESTART, RESTART_FAILED_TASKS], ids=lambda each: each.kind)
def test_a_rehearsal_changes_nothing_and_says_what_would_become_of_each(steering: object) -> None:
    assert isinstance(steering, type(PAUSE))
    finished(unaccepted, "no")
    registered(echo, 1)
    pause(registered(echo, 2))
    abort(registered(echo, 3))
    started(echo, 4)
    before = every_row()
    rehearsed = steer_many(steering, Process.objects.all(), ORDER, rehearse=True)
    assert every_row() == before
    done = steer_many(steering, Process.objects.filter(id__in=[each["id"] for each in before["Process"]]), ORDER)
    assert (rehearsed.done, rehearsed.refused, rehearsed.examples) == (done.done, done.refused, done.examples)
    assert done.done > 0
    assert disagreements() == {}


def test_a_rehearsal_waits_for_nobody() -> None:
    process = registered(echo, 1)
    with elsewhere() as submit, transaction.atomic():
        pause(process)
        rehearsed = submit(steer_many, PAUSE, Process.objects.all(), ORDER, rehearse=True).result(10)
    assert rehearsed.done == 1


def many(count: int) -> list[UUID]:
    answers = start_processes([StartRequest(actor=echo, args=(number,)) for number in range(count)])
    return sorted(each.process_id for each in answers if each.process_id is not None)


def test_more_than_a_batch_is_steered_batch_by_batch_and_what_is_done_stays_done() -> None:
    ids = many(2 * BATCH + 5)
    abort(ids[0])
    taken = ids[BATCH + 50]
    other = registered(echo, 1)
    pause(other, request_id=f"r-1:{taken}")
    Process.objects.filter(id__in=ids, state="RUNNING").update(state="REGISTERING")
    order = Order(request_id="r-1")
    with pytest.raises(RequestIdTaken):
        steer_many(ABORT, Process.objects.filter(id__in=ids), order)
    assert Process.objects.filter(state=ProcessState.ABORTED).count() == BATCH
    Event.objects.filter(request_id=f"r-1:{taken}").delete()
    steered = steer_many(ABORT, Process.objects.filter(id__in=ids), order)
    assert (steered.done, steered.refused) == (2 * BATCH + 4, {"already_ended": 1})
    assert set(Process.objects.filter(id__in=ids).values_list("state", flat=True)) == {ProcessState.ABORTED}
    assert Event.objects.filter(kind="aborted").values("process_id").distinct().count() == 2 * BATCH + 5
    assert Event.objects.filter(kind="aborted").count() == 2 * BATCH + 5


def test_many_repeated_under_their_request_id_are_told_the_same_and_nothing_changes() -> None:
    processes = [registered(echo, number) for number in range(3)]
    order = Order(by="ann", request_id="r-1")
    assert steer_many(PAUSE, Process.objects.all(), order).done == 3
    resume(processes[0])
    before = every_row()
    assert steer_many(PAUSE, Process.objects.all(), order, rehearse=True).done == 3
    steered = steer_many(PAUSE, Process.objects.all(), order)
    assert (steered.done, steered.refused) == (3, {})
    assert every_row() == before
    assert set(Event.objects.filter(kind="paused").values_list("request_id", flat=True)) == {
        f"r-1:{each.id}" for each in processes
    }


def test_many_inside_a_transaction_are_rolled_back_with_it() -> None:
    processes = [registered(echo, number) for number in range(3)]
    before = every_row()
    with transaction.atomic():
        assert steer_many(ABORT, Process.objects.all(), ORDER).done == len(processes)
        transaction.set_rollback(True)
    assert every_row() == before


def test_a_request_id_that_is_too_long_with_a_process_id_is_refused() -> None:
    registered(echo, 1)
    with refused(InvalidOrder):
        steer_many(ABORT, Process.objects.all(), Order(request_id="r" * 219))
    assert steer_many(ABORT, Process.objects.all(), Order(request_id="r" * 218)).done == 1


def test_a_process_that_the_query_no_longer_names_when_its_lock_is_had_is_left_alone() -> None:
    process = finished(unaccepted, "no")
    with elsewhere() as submit:
        with transaction.atomic():
            restart_task(task_of(process, fail))
            aborting = submit(steer_many, ABORT, Process.objects.filter(state=ProcessState.FAILED), ORDER)
            wait_until(waiting_backends)
        assert (aborting.result(30).done, aborting.result(30).refused) == (0, {})
    process.refresh_from_db()
    assert process.state == ProcessState.RUNNING
