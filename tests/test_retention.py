"""Retention follows its rules, in steps that may end anywhere, and keeps what it must keep."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from threading import Event as Signal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from orchestrator.local.django_programs import ROOT, in_project
from processes.errors import BeingDeleted
from processes.models import Event, Process, ProcessState, Tombstone
from recovery import retention
from recovery.models import RetentionRule
from recovery.retention import rehearse, retain, scan_retention
from recovery.scans import run_scan
from tasks import deleting
from tasks.actors import Code, abort, delete_process, restart_process, start_process
from tasks.deleting import arguments_hash, delete_in_steps
from tasks.models import Dependency, Task, TaskState
from tests.by_hand import elsewhere, finished, run_to_standstill, started, wait_until, waiting_backends
from tests.flows.actors import diamond, echo, fan, unaccepted
from tests.recovery_rows import NOW, TICK, columns, events, process, task

pytestmark = pytest.mark.usefixtures("rows")

MONTH = timedelta(days=30)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""Old enough on the clock of the database too."""
COMPLETED, FAILED, ABORTED = ProcessState.COMPLETED, ProcessState.FAILED, ProcessState.ABORTED
FINAL = (COMPLETED, ABORTED, ProcessState.TIMED_OUT)

TASKS = """
WITH task AS (
    INSERT INTO tasks_task (
        id, process_id, actor, kind, arguments, state, result, poll_to_end, heartbeat, created_at, ended_at
    )
    SELECT
        CASE WHEN n = 1 THEN %(process)s ELSE gen_random_uuid() END, %(process)s, 'big.part#1.0', 'worker', '{}',
        'COMPLETED', '1', '5 minutes', '30 seconds', now(), now()
    FROM generate_series(1, %(count)s) AS n
    RETURNING id, process_id
)
INSERT INTO tasks_dependency (process_id, waiter_id, awaited_id, delivers_value)
SELECT process_id, %(process)s, id, TRUE FROM task WHERE id <> %(process)s
"""


def rule(state: str, age: timedelta = MONTH, actor: str = "") -> RetentionRule:
    return RetentionRule.objects.create(actor=actor, state=state, age=age)


def ended(actor: str, ago: timedelta, state: str = COMPLETED, **fields: Any) -> Process:
    return process(state, actor=actor, ended_at=NOW - ago, **fields)


def retained() -> Counter[str]:
    """What following the rules does until nothing is due."""
    return sum(retain(NOW), Counter())


def left() -> set[UUID]:
    return set(Process.objects.values_list("id", flat=True))


def rows_of(process_id: UUID) -> tuple[int, int, int]:
    return (
        Dependency.objects.filter(process_id=process_id).count(),
        Task.objects.filter(process_id=process_id).count(),
        Event.objects.filter(process_id=process_id).count(),
    )


def with_tasks(count: int, **fields: Any) -> Process:
    """A process that ended long ago, of so many tasks: the root waits for all the others."""
    big = process(COMPLETED, **{"actor": "big#1.0", "ended_at": NOW - 2 * MONTH} | fields)
    with connection.cursor() as cursor:
        cursor.execute(TASKS, {"process": big.id, "count": count})
    return big


def small_steps(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """From now on a transaction deletes so many rows at most."""
    monkeypatch.setattr(deleting, "FIRST_ROWS", rows)
    monkeypatch.setattr(deleting, "ROWS", rows)


def test_a_process_goes_at_the_very_age_of_its_rule_and_not_before() -> None:
    rule(COMPLETED)
    nearly = ended("a#1.0", MONTH - TICK)
    ended("a#1.0", MONTH)
    assert retained() == Counter(deleted=1)
    assert left() == {nearly.id}


def test_a_rule_for_an_actor_takes_the_place_of_the_rule_for_all_in_every_version_and_list() -> None:
    rule(COMPLETED)
    rule(COMPLETED, 3 * MONTH, "a.slow")
    rule(ABORTED, MONTH, "a.slow")
    kept = {
        ended(actor, 2 * MONTH, custom_id=actor).id
        for actor in ("a.slow#1.0", "a.slow#1.1", "a.slow#2.0@eu", "a.slow#2.0")
    }
    kept |= {ended("a.quick#1.0", 2 * MONTH, ABORTED).id, ended("a.slow#1.0", timedelta(days=29), ABORTED).id}
    ended("a.slow#2.0@eu", 3 * MONTH)
    ended("a.quick#1.0", MONTH)
    ended("a.slower#1.0", MONTH)
    ended("a.slow#1.0", MONTH, ABORTED)
    assert retained() == Counter(deleted=4)
    assert left() == kept


def test_without_a_rule_nothing_is_deleted_however_old() -> None:
    kept = {ended("a#1.0", 100 * MONTH, state).id for state in FINAL}
    assert retained() == Counter()
    rule(COMPLETED, actor="b")
    assert retained() == Counter()
    assert left() == kept


def test_what_has_not_ended_is_kept_by_every_rule_about_ends() -> None:
    for state in FINAL:
        rule(state)
    old = {"created_at": NOW - 100 * MONTH}
    kept = [
        process(ProcessState.REGISTERING, **old),
        process(ProcessState.RUNNING, **old),
        process(ProcessState.PAUSED, stood_still_at=NOW - 99 * MONTH, **old),
        process(FAILED, stood_still_at=NOW - 99 * MONTH, **old),
    ]
    before = [columns(each) for each in kept]
    assert retained() == Counter()
    assert [columns(each) for each in kept] == before


def test_a_failed_process_is_aborted_after_the_age_of_its_standstill_and_recorded_but_not_deleted() -> None:
    about = rule(FAILED)
    old = started(unaccepted, "no", custom_id="old")
    young = started(unaccepted, "no")
    run_to_standstill()
    Process.objects.filter(id=old.id).update(stood_still_at=NOW - MONTH)
    Process.objects.filter(id=young.id).update(stood_still_at=NOW - MONTH + TICK)
    before, tasks = columns(young), Task.objects.filter(process=old).count()
    assert retained() == Counter(aborted=1)
    assert columns(young) == before
    old.refresh_from_db()
    assert (old.state, old.custom_id, old.open_tasks) == (ABORTED, "old", 0)
    assert Task.objects.filter(process=old).count() == tasks
    told = Event.objects.get(process_id=old.id, kind="aborted")
    assert (told.by, told.detail["reason"], told.detail["state_before"]) == ("retention", str(about), "FAILED")


def test_one_that_was_restarted_between_the_search_and_the_abort_runs_on() -> None:
    rule(FAILED)
    first, second = (process(FAILED, stood_still_at=NOW - months * MONTH) for months in (3, 2))
    steps = retain(NOW)
    assert next(steps) == Counter(aborted=1)
    Process.objects.filter(id=second.id).update(state=ProcessState.RUNNING, stood_still_at=None)
    assert sum(steps, Counter()) == Counter()
    states = dict(Process.objects.values_list("id", "state"))
    assert states == {first.id: ABORTED, second.id: ProcessState.RUNNING}


def test_a_rehearsal_counts_what_the_run_does_then_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule(COMPLETED), rule(COMPLETED, MONTH, "a"), rule(FAILED), rule(ABORTED, 100 * MONTH)]
    rows = [ended("a#1.0", MONTH), ended("a#2.0", MONTH), ended("a#1.0", MONTH - TICK), ended("b#1.0", MONTH)]
    rows += [process(FAILED, stood_still_at=NOW - MONTH), ended("b#1.0", MONTH, ABORTED)]
    before = [columns(each) for each in rows]
    counts = {each.rule: each.count for each in rehearse(NOW)}
    assert counts == dict(zip(rules, (1, 2, 1, 0), strict=True))
    assert [columns(each) for each in rows] == before
    assert events() == []
    monkeypatch.setattr(retention, "COUNTED", 1)
    assert {each.count for each in rehearse(NOW)} == {1, 0}
    assert retained() == Counter(deleted=3, aborted=1)


def test_everything_of_a_process_goes_and_its_identity_stays() -> None:
    rule(COMPLETED)
    gone, nameless, young = (
        finished(diamond, 1, custom_id="gone"),
        finished(diamond, 1),
        finished(diamond, 1, custom_id="young"),
    )
    Process.objects.exclude(id=young.id).update(ended_at=NOW - MONTH)
    Process.objects.filter(id=young.id).update(ended_at=NOW - MONTH + TICK)
    Event.objects.create(process_id=gone.id, kind="refused")
    kept = rows_of(young.id)
    assert retained() == Counter(deleted=2)
    assert left() == {young.id}
    assert [rows_of(each.id) for each in (gone, nameless, young)] == [(0, 0, 0), (0, 0, 0), kept]
    [stone] = Tombstone.objects.all()
    assert (stone.custom_id, stone.process_id, stone.actor, stone.state, stone.arguments_hash) == (
        "gone",
        gone.id,
        gone.actor,
        COMPLETED,
        arguments_hash(gone.arguments),
    )


def test_a_big_process_goes_in_transactions_of_bounded_size_and_is_marked_from_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_steps(monkeypatch, 50)
    big = with_tasks(300)
    Event.objects.bulk_create(Event(process_id=big.id, kind="refused") for _ in range(120))
    sizes = [sum(rows_of(big.id))]
    for gone in delete_in_steps([big.id]):
        sizes.append(sum(rows_of(big.id)))
        assert Process.objects.filter(id=big.id, deletion_began_at__isnull=False).exists() is not bool(gone)
    assert sizes[0] == 299 + 300 + 120
    assert max(before - after for before, after in pairwise(sizes)) == 50
    assert (sizes[-1], left()) == (0, set())


def test_whatever_statement_a_run_dies_at_the_next_one_goes_on_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(Exception):
        pass

    small_steps(monkeypatch, 3)
    rule(COMPLETED)
    statements, died = 0, 0
    while True:
        doomed = with_tasks(4, custom_id=f"id-{statements}")
        Event.objects.create(process_id=doomed.id, kind="refused")
        whole = rows_of(doomed.id)
        statements += 1
        countdown = statements

        def die_in_time(execute: Callable[..., Any], *args: Any) -> Any:
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                raise Killed
            return execute(*args)

        try:
            with connection.execute_wrapper(die_in_time):
                retained()
        except Killed:
            died += 1
        else:
            break
        is_there = Process.objects.filter(id=doomed.id).first()
        assert (is_there is None) == Tombstone.objects.filter(process_id=doomed.id).exists()
        assert is_there is None or rows_of(doomed.id) == whole or is_there.deletion_began_at is not None
        assert retained() == Counter(deleted=1 if is_there else 0)
        assert (rows_of(doomed.id), left()) == ((0, 0, 0), set())
        assert Tombstone.objects.filter(process_id=doomed.id, custom_id=doomed.custom_id).exists()
    assert died > 20


def test_a_run_that_is_killed_for_real_leaves_a_marked_process_and_the_next_deletes_the_rest(
    environ: dict[str, str],
) -> None:
    rule(COMPLETED)
    big = with_tasks(8_000, custom_id="big", ended_at=LONG_AGO)
    run = subprocess.Popen([sys.executable, str(ROOT / "manage.py"), "retain"], env=in_project(environ))
    try:
        wait_until(lambda: Process.objects.filter(deletion_began_at__isnull=False).exists())
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert 0 < Task.objects.count() <= 8_000
    assert Dependency.objects.count() < 7_999
    assert not Tombstone.objects.exists()
    with pytest.raises(BeingDeleted):
        restart_process(big)
    said = StringIO()
    wait_until(lambda: call_command("retain", stdout=said) or not left())
    assert "deleted 1 processes, aborted 0" in said.getvalue()
    assert rows_of(big.id) == (0, 0, 0)
    assert list(Tombstone.objects.values_list("custom_id", "process_id")) == [("big", big.id)]


def test_a_step_leaves_a_process_alone_that_has_not_ended() -> None:
    kept = [process(state) for state in (ProcessState.REGISTERING, ProcessState.RUNNING, ProcessState.PAUSED, FAILED)]
    before = [columns(each) for each in kept]
    assert list(delete_in_steps([each.id for each in kept])) == [0]
    assert [columns(each) for each in kept] == before


def test_deleting_one_that_is_being_deleted_finishes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    small_steps(monkeypatch, 4)
    old = finished(fan, 3, custom_id="old")
    next(delete_in_steps([old.id]))
    assert sum(rows_of(old.id)) > 0
    delete_process(old)
    assert (rows_of(old.id), left()) == ((0, 0, 0), set())
    assert Tombstone.objects.get().process_id == old.id


def test_what_somebody_else_holds_is_neither_waited_for_nor_forgotten() -> None:
    rule(COMPLETED)
    held, free = ended("a#1.0", 3 * MONTH), ended("a#1.0", 2 * MONTH)
    with elsewhere() as submit, transaction.atomic():
        Process.objects.select_for_update(no_key=True).get(id=held.id)
        assert submit(retained).result(10) == Counter(deleted=1)
    assert left() == {held.id}
    assert free.id not in left()
    assert retained() == Counter(deleted=1)
    assert left() == set()


def test_a_custom_id_that_moved_while_its_process_was_being_deleted_has_no_tombstone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_steps(monkeypatch, 1)
    rule(ABORTED)
    old = _aborted("moving")
    steps = retain(NOW)
    next(steps)
    assert start_process(echo, 1, custom_id="moving").process_id == old.id
    answer = start_process(echo, 1, custom_id="moving", if_ended="start_again")
    assert (answer.code, answer.process_id != old.id) == (Code.CREATED, True)
    assert sum(steps, Counter()) == Counter(deleted=1)
    assert (left(), Tombstone.objects.count()) == ({answer.process_id}, 0)
    assert start_process(echo, 1, custom_id="moving").process_id == answer.process_id


def test_a_move_that_has_not_committed_is_left_alone_and_ends_without_a_tombstone() -> None:
    rule(ABORTED)
    old = _aborted("moving")
    moved, may_commit = Signal(), Signal()

    def move() -> UUID | None:
        with transaction.atomic():
            answer = start_process(echo, 1, custom_id="moving", if_ended="start_again")
            moved.set()
            may_commit.wait(30)
            return answer.process_id

    with elsewhere() as submit:
        moving = submit(move)
        moved.wait(30)
        assert retained() == Counter()
        may_commit.set()
        new = moving.result()
    assert retained() == Counter(deleted=1)
    assert (left(), Tombstone.objects.count()) == ({new}, 0)
    assert old.id != new


@pytest.mark.parametrize("again", [True, False], ids=["starts again", "starts"])
def test_a_start_that_meets_the_last_step_keeps_one_owner_of_the_custom_id(again: bool) -> None:
    old = _aborted("moving")
    deleted, may_commit = Signal(), Signal()

    def delete() -> None:
        with transaction.atomic():
            delete_process(old)
            deleted.set()
            may_commit.wait(30)

    with elsewhere(2) as submit:
        submit(delete)
        deleted.wait(30)
        starting = submit(start_process, echo, 1, custom_id="moving", if_ended="start_again" if again else "return")
        wait_until(lambda: waiting_backends("%processes_process%") == 1)
        may_commit.set()
        answer = starting.result()
    if again:
        assert (answer.code, left(), Tombstone.objects.count()) == (Code.CREATED, {answer.process_id}, 0)
    else:
        assert (answer.code, answer.process_id, left()) == (Code.EXISTS, old.id, set())
        assert Tombstone.objects.get().process_id == old.id


def _aborted(custom_id: str) -> Process:
    old = started(echo, 1, custom_id=custom_id)
    abort(old)
    task(old, TaskState.CANCELLED)
    Process.objects.filter(id=old.id).update(ended_at=NOW - MONTH)
    return old


def test_a_process_that_a_table_of_the_user_s_needs_stays_whole_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rule(COMPLETED)
    needed, other = finished(diamond, 1, custom_id="needed"), finished(diamond, 1)
    Process.objects.update(ended_at=LONG_AGO)
    whole = rows_of(needed.id)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE needing (process_id uuid REFERENCES processes_process)")
    try:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO needing VALUES (%s)", [needed.id])
        with caplog.at_level(logging.ERROR):
            assert sum(retain(), Counter()) == Counter(deleted=1)
        assert left() == {needed.id}
        assert (rows_of(needed.id)[:2], Tombstone.objects.count()) == (whole[:2], 0)
        assert [kind for kind, *_ in events(needed.id)] == ["deletion_refused"]
        assert [vars(line)["process_id"] for line in caplog.records] == [str(needed.id)]
        assert sum(retain(), Counter()) == Counter()
        assert len(caplog.records) == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE needing")
    Process.objects.update(deletion_began_at=LONG_AGO)
    assert retained() == Counter(deleted=1)
    assert other.id not in left()


def test_the_most_overdue_goes_first_and_a_scan_gives_way_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SECONDS", 0)
    rule(COMPLETED, 3 * MONTH)
    rule(COMPLETED, MONTH, "b")
    first, second = ended("b#1.0", 3 * MONTH), ended("a#1.0", 4 * MONTH)
    assert scan_retention(NOW) == 1
    assert left() == {second.id}
    assert scan_retention(NOW) == 1
    assert (left(), first.id in left()) == (set(), False)


def test_the_scan_follows_the_rules_on_the_clock_of_the_database() -> None:
    rule(COMPLETED)
    old, young = ended("a#1.0", timedelta(0)), ended("a#1.0", timedelta(0))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE processes_process SET ended_at = now() - CASE WHEN id = %s THEN interval '30 days 1 second' "
            "ELSE interval '29 days 23 hours 59 minutes' END",
            [old.id],
        )
    assert run_scan("retention") == 1
    assert left() == {young.id}


def test_the_command_rehearses_and_says_what_it_did() -> None:
    said = StringIO()
    call_command("retain", "--rehearse", stdout=said)
    assert said.getvalue() == "there is no retention rule: nothing is ever deleted\n"
    rule(COMPLETED, MONTH, "a")
    rule(FAILED)
    ended("a#1.0", 500 * MONTH)
    said = StringIO()
    call_command("retain", "--rehearse", stdout=said)
    assert said.getvalue().splitlines() == [
        "COMPLETED of a: deleted after 30 days, 0:00:00: 1 now",
        "FAILED of every other actor: aborted after 30 days, 0:00:00: 0 now",
    ]
    assert len(left()) == 1
    said = StringIO()
    call_command("retain", stdout=said)
    assert said.getvalue() == "deleted 1 processes, aborted 0\n"


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("retention_one_rule_per_actor_and_state", {"actor": "a", "state": COMPLETED, "age": MONTH}),
        ("retention_state_is_known", {"actor": "b", "state": ProcessState.RUNNING, "age": MONTH}),
        ("retention_age_is_positive", {"actor": "b", "state": COMPLETED, "age": timedelta(0)}),
        ("retention_actor_has_no_version", {"actor": "b#1.0", "state": COMPLETED, "age": MONTH}),
        ("retention_actor_has_no_version", {"actor": "b@eu", "state": COMPLETED, "age": MONTH}),
    ],
)
def test_a_rule_that_means_nothing_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    rule(COMPLETED, actor="a")
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        RetentionRule.objects.create(**fields)
    assert RetentionRule.objects.count() == 1


def test_people_edit_rules_in_the_admin_and_are_told_what_is_wrong(client: Client) -> None:
    user, _ = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})
    client.force_login(user)
    address = "/admin/recovery/retentionrule/add/"
    wrong = client.post(address, {"actor": "shop.buy#1.0", "state": "COMPLETED", "age": "30 00:00:00"})
    assert "give its name only" in wrong.content.decode()
    assert not RetentionRule.objects.exists()
    assert client.post(address, {"actor": "", "state": "COMPLETED", "age": "30 00:00:00"}).status_code == 302
    assert list(RetentionRule.objects.values_list("actor", "state", "age")) == [("", COMPLETED, MONTH)]
