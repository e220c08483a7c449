"""A bounded storm in the ordinary suite: three faults on one installation, judged by the checker."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.proof.marked import rewritten
from tests.proof.matrix.cells import Result
from tests.proof.matrix.faults import FAULTS, SERIES
from tests.proof.matrix.installation import Scale
from tests.proof.matrix.installing import installed
from tests.proof.matrix.judging import judged, rejected
from tests.proof.matrix.memory import MIB, Memory, slope
from tests.proof.matrix.moments import ALL, START, WORKER, Held, Moments
from tests.proof.matrix.observing import Recoveries
from tests.proof.matrix.report import report_of
from tests.proof.matrix.storm import Storm

SEED = "suite"
STRUCK = ("worker_child_killed", "commit_answers_lost", "messages_dropped")
STRIKES_EACH, SECONDS_EACH = 2, 90.0
LEASES = 8
"""Fewer than the matrix wants: the suite runs on busy machines."""
SCALE = Scale(clients=2, starts_per_second=2.0)


@pytest.fixture(scope="module")
def aftermath() -> Iterator[dict[str, Result]]:
    """The results of a storm of three faults; what is wrong in the end stands in the last one."""
    folder = Path(tempfile.mkdtemp(prefix="o-"))
    results = {name: Result(name, SEED, FAULTS[name].moments) for name in STRUCK}
    last = results[STRUCK[-1]]
    with installed(folder, SEED, frozenset({"postgres", "broker"}), SCALE) as site:
        recoveries = Recoveries()
        for name in STRUCK:
            storm = Storm(site, FAULTS[name], Random(f"{SEED} {name}"), results[name], recoveries, LEASES)
            storm.warm_up()
            storm.strike_times(STRIKES_EACH, SECONDS_EACH)
        last.wrong += site.calm_down()
        last.wrong += storm.settle()
        last.wrong += rejected(site)
        last.checked = judged(site, last.wrong) | site.injected()
    yield results
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(480)
def test_a_storm_of_three_faults_breaks_no_promise(aftermath: dict[str, Result]) -> None:
    assert [sentence for result in aftermath.values() for sentence in result.wrong] == []
    checked = aftermath[STRUCK[-1]].checked
    assert checked["strikes"] == sum(result.strikes for result in aftermath.values())
    assert checked["processes"] > 30
    assert checked["answers to commits lost"] > 0
    assert checked["messages lost, doubled or delayed"] > 0
    assert checked["attempts"] > checked["tasks"] > 200


def test_each_fault_struck_who_stood_still_while_enough_was_leased(aftermath: dict[str, Result]) -> None:
    for result in aftermath.values():
        hit = [cell for cell in result.cells.values() if cell.hits]
        assert result.strikes == STRIKES_EACH, str(result)
        assert hit
        assert all(cell.least_leases is not None and cell.least_leases >= LEASES for cell in hit)


def test_the_faults_are_those_of_the_issue_and_their_moments_those_of_whom_they_concern() -> None:
    assert len(FAULTS) == 32
    assert len(ALL) == 20
    for fault in FAULTS.values():
        assert fault.moments == {"worker": WORKER, "client": START, "": ALL}[fault.concerns], fault.name
    assert sorted(name for series in SERIES for name in series) == sorted(FAULTS)


def test_a_fault_strikes_one_program_only_where_it_says_so() -> None:
    held = [
        Held("claim.before_commit", 1, "worker-1"),
        Held("user_code", 2, "worker-2"),
        Held("release.after_commit", 3, "worker-2"),
        Held("start.before_commit", 4, "client-1"),
        Held("user_code", 5, ""),
    ]
    needed = ["user_code", "release.after_commit"]
    assert FAULTS["worker_killed"].victims(held, needed, Random(1)) == held[1:3]
    assert FAULTS["worker_child_killed"].victims(held, needed, Random(1)) == held[:3]
    assert FAULTS["client_killed"].victims(held, needed, Random(1)) == held[3:4]
    assert FAULTS["broker_flushed"].victims(held, needed, Random(1)) == held


def test_a_moment_is_armed_held_and_let_go(tmp_path: Path) -> None:
    moments = Moments(tmp_path)
    moments.arm(["user_code", "claim.before_commit"])
    for moment, pid in (("user_code", 7), ("claim.before_commit", 8)):
        (tmp_path / "moments" / "armed" / moment).rename(tmp_path / "moments" / "held" / f"{moment}.{pid}")
    assert sorted(moments.held()) == [("claim.before_commit", 8), ("user_code", 7)]
    moments.arm(["user_code"])
    moments.let_go(but=[8])
    assert moments.held() == [("claim.before_commit", 8)]
    assert list((tmp_path / "moments" / "armed").iterdir()) == []
    moments.release([Held("claim.before_commit", 8, "")])
    assert moments.held() == []


def test_a_result_says_what_it_lacks() -> None:
    result = Result("none", SEED, ["user_code", "claim.before_commit"])
    for leases in (30, 20, 25):
        result.hit(["user_code"], leases)
    result.recovered(["user_code"], 2.0)
    assert result.needed() == ["claim.before_commit"]
    assert result.missing() == [
        "too little: claim.before_commit was hit 0 times",
        "too little: only 0 processes were started",
    ]
    assert result.told()["cells"]["user_code"] == {
        "hits": 3,
        "least_leases": 20,
        "recovery_median": 2.0,
        "recovery_worst": 2.0,
    }


def test_the_tables_tell_of_each_fault() -> None:
    result = Result("worker_killed", SEED, ["user_code"])
    result.hit(["user_code"], 21)
    result.recovered(["user_code"], 2.5)
    result.slow.append("after 31 s worker.a: under a lease")
    text = report_of({"seed": SEED, "seconds": 60, "storms": [result.told()]})
    assert "| worker_killed | 0 | 0 | 1 | 1 | 1 | 21 | 0 | 2.5 s | 2.5 s |" in text
    assert text.endswith("- worker_killed: after 31 s worker.a: under a lease")


def test_a_part_of_a_document_stands_between_its_markers() -> None:
    text = rewritten("before\n<!-- some -->\nold\n<!-- end of some -->\nafter\n", "some", "new")
    assert text == "before\n<!-- some -->\n\nnew\n\n<!-- end of some -->\nafter\n"
    with pytest.raises(ValueError, match="the document has no lines"):
        rewritten(text, "other", "new")


def test_the_slope_of_memory_is_not_changed_by_a_few_jumps() -> None:
    flat = [(float(second), 100 * MIB) for second in range(100)]
    jumped = [(at, 150 * MIB if at in (20, 21, 60) else size) for at, size in flat]
    assert slope(jumped) == 0
    assert slope([(at, size + at * MIB) for at, size in flat]) == MIB


def test_memory_is_judged_after_the_warm_up_and_not_of_who_is_gone() -> None:
    memory = Memory()
    for at in range(20):
        memory.sample(float(at), "gone", 2**22 + 1)
        memory.sample(float(max(at, 6)), "too young", os.getpid())
        memory.sample(float(at), "me", os.getpid())
    [growth] = memory.growths(warm_up=5.0, least=10.0)
    assert growth.name.startswith("me ")
    assert growth.seconds == 14.0
    assert growth.first_mib > 1
