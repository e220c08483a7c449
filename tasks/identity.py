"""Inserts processes so that one `custom_id` names one process, for ever.

Needs a transaction, READ COMMITTED or stricter. A start inserts first. Where the insert met a conflict the
existing process is looked for first and its tombstone after: a process that was just deleted has left one. Where
the insert met none, a tombstone is looked for in a later statement (one statement would see an old snapshot), and
the row is withdrawn if there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError

from processes.models import Process, Tombstone
from processes.states import ProcessState
from processes.values import canonical
from tasks.deleting import arguments_hash
from tasks.errors import StartConflict
from tasks.policies import ActorName
from tasks.requests import Code, NewProcess, Reason, Started
from tasks.statements import fetch, records

ROUNDS = 5
ENDED_EARLY = (ProcessState.ABORTED, ProcessState.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class Known:
    """The process (or what its tombstone tells of it) that a custom_id names already."""

    row: Process | Tombstone

    @property
    def id(self) -> UUID:
        """The id of the process."""
        return self.row.id if isinstance(self.row, Process) else self.row.process_id

    def has_arguments(self, text: str) -> bool:
        """Whether the process was started with these arguments (JSON text)."""
        if isinstance(self.row, Process):
            return canonical(text) == canonical(self.row.arguments)
        return arguments_hash(text) == self.row.arguments_hash

    def give_up(self, new: NewProcess) -> None:
        """Give the custom_id up to a new process, unless somebody else was quicker."""
        if isinstance(self.row, Process):
            Process.objects.filter(
                id=self.id, custom_id=new.custom_id, state__in=ENDED_EARLY, restarted_as__isnull=True
            ).update(custom_id=None, former_custom_id=new.custom_id, restarted_as=new.id)
        else:
            Tombstone.objects.filter(custom_id=self.row.custom_id, process_id=self.id).delete()


def place(new: Sequence[NewProcess], *, read_committed: bool) -> dict[UUID, Started]:
    """Insert each process, or find the one that its custom_id names; answers by the id of the new process.

    Raises StartConflict where the caller's snapshot cannot see the other process.
    """
    answers: dict[UUID, Started] = {}
    waiting = {each.id: each for each in new}
    for _ in range(ROUNDS):
        if not waiting:
            return answers
        inserted = {
            row[0]
            for row in fetch("insert_processes", processes=records([each.to_record() for each in waiting.values()]))
        }
        answers |= _look_for_tombstones([waiting[each] for each in inserted], read_committed)
        answers |= _look_for_existing([each for each in waiting.values() if each.id not in inserted])
        waiting = {each.id: each for each in waiting.values() if each.id not in answers}
    return answers | dict.fromkeys(waiting, busy())


def busy() -> Started:
    """The answer where somebody else holds the custom_id for too long."""
    return Started(code=Code.NOT_CREATED, reason=Reason.BUSY, message="another start with this custom_id is under way")


def _look_for_tombstones(inserted: Sequence[NewProcess], read_committed: bool) -> dict[UUID, Started]:
    answers = {each.id: _created(each) for each in inserted}
    named = {each.custom_id: each for each in inserted if each.custom_id is not None}
    buried = _buried(named)
    if not read_committed:
        _probe(named.keys() - buried.keys())
    withdrawn = []
    for new in [named[each] for each in named if each in buried]:
        known = buried[new.custom_id]
        answer = _answer(new, known)
        if answer is None:
            continue
        withdrawn.append(new.id)
        answers[new.id] = answer
    if withdrawn:
        Process.objects.filter(id__in=withdrawn).delete()
    return answers


def _look_for_existing(conflicting: Sequence[NewProcess]) -> dict[UUID, Started]:
    if not conflicting:
        return {}
    own = set(Process.objects.filter(id__in=[each.id for each in conflicting]).values_list("id", flat=True))
    answers = {each.id: _created(each) for each in conflicting if each.id in own}
    named = [each for each in conflicting if each.id not in own and each.custom_id is not None]
    ids = {each.custom_id for each in named}
    known = _existing(ids)
    known = _buried(ids - known.keys()) | known
    for each in named:
        if each.custom_id in known and (answer := _answer(each, known[each.custom_id])) is not None:
            answers[each.id] = answer
    return answers


def _existing(custom_ids: Iterable[str | None]) -> dict[str | None, Known]:
    return {row.custom_id: Known(row) for row in Process.objects.filter(custom_id__in=custom_ids)}


def _buried(custom_ids: Collection[str | None]) -> dict[str | None, Known]:
    if not custom_ids:
        return {}
    return {row.custom_id: Known(row) for row in Tombstone.objects.filter(custom_id__in=custom_ids)}


def _answer(new: NewProcess, known: Known) -> Started | None:
    """The answer that a known process means for a new one; None where the new one may take its place."""
    if known.id == new.id:
        return _created(new)
    differences = {}
    if ActorName.parse(known.row.actor).name != new.actor_name:
        differences["actor"] = (known.row.actor, new.actor)
    if not known.has_arguments(new.arguments):
        differences["arguments"] = ("other arguments", new.arguments[:1000])
    if differences:
        return Started(
            code=Code.NOT_CREATED,
            process_id=known.id,
            reason=Reason.DIFFERENT,
            message=f"custom_id {new.custom_id!r} belongs to process {known.id}: other {' and '.join(differences)}",
            differences=differences,
        )
    if new.start_again and known.row.state in ENDED_EARLY:
        known.give_up(new)
        return None
    if known.row.actor != new.actor:
        differences["version"] = (known.row.actor, new.actor)
    return Started(code=Code.EXISTS, process_id=known.id, differences=differences)


def _created(new: NewProcess) -> Started:
    return Started(code=Code.CREATED, process_id=new.id, warnings=new.warnings)


def _probe(custom_ids: Collection[str]) -> None:
    """Find tombstones that the snapshot of a stricter isolation cannot see: inserting one finds them all."""
    probes = [
        Tombstone(custom_id=each, process_id=UUID(int=0), actor="", arguments_hash="", state=ProcessState.ABORTED)
        for each in sorted(custom_ids)
    ]
    try:
        Tombstone.objects.bulk_create(probes)
    except IntegrityError as error:
        raise StartConflict from error
    Tombstone.objects.filter(custom_id__in=[each.custom_id for each in probes]).delete()
