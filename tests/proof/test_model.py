"""The model keeps the promises in all its worlds; and the search finds out where a guard of it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.proof.model import acts, guards, settings, shapes, steps
from tests.proof.model.exploring import explore
from tests.proof.model.memory import forget_all
from tests.proof.model.searches import QUICK
from tests.proof.model.settings import Setting, may
from tests.proof.model.world import HELD, WAITING, Client, Process

TINY = 20_000


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """No answer of one test serves another, whose guards may be others."""
    forget_all()
    yield
    forget_all()


@pytest.mark.parametrize("setting", QUICK, ids=lambda setting: setting.title)
def test_no_world_that_can_be_reached_breaks_a_promise_and_each_can_come_to_a_good_end(setting: Setting) -> None:
    found = explore(setting)
    assert not found.broken, found.told()
    assert found.is_complete


ONE_WORKER = Setting("one worker", (shapes.CHAIN,), may=may(settings.PAUSE, settings.BLOCK))
LOST = Setting(
    "lost leases", (shapes.CHAIN,), workers=2, limit=2, may=may(settings.LEASE_ENDS, settings.ANSWER_IS_LOST)
)
TOGETHER = Setting("lost together", (shapes.SINGLE, shapes.SINGLE), workers=2, limit=2, may=may(settings.LEASE_ENDS))
SPLIT = Setting(
    "scans in two steps",
    (shapes.SINGLE,),
    workers=2,
    may=may(settings.LEASE_ENDS, settings.IN_TWO_STEPS),
    scans=1,
    outcomes=(steps.SUCCESS, steps.BACK, steps.SNOOZE),
)
REGISTERED_TWICE = Setting("registered twice", (shapes.CHAIN,), may=may(settings.REGISTRATIONS), scans=2)
STARTED_TWICE = Setting(
    "started twice",
    (shapes.SINGLE,),
    names=("a",),
    clients=(Client(shapes.SINGLE, "a"),),
    may=may(settings.ABORT, settings.DELETE),
)
BROKEN: dict[str, tuple[str, Callable[..., object], Setting, str]] = {
    "a release without its fence": (
        "holds_the_lease",
        lambda task, holder: True,
        LOST,
        "a task went from",
    ),
    "a claim that takes what is held": (
        "is_ready",
        lambda task: task.state in ("ENQUEUED", HELD),
        ONE_WORKER,
        "a task went from HELD to POLLED",
    ),
    "a claim that looks at no block": (
        "is_blocked",
        lambda blocked, actor: False,
        ONE_WORKER,
        "claimed in a standstill or a block",
    ),
    "a process that hands out in its standstill": (
        "hands_out",
        lambda state: True,
        ONE_WORKER,
        "a task is handed out in a standstill",
    ),
    "a registration that does not ask": (
        "is_unregistered",
        lambda process: True,
        REGISTERED_TWICE,
        "open_tasks does not count the open tasks",
    ),
    "a scan that does not look again": (
        "is_still_late",
        lambda task: True,
        SPLIT,
        "a scan did something to a task before its time was up",
    ),
    "a mate that pays": (
        "pays_for_its_loss",
        lambda task: True,
        TOGETHER,
        "a try was counted for what is none",
    ),
    "a resume that ignores what failed": (
        "keeps_standing",
        lambda process: False,
        ONE_WORKER,
        "a process runs on after a failure that nobody accepts",
    ),
    "a start that looks for no tombstone": (
        "bars",
        lambda tombstone: False,
        STARTED_TWICE,
        "two processes of one custom id",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_search_finds_what_a_missing_guard_lets_happen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    guard, instead, setting, broken = BROKEN[name]
    assert not explore(setting, TINY).broken
    forget_all()
    monkeypatch.setattr(guards, guard, instead)
    found = explore(setting, TINY)
    assert found.broken.startswith(broken)
    assert 0 < len(found.way) < 15, "breadth first finds a shortest way"


def test_the_search_finds_worlds_that_come_to_no_end_where_no_scan_rings_again() -> None:
    setting = Setting("lost bells", (shapes.CHAIN,), outcomes=(steps.SUCCESS,), may=may(settings.BELLS))
    assert not explore(setting, TINY).broken
    without = Setting("no scan", (shapes.CHAIN,), outcomes=(steps.SUCCESS,), may=may(settings.BELLS, settings.NO_SCAN))
    found = explore(without, TINY)
    assert found.broken == "no good end can be reached from here"
    assert len(found.way) == 1


def test_a_failure_that_somebody_else_waits_for_is_not_accepted_on_its_way_up() -> None:
    overheard, climbing = (
        _failed_below(shape, calls=calls) for shape, calls in ((shapes.OVERHEARD, 3), (shapes.CLIMBING, 2))
    )
    assert overheard.state == "FAILED"
    assert overheard.task(3).state == WAITING
    assert [climbing.task(index).accepted for index in (1, 2)] == [True, True]
    assert acts.restart_task(climbing, 2)[1] == "failure_accepted"
    assert acts.restart_task(overheard, 2)[1] == acts.DONE


def _failed_below(shape: shapes.Flow, calls: int) -> Process:
    """Both deciders have decided, and the worker below them has failed for good."""
    process = steps.register(Process.new(shape, None))
    for index, outcome in ((0, steps.SUCCESS), (1, steps.SUCCESS), (2, steps.GIVEN_UP)):
        process = steps.claim(process, (index,), 0, False)
        process, answers = steps.release(process, ((index, 0, outcome),))
        assert answers == (steps.ACCEPTED,)
    assert len(process.called()) > calls
    return process
