"""The real system, driven by the places and holders of the model: a method a transaction, as its users would do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from processes.errors import Refused
from processes.models import Event, Process
from tasks import actors as acting
from tasks.claiming import Claimer, read_values
from tasks.execution import execute
from tasks.expiring import HEARTBEAT, end_leases, enqueue_due, spend_budgets, time_out
from tasks.outcomes import Lease, Outcome, handed_back
from tasks.policies import ActorName
from tasks.promises import Settled
from tasks.queries import note_poll, unpolled_actors
from tasks.registration import register
from tasks.registry import ACTORS
from tasks.releasing import Released, release
from tasks.statements import fetch, records
from tests.by_hand import current, elsewhere, wait_until, waiting_backends
from tests.proof.model import steps
from tests.proof.model.shapes import Flow
from tests.proof.model.world import Ref
from tests.proof.stateful.actors import ORDERS, bound
from tests.proof.stateful.comparing import Attempts, Seen, seen

TABLES = (
    "tasks_dependency",
    "tasks_task",
    "tasks_actorstatus",
    "processes_event",
    "processes_tombstone",
    "processes_process",
)
LATE = timedelta(hours=10)
"""After this long every lease is over, every delay is past, and every budget is spent."""
BOUND = timedelta(hours=1)


@dataclass
class Engine:
    """What the machine knows of the real rows: which process stands where, and who holds which lease."""

    places: list[UUID] = field(default_factory=list)
    leases: dict[tuple[Ref, int], Lease] = field(default_factory=dict)
    attempts: Attempts = field(default_factory=lambda: Attempts({}))
    tasks: dict[Ref, UUID] = field(default_factory=dict)

    @staticmethod
    def empty() -> Engine:
        """The engine with no rows at all."""
        with connection.cursor() as cursor:
            # Nothing crashes here, so no commit needs to wait for the disk.
            cursor.execute("SET synchronous_commit TO off")
            cursor.execute(";".join(f"DELETE FROM {table}" for table in TABLES))
        ORDERS.clear()
        return Engine()

    def look(self) -> Seen:
        """Read all rows; remembers which task stands where."""
        found = seen(self.places)
        self.tasks |= found.tasks
        return found

    def start(self, flow: Flow, name: str | None, *, again: bool) -> tuple[int, int | None]:
        """Start a process; the code, and the place that the answer names."""
        answer = acting.start_process(
            bound(flow.facts[0]),
            flow.title,
            0,
            [],
            [],
            custom_id=name,
            if_ended="start_again" if again else "return",
            start_to_end=BOUND if flow.bounded else None,
        )
        if answer.process_id is not None and answer.process_id not in self.places:
            self.places.append(answer.process_id)
        if answer.code is acting.Code.CREATED and answer.process_id is not None and not flow.registrable:
            Process.objects.filter(id=answer.process_id).update(options="{}")
        return int(answer.code), None if answer.process_id is None else self.places.index(answer.process_id)

    def start_beside_deletion(self, place: int, flow: Flow, name: str) -> tuple[int, int | None]:
        """Start under the custom id of a process whose deletion has not committed yet; the answer to the start."""
        with elsewhere() as submit, transaction.atomic():
            acting.delete_process(self.places[place])
            started = submit(self.start, flow, name, again=False)
            wait_until(lambda: started.done() or waiting_backends("%processes_process%") > 0)
        answer: tuple[int, int | None] = started.result()
        return answer

    def register(self, places: Sequence[int]) -> None:
        """Register processes, whatever state they are in."""
        register([self.places[place] for place in places])

    def claim(self, actor: str, limit: int, holder: int) -> list[Ref]:
        """Claim tasks of an actor; which ones it got."""
        leases = Claimer(actor, f"worker {holder}").claim(limit)
        if not {lease.task_id for lease in leases} <= set(self.tasks.values()):
            self.look()
        refs = {task_id: ref for ref, task_id in self.tasks.items()}
        for lease in leases:
            self.leases[refs[lease.task_id], holder] = lease
            self.attempts.numbers[refs[lease.task_id], holder] = lease.attempt
        return [refs[lease.task_id] for lease in leases]

    def outcomes(self, deliveries: Iterable[tuple[Ref, int, str]]) -> list[Outcome]:
        """Let the code of the actors end attempts as wanted; nothing is written."""
        wanted = [(self.leases[ref, holder], outcome) for ref, holder, outcome in deliveries]
        values = read_values([lease for lease, outcome in wanted if outcome != steps.BACK])
        return [self._outcome(lease, outcome, values) for lease, outcome in wanted]

    def release(self, outcomes: Sequence[Outcome]) -> tuple[list[str], Released]:
        """Release; the answer to each, in their order."""
        released = release(outcomes)
        return [str(released.answers[each.lease.task_id]) for each in outcomes], released

    def heartbeat(self, ref: Ref, holder: int, *, mates: bool) -> bool:
        """A worker, alone in its claim or with mates, sends a heartbeat; whether it was told that it holds a lease."""
        lease = self.leases[ref, holder]
        held = records([{"id": lease.task_id, "attempt": lease.attempt, "details": None}])
        return bool(fetch("heartbeat", held=held, batch_size=2 if mates else 1))

    def end_leases(self, refs: Sequence[Ref], *, late: bool) -> int:
        """Take leases back that are over; how many were."""
        return end_leases(self._candidates(refs), HEARTBEAT, self._time(late))

    def enqueue_due(self, refs: Sequence[Ref], *, late: bool) -> int:
        """Hand out what is due; how much was."""
        return enqueue_due(self._candidates(refs), self._time(late))

    def spend_budgets(self, refs: Sequence[Ref], *, late: bool) -> int:
        """Fail tasks whose time is used up; how many were."""
        return spend_budgets(self._candidates(refs), self._time(late))

    def time_out(self, places: Sequence[int], *, late: bool) -> int:
        """End processes whose time is used up; how many were."""
        return time_out([self.places[place] for place in places], self._time(late))

    def unheard(self, polled: str | None, *, late: bool) -> set[str]:
        """The actors that a scan would ring for, after somebody has polled for one of them."""
        if polled is not None:
            note_poll(polled)
        return set(unpolled_actors(LATE / 2, self._time(late)))

    def on_process(self, act: Callable[[UUID], Event | None], place: int) -> str:
        """An act of somebody on a process; "done", or the code of the refusal. Notes a successor."""
        told: list[Event | None] = []
        answer = self.answered(lambda: told.append(act(self.places[place])))
        for event in told:
            if event is not None and "restarted_as" in event.detail:
                self.places.append(UUID(event.detail["restarted_as"]))
        return answer

    def on_task(self, act: Callable[[UUID], Event], ref: Ref) -> str:
        """An act of somebody on a task; "done", or the code of the refusal."""
        return self.answered(lambda: act(self.tasks[ref]))

    def answered(self, act: Callable[[], object]) -> str:
        """What an act is answered: "done", or the code of the refusal."""
        try:
            act()
        except Refused as refusal:
            return refusal.code
        return "done"

    def _outcome(self, lease: Lease, outcome: str, values: Mapping[UUID, Settled]) -> Outcome:
        if outcome == steps.BACK:
            return handed_back(lease)
        ORDERS[lease.task_id] = outcome
        actor = ACTORS.get(ActorName.parse(lease.actor))
        return execute(lease, actor, values, current(lease))

    def _candidates(self, refs: Sequence[Ref]) -> list[tuple[UUID, UUID]]:
        return [(self.tasks[ref], self.places[ref[0]]) for ref in refs]

    def _time(self, late: bool) -> datetime | None:
        return timezone.now() + LATE if late else None
