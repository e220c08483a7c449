"""Flows made at random: what is in them, and that the engine makes of each what the evaluation says."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import orjson
import pytest

from processes.models import Process
from tasks.actors import Code, StartRequest, start_processes
from tasks.models import Dependency
from tasks.states import TaskState
from tests.proof.evaluating import REFUSAL, STUMBLE, Expected, expected
from tests.proof.flows import PROFILES, flow_of
from tests.proof.language import ROOT, TIMER, Flow, awaited, keyed
from tests.proof.walking import keys_of, value_of, walk
from tests.proof.workload import actors
from tests.proof.workload.models import Effect

SOME = 120
MANY = [flow_of("many", f"p-{number}") for number in range(1500)]


def test_a_flow_follows_from_seed_and_custom_id_alone_and_is_plain_json() -> None:
    for profile in PROFILES:
        flow = flow_of("seed", "p-1", 0, profile)
        assert flow == flow_of("seed", "p-1", 0, profile)
        assert orjson.loads(orjson.dumps(flow)) == flow
    assert flow_of("seed", "p-1") != flow_of("seed", "p-1", 1)
    assert flow_of("seed", "p-1") != flow_of("seeds", "p-1")


def test_flows_have_some_eight_tasks_and_everything_occurs_in_them() -> None:
    told = [expected(flow) for flow in MANY]
    sizes = [len(each.keys) for each in told]
    assert min(sizes) >= 3
    assert max(sizes) <= 35
    assert 6 <= sum(sizes) / len(sizes) <= 10
    calls = [call for flow in MANY for _, call in keyed(flow, ROOT)]
    modes = Counter(call["mode"] for call in calls)
    assert modes.keys() == {
        *("works", "stumbles", "snoozes", "oversleeps", "refuses", "refuses_until_cured"),
        *("completed", "failed", "forgotten"),
    }
    assert {call["actor"] for call in calls} == {*actors.ACTORS, TIMER}
    assert {"COMPLETED", "FAILED", "TIMED_OUT"} == {each.ends for each in told}
    climbed = [each for each in told if len(each.accepted - each.doomed) > 1]
    assert min(len(climbed), sum(bool(each.doomed) for each in told)) > 20
    assert min(modes.values()) >= 3


def test_no_call_is_one_that_the_engine_would_refuse() -> None:
    for flow in MANY:
        for body in [flow, *(call["body"] for _, call in keyed(flow, ROOT) if call["body"] is not None)]:
            for index, call in enumerate(body["calls"]):
                handed = awaited(call) - set(call["after"])
                assert max(awaited(call), default=-1) < index
                may_fail = any(body["calls"][each]["accept"] for each in handed)
                assert not may_fail or call["accept"] or call["actor"] in ("judge", "decide")
            assert sum(call["actor"] == TIMER for call in body["calls"]) <= 1


def test_what_is_to_be_cured_is_never_delivered_before_its_cure() -> None:
    for flow in MANY:
        told, cured = expected(flow), expected(flow, cured=True)
        assert not [key for key in told.accepted if told.modes[key]["mode"] == "refuses_until_cured"]
        assert told.values.items() <= cured.values.items()


def test_the_types_of_failures_are_those_of_the_actors() -> None:
    assert f"{actors.Refusal.__module__}.{actors.Refusal.__qualname__}" == REFUSAL
    assert f"{actors.Stumble.__module__}.{actors.Stumble.__qualname__}" == STUMBLE


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_engine_makes_of_each_flow_what_the_evaluation_says(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actors, "sleep", lambda seconds: None)
    flows = {f"p-{number}": flow_of("engine", f"p-{number}", 0, profile) for number in range(SOME)}
    answers = start_processes(request(custom_id, flow) for custom_id, flow in flows.items())
    assert {answer.code for answer in answers} == {Code.CREATED}
    walk()
    assert Process.objects.count() == SOME
    for process in Process.objects.all():
        assert process.custom_id is not None
        compare(process, expected(flows[process.custom_id]))


def request(custom_id: str, flow: Flow) -> StartRequest:
    seconds = flow.get("start_to_end")
    start_to_end = timedelta(seconds=seconds) if seconds is not None else None
    return StartRequest(actor=actors.run, args=(flow,), custom_id=custom_id, start_to_end=start_to_end)


def compare(process: Process, told: Expected) -> None:
    tasks = keys_of(process)
    name = f"{process.custom_id}"
    assert process.state == told.ends, name
    assert told.keys == tasks.keys() if told.ends != "FAILED" else told.keys >= tasks.keys(), name
    settled = {
        key: value_of(task)
        for key, task in tasks.items()
        if task.state == TaskState.COMPLETED or (task.state == TaskState.FAILED and task.failure_accepted)
    }
    assert settled.items() <= told.values.items(), name
    if told.ends != "FAILED":
        assert settled == told.values, name
    failed = {key: task for key, task in tasks.items() if task.state == TaskState.FAILED}
    assert {key for key, task in failed.items() if task.failure_accepted} == told.accepted & settled.keys(), name
    unaccepted = {key for key, task in failed.items() if not task.failure_accepted}
    assert unaccepted <= told.failing, name
    assert bool(unaccepted) == bool(told.failing), name
    keys = {task.id: key for key, task in tasks.items()}
    awaits: dict[str, set[str]] = {key: set() for key in tasks}
    for dependency in Dependency.objects.filter(process_id=process.id):
        awaits[keys[dependency.waiter_id]].add(keys[dependency.awaited_id])
    assert awaits == {key: set(told.awaits[key]) for key in tasks}, name
    booked = {task.id for task in tasks.values() if "book" in task.actor and task.state == TaskState.COMPLETED}
    effects = list(
        Effect.objects.filter(task_id__in=[task.id for task in tasks.values()]).values_list("task_id", flat=True)
    )
    assert sorted(effects) == sorted(booked), name
