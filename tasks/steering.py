"""Steers processes and tasks: one at a time, or processes that a query names, in batches and with a rehearsal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from django.db.models import QuerySet

from processes.errors import NoSuchProcess, Refused
from processes.history import record
from processes.models import Event, Process
from tasks import bell
from tasks.acts import Act, Order, perform
from tasks.errors import NoSuchTask
from tasks.models import Task
from tasks.queries import task_in_process
from tasks.transactions import repeated_or_within
from tasks.transitions import Changes, lock_processes

Subject = TypeVar("Subject", bound=UUID | str)
BATCH = 100
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Steering:
    """One way to steer a process. `kind` names its events.

    `check` raises Refused where the process does not allow it; `apply` does it, under the lock of the process, and
    returns what it changed (plain JSON).
    """

    kind: str
    check: Callable[[Process], None]
    apply: Callable[[Process, Changes], Mapping[str, object]]


@dataclass(slots=True)
class Steered:
    """What became of many: how many were (in a rehearsal: would be) steered, how many are refused, and why.

    `refused` counts by the code of the refusal; `sentences` says what each code means, `examples` names some processes
    (tasks, actors) for it.
    """

    done: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    sentences: dict[str, str] = field(default_factory=dict)
    examples: dict[str, list[UUID | str]] = field(default_factory=dict)

    def refuse(self, subject: UUID | str, refusal: Refused) -> None:
        """Count a refusal."""
        self.refused[refusal.code] += 1
        self.sentences[refusal.code] = type(refusal).__doc__ or ""
        examples = self.examples.setdefault(refusal.code, [])
        if len(examples) < EXAMPLES:
            examples.append(subject)

    def merge(self, other: Steered) -> None:
        """Add what became of another batch."""
        self.done += other.done
        self.refused += other.refused
        self.sentences |= other.sentences
        for code, examples in other.examples.items():
            self.examples[code] = (self.examples.get(code, []) + examples)[:EXAMPLES]

    def __str__(self) -> str:
        refused = ", ".join(f"{count} {code}" for code, count in sorted(self.refused.items()))
        return f"{self.done} done, {self.refused.total()} refused" + (f" ({refused})" if refused else "")


def steer(steering: Steering, process: Process | UUID, order: Order) -> Event:
    """Steer one process and return the audit record. Inside a caller's transaction it commits with it.

    Raises NoSuchProcess, RequestIdTaken, and what the steering refuses; all leave everything as it is.
    """
    process_id = process.id if isinstance(process, Process) else process

    def do() -> Mapping[str, object]:
        if process_id not in lock_processes([process_id]):
            raise NoSuchProcess(process_id)
        changes = Changes()
        changed = _steer(steering, Process.objects.get(id=process_id), changes)
        bell.ring(changes.fed)
        return changed

    return perform(Act(kind=steering.kind, order=order, process_id=process_id), do)


def steer_task(
    kind: str, task: Task | UUID, order: Order, do: Callable[[Process, Task, Changes], Mapping[str, object]]
) -> Event:
    """Do something to one task, under the lock of its process, and return the audit record (of this `kind`).

    `do` returns what it changed. Raises NoSuchTask, RequestIdTaken, and what `do` raises.
    """
    task_id = task.id if isinstance(task, Task) else task
    found = Task.objects.filter(id=task_id).only("id", "process_id").first()
    if found is None:
        raise NoSuchTask(task_id)

    def act() -> Mapping[str, object]:
        lock_processes([found.process_id])
        current = task_in_process(task_id)
        changes = Changes()
        changed = do(current.process, current, changes)
        bell.ring(changes.fed)
        return changed

    return perform(Act(kind=kind, order=order, process_id=found.process_id, task_id=task_id), act)


def steer_many(steering: Steering, processes: QuerySet[Process], order: Order, *, rehearse: bool = False) -> Steered:
    """Steer all processes of a query, each with an audit record of its own; a refusal holds nobody up.

    One that the query no longer names when its lock is had is left alone.
    Works in batches of 100 in the order of their ids, each a transaction (a savepoint inside a caller's): what is
    done stays done where a later batch raises what the database raises. With `rehearse` nothing is locked or changed.
    """
    total = Steered()
    for ids in _in_batches(processes):
        named = processes.filter(id__in=ids)
        total.merge(_rehearse(steering, named, order) if rehearse else _steer_batch(steering, ids, named, order))
    return total


def steer_each(subjects: Iterable[Subject], act: Callable[[Subject], object]) -> Steered:
    """Act on each subject for itself (or only check it); what raises Refused is counted and holds nobody up."""
    steered = Steered()
    for subject in subjects:
        try:
            act(subject)
        except Refused as refusal:
            steered.refuse(subject, refusal)
        else:
            steered.done += 1
    return steered


def _in_batches(processes: QuerySet[Process]) -> Iterator[list[UUID]]:
    ids = processes.order_by("id").values_list("id", flat=True)
    last = UUID(int=0)
    while batch := list(ids.filter(id__gt=last)[:BATCH]):
        yield batch
        last = batch[-1]


def _rehearse(steering: Steering, named: QuerySet[Process], order: Order) -> Steered:
    found = {process.id: process for process in named.order_by("id")}

    def check(process_id: UUID) -> None:
        if _act(steering, found[process_id], order).answered() is None:
            steering.check(found[process_id])

    return steer_each(found, check)


def _steer_batch(steering: Steering, ids: Sequence[UUID], named: QuerySet[Process], order: Order) -> Steered:
    def transact() -> Steered:
        steered = Steered()
        events: list[Event] = []
        changes = Changes()
        lock_processes(ids)
        # Asked again under the locks: what the query named a moment ago may have been steered elsewhere meanwhile.
        for process in named.order_by("id"):
            act = _act(steering, process, order)
            try:
                if act.answered() is None:
                    events.append(act.to_event(_steer(steering, process, changes)))
                steered.done += 1
            except Refused as refusal:
                steered.refuse(process.id, refusal)
        record(events)
        bell.ring(changes.fed)
        return steered

    return repeated_or_within(transact)


def _act(steering: Steering, process: Process, order: Order) -> Act:
    return Act(kind=steering.kind, order=order.within(process.id), process_id=process.id)


def _steer(steering: Steering, process: Process, changes: Changes) -> Mapping[str, object]:
    steering.check(process)
    return {"state_before": process.state} | dict(steering.apply(process, changes))
