"""Code that runs on a real worker learns at its next heartbeat that its outcome is no longer wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from processes.models import Event, Process, ProcessState
from tasks.actors import abort, pause, restart_process
from tasks.models import Task
from tasks.states import TaskState
from tests.by_hand import started, wait_until
from tests.conftest import Launch
from tests.flows.actors import listen

pytestmark = pytest.mark.usefixtures("rows")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("end", [abort, restart_process])
def test_code_asks_whether_it_is_cancelled_after_an_abort_or_a_restart_and_not_in_a_pause(
    launch: Launch, folder: Path, end: Callable[[Process], Event]
) -> None:
    launch(concurrency=1)
    path = folder / "told"
    process = started(listen, str(path))
    wait_until(lambda: len(lines(path)) == 1)
    pause(process)
    leased = Task.objects.get(id=process.id)
    wait_until(lambda: Task.objects.filter(id=leased.id, lease_ends_at__gt=leased.lease_ends_at))
    assert len(lines(path)) == 1
    end(process)
    wait_until(lambda: len(lines(path)) == 2)
    listening, cancelled = (line.split() for line in lines(path))
    assert (listening[0], cancelled[0], listening[2] == cancelled[2]) == ("listening", "cancelled", True)
    wait_until(lambda: Event.objects.filter(process_id=process.id, kind="release_refused"))
    task = Task.objects.get(id=process.id)
    assert (task.state, task.attempt, task.failure) == (TaskState.CANCELLED, 1, None)
    for successor in Process.objects.exclude(state=ProcessState.ABORTED):
        abort(successor)
