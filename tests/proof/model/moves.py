"""What may happen to one process at any time, whoever else is about: the clock, registration, and people."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.proof.model import acts, settings, steps
from tests.proof.model.acts import DONE, Told
from tests.proof.model.memory import remembered
from tests.proof.model.settings import Setting
from tests.proof.model.shapes import EXTERNAL
from tests.proof.model.world import (
    DELAYED,
    ENQUEUED,
    FAILED,
    HELD,
    PAUSED,
    POLLED,
    REGISTERING,
    RUNNING,
    Process,
)

Move = tuple[str, Process, bool]
"""What happens, the process afterwards, and whether it helps: whether it is on the way to a good end."""


@remembered
def moves_of_process(process: Process, setting: Setting) -> tuple[Move, ...]:
    """All that may happen to a process without a worker, a client or a scan that has begun before."""
    if process.is_final:
        return ()
    return (*_by_clock(process, setting), *_by_people(process, setting))


def is_hopeless(process: Process) -> bool:
    """Whether a process stands still for what no restart of a task can mend: somebody must end it."""
    if process.state != FAILED:
        return False
    failed = [index for index, task in process.called() if task.has_failed]
    return not failed or any(acts.restart_task(process, index)[1] != DONE for index in failed)


def _by_clock(process: Process, setting: Setting) -> Iterator[Move]:
    is_split = settings.IN_TWO_STEPS in setting.may
    if process.state == REGISTERING:
        if settings.REGISTRATIONS not in setting.may:
            yield "registered", steps.register(process), True
        return
    for index, task in process.called():
        if task.state in (POLLED, DELAYED) and not task.late:
            is_lease = task.state == POLLED
            if is_lease and settings.LEASE_ENDS not in setting.may:
                continue
            late = steps.grow_late(process, index)
            if is_split:
                yield f"the time of task {index} is up", late, True
            elif is_lease:
                yield f"the lease of task {index} ends", steps.end_leases(late, (index,)), True
            else:
                yield f"task {index} is due", steps.enqueue_due(late, (index,)), True
        if settings.SPENT in setting.may and steps.has_running_budget(process, index):
            yield f"the budget of task {index} is spent", steps.spend_budgets(process, (index,)), False
    if settings.TIME_IS_UP in setting.may and process.state == RUNNING and process.flow.bounded:
        yield "timed out", steps.time_out(process), False


def _by_people(process: Process, setting: Setting) -> Iterator[Move]:
    if settings.PAUSE in setting.may and process.state == RUNNING:
        yield "paused", acts.pause(process)[0], False
    if process.state == PAUSED:
        yield "resumed", acts.resume(process)[0], True
    if settings.ABORT in setting.may or is_hopeless(process):
        yield "aborted", acts.abort(process)[0], is_hopeless(process)
    for index, task in process.called():
        if task.has_failed and settings.RESTART_TASK in setting.may:
            yield from _done(f"task {index} restarted", acts.restart_task, process, index)
        if process.flow.facts[index].kind == EXTERNAL and task.state in (ENQUEUED, HELD):
            yield from _done(f"task {index} completed from outside", acts.complete_task, process, index)
            yield from _done(f"task {index} failed from outside", acts.fail_task, process, index)
    if process.state == FAILED:
        yield from _done("failed tasks restarted", acts.restart_failed, process)


def _done(label: str, act: Callable[..., Told], process: Process, *place: int) -> Iterator[Move]:
    after, told = act(process, *place)
    if told == DONE:
        yield label, after, True
