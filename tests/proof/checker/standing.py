"""Standing still: a claim that began when a standstill or a block had committed took nothing before its end."""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.checker.attempts import Claim
from tests.proof.checker.records import Violation
from tests.proof.checker.story import Story
from tests.proof.checker.windows import Window


def check(story: Story) -> Iterator[Violation]:
    """Nothing was handed out meanwhile.

    A claim that a killed process did not live to write down is not seen; nor is the time between a commit and the
    first thing that shows that it is over (see `windows`).
    """
    for claim in story.claims:
        for window in story.blocks_of(claim.actor):
            if _is_within(claim, window):
                name = window.event.detail["actor"]
                task, process, _ = claim.leases[0]
                yield Violation(f"{_told(claim)}, but {name} was blocked: {_span(window)}", process, task)
        for task, process, attempt in claim.leases:
            for window in story.standstills.get(process, ()):
                if _is_within(claim, window):
                    told = f"{_told(claim)} in attempt {attempt}"
                    yield Violation(f"{told}, but the process stood still: {_span(window)}", process, task)


def _is_within(claim: Claim, window: Window) -> bool:
    return window.known < claim.began and claim.at < window.until


def _told(claim: Claim) -> str:
    return f"{claim.actor} was claimed by {claim.file} from {claim.began:.6f} to {claim.at:.6f}"


def _span(window: Window) -> str:
    event = window.event
    began = f"event {event.id} ({event.kind}, {event.at:.6f}) had committed at {window.known:.6f}"
    return f"{began}, and it ended at {window.until:.6f} or later"
