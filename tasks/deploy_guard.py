"""Looks, before a deploy, for what open processes call and the code at hand cannot serve."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings

from processes.models import Process
from processes.states import FINAL_STATES, ProcessState
from tasks.policies import ActorName
from tasks.registry import ACTORS
from tasks.statements import fetch

EXAMPLES = 3
OPEN_PROCESS_STATES = tuple(state for state in ProcessState if state not in FINAL_STATES)


@dataclass(slots=True)
class Misfit:
    """Calls of one actor that do not fit the code at hand for one reason: how many, in how many processes."""

    actor: str
    reason: str
    calls: int = 0
    processes: int = 0
    examples: list[UUID] = field(default_factory=list)

    def add(self, calls: int, process_ids: set[UUID]) -> None:
        """Count further calls, of processes that are not counted yet."""
        self.calls += calls
        self.processes += len(process_ids)
        self.examples += sorted(process_ids)[: EXAMPLES - len(self.examples)]


def misfits() -> list[Misfit]:
    """What open processes call and this code cannot serve, by actor and reason; most processes first.

    Processes that change state meanwhile may be counted twice or missed: new ones are started all the time anyway.
    """
    found: dict[tuple[str, str], Misfit] = {}
    for ids in _open_processes():
        calls: Counter[tuple[str, str]] = Counter()
        processes: defaultdict[tuple[str, str], set[UUID]] = defaultdict(set)
        for actor, kind, names, count, process_ids in fetch("open_calls", ids=ids):
            if (reason := misfit(actor, kind, names)) is not None:
                calls[actor, reason] += count
                processes[actor, reason].update(process_ids)
        for key, count in calls.items():
            found.setdefault(key, Misfit(*key)).add(count, processes[key])
    return sorted(found.values(), key=lambda each: (-each.processes, each.actor, each.reason))


def misfit(actor: str, kind: str, names: Iterable[str]) -> str | None:
    """Why this code cannot serve a call of `actor` (a full name) with arguments of these names; None if it can."""
    name = ActorName.parse(actor)
    code = ACTORS.find(name)
    if code is None:
        versions = [each.actor_name.version for each in ACTORS.all() if each.actor_name.name == name.name]
        return f"there is no version {name.version}, only {', '.join(versions)}" if versions else "no such actor"
    if code.kind != kind:
        return f"called as a {kind}, but it is a {code.kind}"
    return code.misfit(dict.fromkeys(names))


def _open_processes() -> Iterator[list[UUID]]:
    """The ids of all processes that are not final, in bounded batches."""
    for state in OPEN_PROCESS_STATES:
        of_state = Process.objects.filter(state=state).order_by("id").values_list("id", flat=True)
        last = UUID(int=0)
        while ids := list(of_state.filter(id__gt=last)[: settings.ORCHESTRATOR_SCAN_LIMIT]):
            yield ids
            last = ids[-1]
