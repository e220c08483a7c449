"""What the ledger of a soak expects of a process, by what was done to it: the rules of the domain, told once more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.proof.checker.calls import KINDS
from tests.storm.soak.ledger import DONE, Ledger

CURABLE, INCURABLE = 1, 3
COMPLETED, FAILED, PAUSED, ABORTED = {"COMPLETED"}, {"FAILED"}, {"PAUSED"}, {"ABORTED"}

Step = tuple[str, dict[str, Any]]
PAUSE: Step = ("pause", {})
RESUME: Step = ("resume", {})
ABORT: Step = ("abort", {})
COMPLETE: Step = ("complete_task", {})
FAIL: Step = ("fail_task", {})


def cured(*failed: str) -> Step:
    return "cured", {"failed": list(failed)}


def restart(*tasks: str) -> Step:
    return "restart_failed_tasks", {"restarted": list(tasks)}


def restart_whole(state_before: str) -> Step:
    return "restart_process", {"state_before": state_before, "restarted_as": "successor"}


def ledger_of(folder: Path, shape: str, number: int, *steps: Step) -> Ledger:
    """The ledger in which a process of this shape was started, and all this was done to it."""
    ledger = Ledger(folder / "ledger")
    ledger.write(what="started", process="process", shape=shape, number=number, custom_id="soak")
    for event, (name, detail) in enumerate(steps):
        if name == "cured":
            ledger.write(what="cured", process="process", **detail)
        else:
            told = {"process": "process", "task": "task", "value": "answer", "event": event, "detail": detail}
            ledger.write(what="act", kind=KINDS[name], answer=DONE, **told)
    return ledger


@pytest.mark.parametrize(
    ("shape", "number", "steps", "allowed"),
    [
        ("plain", 1, [], COMPLETED),
        ("plain", 1, [PAUSE], PAUSED | COMPLETED),
        ("plain", 1, [PAUSE, RESUME], COMPLETED),
        ("plain", 1, [PAUSE, ABORT], ABORTED),
        ("plain", 1, [restart_whole("COMPLETED")], COMPLETED),
        ("plain", 1, [PAUSE, restart_whole("PAUSED")], ABORTED),
        ("unaccepted", CURABLE, [], FAILED),
        ("unaccepted", CURABLE, [restart("task")], FAILED),
        ("unaccepted", CURABLE, [cured("task"), restart("task")], COMPLETED),
        ("unaccepted", INCURABLE, [restart("task")], FAILED),
        ("unaccepted", CURABLE, [PAUSE], PAUSED),
        ("unaccepted", CURABLE, [PAUSE, RESUME], FAILED),
        ("unaccepted", CURABLE, [PAUSE, cured("task"), restart("task")], PAUSED | COMPLETED),
        ("unaccepted_twice", CURABLE, [cured("one", "two"), restart("one")], FAILED),
        ("unaccepted_twice", CURABLE, [cured("one", "two"), restart("one"), restart("two")], COMPLETED),
        ("dependent", CURABLE, [], FAILED),
        ("asked", 1, [COMPLETE], COMPLETED),
        ("asked", 1, [PAUSE], PAUSED),
        ("asked", 1, [PAUSE, COMPLETE], PAUSED | COMPLETED),
        ("asked", 1, [FAIL], FAILED),
        ("asked", 1, [FAIL, restart("task"), COMPLETE], COMPLETED),
        ("asked_gently", 1, [FAIL], COMPLETED),
        ("forgotten", 1, [], {"TIMED_OUT"}),
        ("forgotten", 1, [PAUSE], PAUSED),
    ],
)
def test_a_process_may_be_only_where_its_shape_and_what_was_done_to_it_leave_it(
    tmp_path: Path, shape: str, number: int, steps: list[Step], allowed: set[str]
) -> None:
    assert ledger_of(tmp_path, shape, number, *steps).accounts["process"].allowed_states == allowed


def test_a_refused_act_changes_nothing_that_is_expected(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, "plain", 1)
    ledger.write(what="act", kind="paused", process="process", task=None, value=None, answer="not_running")
    assert ledger.accounts["process"].allowed_states == COMPLETED
    assert ledger.acts == {("paused", "not_running"): 1}


def test_the_successor_of_a_restarted_process_has_an_account_of_its_own(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, "unaccepted", CURABLE, cured("task"), restart_whole("FAILED"))
    assert ledger.accounts["process"].successor == "successor"
    assert ledger.accounts["successor"].allowed_states == FAILED
    assert ledger.accounts["successor"].custom_id == "soak"


def test_a_repeated_request_with_another_answer_is_remembered(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, "plain", 1)
    told: dict[str, Any] = {"process": "process", "task": None, "value": None, "detail": {}}
    ledger.write(what="act", kind="paused", answer=DONE, event=1, repeated=1, **told)
    assert ledger.doubled == []
    ledger.write(what="act", kind="resumed", answer=DONE, event=2, repeated=3, **told)
    assert [entry["repeated"] for entry in ledger.doubled] == [3]


def test_a_ledger_that_is_read_again_says_the_same(tmp_path: Path) -> None:
    written = ledger_of(tmp_path, "asked_gently", 4, PAUSE, FAIL, RESUME)
    read = Ledger(written.path).read()
    assert (read.accounts, read.acts) == (written.accounts, written.acts)
    assert read.accounts["process"].value == [4, "refused"]
    assert all(json.loads(line) for line in written.path.read_text().splitlines())
