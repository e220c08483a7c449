"""Starts: what each was answered is true of the processes that exist, and no process exists that nobody started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tests.proof.checker.calls import Call
from tests.proof.checker.records import Json, ProcessRow, Seconds, Violation
from tests.proof.checker.story import Story

CREATED, EXISTS, NOT_CREATED = 0, 1, 2
DIFFERENT = "different"
INVALID = ("invalid", "too_large")


@dataclass(frozen=True, slots=True)
class Start:
    """One start with its answer; `code` is None where nobody knows."""

    custom_id: str
    seed: Json
    variant: Json
    profile: Json
    invalid: Json
    at: Seconds
    code: int | None
    process: str | None
    reason: str | None

    @property
    def wanted(self) -> tuple[Json, ...]:
        """What names the flow that was asked for."""
        return self.seed, self.custom_id, self.variant, self.profile

    def __str__(self) -> str:
        answer = "no known answer" if self.code is None else f"code {self.code} {self.reason or ''}"
        return f"the start of {self.custom_id!r} (variant {self.variant}) at {self.at:.6f} with {answer}".rstrip()


def starts_of(calls: Sequence[Call]) -> list[Start]:
    """All starts, each of a batch for itself."""
    starts = []
    for call in calls:
        if call.act == "start":
            starts.append(_start(call, call.arguments, call.answer))
        elif call.act == "start_many":
            asked = call.arguments["starts"]
            answers = call.answer.get("answers") if isinstance(call.answer, dict) else None
            given = answers if answers is not None else [None] * len(asked)
            starts += [_start(call, each, answer) for each, answer in zip(asked, given, strict=True)]
    return starts


def check(story: Story) -> Iterator[Violation]:
    """Starts and processes agree."""
    rows: defaultdict[str | None, list[ProcessRow]] = defaultdict(list)
    for process in story.records.processes:
        rows[process.custom_id or process.former_custom_id].append(process)
    buried = {each.custom_id: each.process_id for each in story.records.tombstones}
    starts: defaultdict[str, list[Start]] = defaultdict(list)
    for start in starts_of(story.calls):
        starts[start.custom_id].append(start)
    for custom_id, asked in starts.items():
        chain = {row.id for row in rows.get(custom_id, ())} | ({buried[custom_id]} if custom_id in buried else set())
        for start in asked:
            yield from _answered(start, asked, chain)
        yield from _once(custom_id, asked, rows.get(custom_id, ()), story)
        yield from _flows(asked, rows.get(custom_id, ()), story)
    for process in story.records.processes:
        yield from _origin(process, process.custom_id or process.former_custom_id, starts.keys(), story)


def _start(call: Call, asked: Json, answer: Json) -> Start:
    known = answer if isinstance(answer, dict) and "code" in answer else {}
    return Start(
        custom_id=asked["custom_id"],
        seed=asked.get("seed"),
        variant=asked.get("variant"),
        profile=asked.get("profile"),
        invalid=asked.get("invalid"),
        at=call.at,
        code=known.get("code"),
        process=known.get("process"),
        reason=known.get("reason"),
    )


def _answered(start: Start, asked: Sequence[Start], chain: set[str]) -> Iterator[Violation]:
    if start.code in (CREATED, EXISTS):
        if start.invalid:
            yield Violation(f"{start} is invalid ({start.invalid}), but was accepted", start.process)
        if start.process not in chain:
            yield Violation(f"{start} names a process which is none of {sorted(chain)}", start.process)
        if start.code == EXISTS and not any(each.code in (CREATED, None) and each.at <= start.at for each in asked):
            yield Violation(f"{start} says that it exists, but no start before it can have created it", start.process)
    elif start.code == NOT_CREATED:
        if start.process is not None and start.process not in chain:
            yield Violation(f"{start} names a process which is none of {sorted(chain)}", start.process)
        if (start.reason in INVALID) != bool(start.invalid):
            yield Violation(f"{start} asked for something that was {start.invalid or 'not'} invalid", start.process)


def _once(custom_id: str, asked: Sequence[Start], rows: Sequence[ProcessRow], story: Story) -> Iterator[Violation]:
    created = [start for start in asked if start.code == CREATED]
    if len(created) > 1:
        told = "; ".join(f"{start}: {start.process}" for start in created)
        yield Violation(f"{len(created)} starts were answered that they created it: {told}", created[1].process)
    first = [row for row in rows if row.id not in story.predecessors]
    buried = sum(each.custom_id == custom_id for each in story.records.tombstones)
    found = len(first) + buried
    positive = [start for start in asked if start.code in (CREATED, EXISTS)]
    least, most = bool(positive), bool(positive) or any(start.code is None for start in asked)
    if not least <= found <= most:
        answers = ", ".join("unknown" if start.code is None else str(start.code) for start in asked)
        ids = ", ".join(row.id for row in first)
        told = f"{custom_id!r} was started {len(asked)} times with the answers {answers}"
        yield Violation(f"{told}, but {found} processes were created for it: {ids}", first[0].id if first else None)


def _flows(asked: Sequence[Start], rows: Sequence[ProcessRow], story: Story) -> Iterator[Violation]:
    """Same arguments, same process; other arguments, code 2."""
    if not rows:
        return
    flow = story.flow(rows[0])
    for start in asked:
        wanted = story.records.asked.get(start.wanted)
        if wanted is None or start.invalid:
            continue
        if start.code in (CREATED, EXISTS) and wanted != flow:
            yield Violation(f"{start} asked for another flow than the process has", start.process)
        if start.reason == DIFFERENT and wanted == flow:
            yield Violation(f"{start} asked for the very flow that the process has", start.process)


def _origin(
    process: ProcessRow, custom_id: str | None, started: Collection[str | None], story: Story
) -> Iterator[Violation]:
    predecessors = story.predecessors.get(process.id, ())
    if len(predecessors) > 1:
        yield Violation(f"it is the restart of {[each.id for each in predecessors]}", process.id)
    for predecessor in predecessors:
        if predecessor.arguments != process.arguments:
            yield Violation(f"it restarts {predecessor.id} with other arguments", process.id)
    if process.restarted_as is not None and process.restarted_as not in story.processes:
        yield Violation(f"it was restarted as {process.restarted_as}, which does not exist", process.id)
    if not predecessors and custom_id not in started:
        yield Violation(f"nobody started it: it is called {custom_id!r}", process.id)
