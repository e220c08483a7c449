"""A process in which everything that can happen to one is about to happen, and all who can do something to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from processes.errors import Refused
from processes.failures import Failure
from processes.models import Process, ProcessState, new_id
from recovery.scans import run_scan
from tasks.actors import abort, complete_task, fail_task, pause, restart_process, restart_task, resume
from tasks.claiming import Claimer
from tasks.decisions import Call, Decision
from tasks.models import Dependency, Kind, Task, TaskState
from tasks.outcomes import Outcome, completed, decided, failed
from tasks.policies import CallOptions
from tasks.registration import register_all_waiting
from tasks.releasing import release
from tests.recovery_rows import ACTOR, process, task
from tests.test_transition_square import lease_of

OPTIONS = CallOptions(poll_to_end=timedelta(minutes=5), heartbeat=timedelta(seconds=30))
LETTERS = {
    "WAITING": "w", "DELAYED": "d", "ENQUEUED": "e", "HELD": "h", "POLLED": "p", "FAILED": "F", "COMPLETED": "C",
    "CANCELLED": "x",
}  # fmt: skip


class Scene:
    """A process whose time is up, with tasks to which everything may happen.

    One is ready (its time is up too), one is leased (the lease is over), one is due, one is a question to somebody
    outside. FAILED: there was a fifth one, and it failed. Last stands the root, which waits for all of them.
    """

    def __init__(self, state: str) -> None:
        now = timezone.now() - timedelta(seconds=1)
        if state == ProcessState.REGISTERING:
            self.process = process(state, options=OPTIONS.to_json(), created_at=now - timedelta(hours=1))
            self.tasks: list[Task] = []
            return
        self.process = process(deadline_at=now)
        rows = [
            task(self.process, TaskState.ENQUEUED, id=new_id(), deadline_at=now),
            task(self.process, TaskState.POLLED, id=new_id(), kind="decider", lease_ends_at=now),
            task(self.process, TaskState.DELAYED, id=new_id(), due_at=now),
            task(self.process, TaskState.ENQUEUED, id=new_id(), kind="external", actor="t.question#1.0"),
        ]
        if state == ProcessState.FAILED:
            rows.append(task(self.process, TaskState.POLLED, id=new_id(), actor="t.failing#1.0"))
        root = task(self.process, TaskState.WAITING, kind="decider", pending=len(rows), actor="t.root#1.0")
        Dependency.objects.bulk_create(
            Dependency(process_id=self.process.id, waiter=root, awaited=each) for each in rows
        )
        self.tasks = [*rows, root]
        if state == ProcessState.PAUSED:
            pause(self.process)
        if state == ProcessState.FAILED:
            release([failed(lease_of(rows[4]), Failure("E", "no"))])

    def told(self) -> str:
        """How everything stands now: the process, and a letter for each task."""
        states = dict(Task.objects.filter(process=self.process).values_list("id", "state"))
        known = "".join(LETTERS[states.pop(each.id)] for each in self.tasks)
        more = "".join(sorted(LETTERS[state] for state in states.values()))
        [state] = Process.objects.filter(id=self.process.id).values_list("state", flat=True)
        return f"{state} {known}{'+' + more if more else ''}"

    def released(self, make: Callable[[Task], Outcome]) -> str:
        """The answer to a release of the leased task."""
        [answer] = release([make(self.tasks[1])]).answers.values()
        return str(answer)


def done(act: Callable[[], object]) -> str:
    """The answer to an act."""
    try:
        act()
    except Refused as refusal:
        return refusal.code
    return "done"


def a_decision(task: Task) -> Outcome:
    """A decider calls one actor, and its value is known."""
    call = Call(id=new_id(), actor=ACTOR, kind=Kind.WORKER, arguments="{}", awaits=(), options=OPTIONS)
    return decided(lease_of(task), Decision((call,), "1", None))


def claimed(actor: str = ACTOR) -> str:
    """How many tasks a claim gets."""
    return str(len(Claimer(actor, "w:2").claim(10)))


PARTIES: dict[str, Callable[[Scene], str]] = {
    "abort": lambda scene: done(lambda: abort(scene.process.id)),
    "pause": lambda scene: done(lambda: pause(scene.process.id)),
    "resume": lambda scene: done(lambda: resume(scene.process.id)),
    "restart task": lambda scene: done(lambda: restart_task(scene.tasks[4].id)),
    "restart process": lambda scene: done(lambda: restart_process(scene.process.id)),
    "complete": lambda scene: done(lambda: complete_task(scene.tasks[3].id, 5)),
    "fail": lambda scene: done(lambda: fail_task(scene.tasks[3].id, "no")),
    "value": lambda scene: scene.released(lambda task: completed(lease_of(task), "1")),
    "failure": lambda scene: scene.released(lambda task: failed(lease_of(task), Failure("E", "no"))),
    "decision": lambda scene: scene.released(a_decision),
    "claim": lambda scene: claimed(),
    "due": lambda scene: str(run_scan("due")),
    "heartbeat": lambda scene: str(run_scan("task_heartbeat")),
    "enqueue to end": lambda scene: str(run_scan("task_enqueue_to_end")),
    "start to end": lambda scene: str(run_scan("process_start_to_end")),
    "register": lambda scene: str(register_all_waiting()),
}
SCANS = ("claim", "due", "heartbeat", "enqueue to end", "start to end", "register")
"""Those who leave out what somebody else holds; they come again."""


@contextmanager
def uncommitted() -> Iterator[None]:
    """A transaction around whatever it is, also around one that commits for itself: it commits at the end only."""
    around = transaction.atomic()
    # As Django's own test case does it: a durable transaction may begin inside.
    around._from_testcase = True  # type: ignore[attr-defined]
    with around:
        yield
