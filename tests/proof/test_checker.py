"""The checker finds nothing in a true run, and in each falsified one what was falsified."""

from __future__ import annotations

import pytest

from tests.proof.checker.checking import CHECKS, judge
from tests.proof.falsified_calls import CALLS
from tests.proof.falsified_histories import HISTORIES
from tests.proof.falsified_rows import ROWS, Falsify
from tests.proof.true_run import true_run

FALSIFIED = (*ROWS, *HISTORIES, *CALLS)


def test_a_true_run_breaks_no_promise() -> None:
    report = judge(true_run().work.records())
    assert [str(violation) for violation in report.violations] == []
    assert report.counts["processes"] == 7
    assert all(count for what, count in report.counts.items() if what != "strikes")


@pytest.mark.parametrize(
    ("check", "words", "falsify"), FALSIFIED, ids=[f"{check}: {words}" for check, words, _ in FALSIFIED]
)
def test_what_is_falsified_is_found(check: str, words: str, falsify: Falsify) -> None:
    run = true_run()
    falsify(run)
    sentences = [violation.sentence for violation in judge(run.work.records()).violations if violation.check == check]
    assert any(words in sentence for sentence in sentences), sentences


def test_every_check_was_seen_to_fail() -> None:
    assert {check for check, _, _ in FALSIFIED} == CHECKS.keys()
