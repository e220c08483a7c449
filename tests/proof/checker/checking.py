"""All checks, one after the other, and what they came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

from tests.proof.checker import (
    acts,
    audit,
    counters,
    decisions,
    effects,
    ends,
    hearing,
    lateness,
    leases,
    order,
    outcomes,
    overdue,
    standing,
    starts,
    timeouts,
    tries,
)
from tests.proof.checker.records import Json, Records, Violation
from tests.proof.checker.story import Story

Check = Callable[[Story], Iterator[Violation]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        module.__name__.rpartition(".")[2]: module.check
        for module in (
            starts,
            ends,
            outcomes,
            decisions,
            effects,
            order,
            standing,
            leases,
            tries,
            timeouts,
            lateness,
            hearing,
            overdue,
            counters,
            audit,
            acts,
        )
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """How much was looked at, so that an empty check cannot pass unseen, and what is wrong."""

    counts: Mapping[str, int]
    violations: tuple[Violation, ...]

    def to_record(self) -> Json:
        """As plain JSON."""
        return {"counts": dict(self.counts), "violations": [asdict(violation) for violation in self.violations]}


def judge(records: Records) -> Report:
    """Check everything."""
    story = Story(records)
    found = [replace(violation, check=name) for name, check in CHECKS.items() for violation in check(story)]
    return Report(_counts(story), tuple(found))


def _counts(story: Story) -> dict[str, int]:
    records = story.records
    attempts = [attempt for each in story.attempts.values() for attempt in each.values()]
    return {
        "processes": len(records.processes),
        "tasks": len(records.tasks),
        "attempts": len(attempts),
        "runs": sum(len(attempt.runs) for attempt in attempts),
        "lost leases": sum(len(attempt.expiries) for attempt in attempts),
        "calls": len(story.calls),
        "events": len(records.events),
        "effects": len(records.effects),
        "standstills": sum(len(each) for each in story.standstills.values()),
        "blocks": sum(len(each) for each in story.blocks.values()),
        "strikes": len(records.strikes),
        "lines": sum(len(lines) for lines in records.histories.values()),
    }
