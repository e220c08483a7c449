"""Deleting a process removes its rows and keeps its identity."""

from __future__ import annotations

from uuid import uuid4

import pytest

from processes.errors import NoSuchProcess, NotEnded
from processes.models import Event, Process, ProcessState, Tombstone
from processes.values import encode
from tasks.actors import abort, delete_process
from tasks.deleting import arguments_hash
from tasks.models import Dependency, Task
from tests.by_hand import finished, registered, run_to_standstill, started
from tests.flows.actors import diamond, echo, unaccepted

pytestmark = pytest.mark.usefixtures("rows")


def test_a_final_process_goes_with_all_its_rows_and_leaves_a_tombstone() -> None:
    kept = finished(diamond, 1, custom_id="kept")
    process = finished(diamond, 2, custom_id="gone")
    rows_of_kept = (Task.objects.filter(process=kept).count(), Dependency.objects.filter(process_id=kept.id).count())
    delete_process(process)
    assert list(Process.objects.all()) == [kept]
    assert (Task.objects.count(), Dependency.objects.count()) == rows_of_kept
    [stone] = Tombstone.objects.all()
    assert (stone.custom_id, stone.process_id, stone.actor, stone.state) == (
        "gone",
        process.id,
        "flows.diamond#1.0",
        ProcessState.COMPLETED,
    )
    assert stone.arguments_hash == arguments_hash(encode({"value": 2}))


def test_a_process_without_custom_id_leaves_nothing() -> None:
    process = started(echo, 1)
    abort(process)
    delete_process(process.id)
    assert not Process.objects.exists()
    assert not Tombstone.objects.exists()
    assert not Event.objects.exists()


def test_a_process_that_is_not_final_is_refused_and_stays() -> None:
    failed = started(unaccepted, "no")
    run_to_standstill()
    for process in (started(echo, 1), registered(echo, 1), failed):
        tasks = Task.objects.filter(process=process).count()
        with pytest.raises(NotEnded):
            delete_process(process)
        assert Task.objects.filter(process=process).count() == tasks
        assert Process.objects.filter(id=process.id).exists()
    assert not Tombstone.objects.exists()


def test_an_unknown_process_is_refused() -> None:
    with pytest.raises(NoSuchProcess):
        delete_process(uuid4())
