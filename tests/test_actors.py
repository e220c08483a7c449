"""Actors: what they are declared as, called as functions, bound, and given options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tasks.actors import (
    CurrentTask,
    Retry,
    Snooze,
    current_task,
    decider,
    external,
    heartbeat,
    no_wait,
    sleep,
    worker,
)
from tasks.context import running
from tasks.errors import InvalidActor, InvalidActorName, InvalidOption, NotInATask
from tasks.policies import ActorName, CallOptions
from tasks.registry import ACTORS
from tests.deciding import add, book, decide, decision_of, elsewhere


@worker(name="t.variadic")
def variadic(first: int, /, *rest: int, **named: int) -> int:
    return first + sum(rest) + sum(named.values())


def test_outside_a_decider_an_actor_is_its_function() -> None:
    assert add(2, b=3) == 5
    assert add.options(priority=1)(2) == 3
    assert add.options(after=add(1))(2) == 3
    assert add.options(after=[add(1), None])(2) == 3
    assert sleep(timedelta(days=365)) is None
    assert decide([add(1), 2]) == [2, 2]


def test_positional_arguments_are_bound_to_names_and_defaults_are_not_filled_in() -> None:
    assert add.bind((1,), {}) == {"a": 1}
    assert variadic.bind((1, 2, 3), {"x": 4}) == {"first": 1, "rest": (2, 3), "named": {"x": 4}}
    assert variadic.call({"first": 1, "rest": (2, 3), "named": {"x": 4}}) == 10
    assert variadic.misfit({"first": 1}) is None


def test_stored_arguments_that_do_not_fit_the_code_are_told() -> None:
    assert add.misfit({"a": 1}) is None
    assert add.misfit({}) == "t.add#1.0 needs a"
    assert add.misfit({"a": 1, "c": 2}) == "t.add#1.0 has no parameter c"


def test_options_of_a_call_replace_those_of_the_actor_for_this_call_alone() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    bound = add.options(
        priority=1,
        retry=Retry(max_attempts=7),
        start_at=moment,
        poll_to_end=timedelta(seconds=9),
        task_list="eu",
        version="2.0",
    )
    [call] = decision_of(lambda: bound(1)).calls
    assert call.actor == "t.add#2.0@eu"
    assert (call.options.priority, call.options.max_attempts, call.options.start_at) == (1, 7, moment)
    assert call.options.poll_to_end == timedelta(seconds=9)
    assert add.call_options.priority == 5
    assert CallOptions.from_json(call.options.to_json()) == call.options


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 10},
        {"priority": True},
        {"max_attempts": 0},
        {"retry": 3},
        {"start_in": timedelta(seconds=-1)},
        {"start_at": datetime(2030, 1, 1)},  # noqa: DTZ001  # naive on purpose
        {"start_in": timedelta(0), "start_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"poll_to_end": timedelta(0)},
        {"heartbeat": 30},
        {"on_lease_lost": "explode"},
        {"accept_failure": 1},
        {"unknown": 1},
        {"after": [1]},
        {"after": 1},
        {"after": None},
        {"retry": Retry(give_up_on=(ValueError,))},
    ],
)
def test_an_option_without_meaning_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        decision_of(lambda: add.options(**options)(1))


def test_what_cannot_be_an_actor_is_refused_when_it_is_declared() -> None:
    async def asynchronous() -> None: ...

    def generator() -> Any:
        yield

    no_functions: list[Any] = [asynchronous, generator, add, partial(generator), print, ActorName]
    for function in no_functions:
        with pytest.raises(InvalidActor):
            worker(function)
    with pytest.raises(InvalidActor, match=r"two actors are called t\.add#1\.0"):
        worker(name="t.add")(lambda: None)
    with pytest.raises(InvalidOption):
        decider(transactional=True)(lambda: None)  # type: ignore[call-overload]  # a wrong option
    assert worker(name="t.add", version="2")(add.function).actor_name == ActorName("t.add", "2")


def test_an_actor_is_named_after_its_app_and_function() -> None:
    def step() -> None: ...

    step.__module__ = "shop.billing.actors"
    assert str(external(step).actor_name) == "billing.step#1.0"


def test_only_a_running_actor_has_a_current_task() -> None:
    for use in (current_task, heartbeat):
        with pytest.raises(NotInATask):
            use()
    with pytest.raises(InvalidOption):
        Snooze(timedelta(seconds=-1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"retry": 3},
        {"poll_to_end": timedelta(0)},
        {"heartbeat": timedelta(0)},
        {"priority": -1},
        {"transactional": 1},
        {"transactional": True, "remote": True},
    ],
)
def test_an_option_without_meaning_is_refused_when_the_actor_is_declared(wrong: dict[str, Any]) -> None:
    def undeclared() -> None: ...

    with pytest.raises(InvalidOption):
        worker(**wrong)(undeclared)
    assert ACTORS.find(ActorName("test_actors.undeclared")) is None


@pytest.mark.parametrize("wrong", [{"version": "1@eu"}, {"version": 2}, {"task_list": "e u"}, {"task_list": None}])
def test_a_call_cannot_name_an_actor_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidActorName):
        add.options(**wrong)


def test_what_others_have_set_on_a_function_does_not_change_the_actor() -> None:
    def decorated() -> int:
        return 1

    decorated.__dict__.update(kind="cache", signature=None, function=None)
    actor = worker(decorated)
    assert (actor.kind, actor()) == ("worker", 1)
    assert actor.misfit({}) is None


def test_attempts_of_transactional_workers_are_bounded_more_tightly() -> None:
    assert book.call_options.poll_to_end == timedelta(seconds=30)
    assert add.call_options.poll_to_end == timedelta(minutes=5)
    assert add.call_options.heartbeat == timedelta(seconds=30)
    assert (book.transactional, elsewhere.remote, add.transactional, add.remote) == (True, True, False, False)


def test_outside_a_decider_no_wait_hands_over_a_resolved_promise() -> None:
    @decider(name="t.looking")
    def looking(promise: Any) -> Any:
        return [promise.is_resolved, promise.value, add(promise)]

    assert looking(no_wait(add(1))) == [True, 2, 3]
    assert decide.options(priority=1)(no_wait(4)) == 4


def test_a_running_actor_knows_its_task_and_keeps_details_for_the_next_attempt() -> None:
    kept: list[str] = []
    task = CurrentTask(
        id=uuid4(),
        process_id=uuid4(),
        actor="t.add#1.0",
        attempt=2,
        tries=1,
        details_text='{"$":"tuple","v":[1]}',
        report_details=kept.append,
        reported_details=lambda: kept[-1],
        has_lost_its_lease=lambda: True,
    )
    with running(task):
        heartbeat(("page", 3))
        assert current_task() is task
        assert (task.last_details, task.is_cancelled()) == ((1,), True)
    assert kept == ['{"$":"tuple","v":["page",3]}']
    with pytest.raises(NotInATask):
        current_task()


@pytest.mark.parametrize("wrong", [timedelta(microseconds=-1), timedelta.max, 5, None])
def test_pauses_are_durations_that_make_sense(wrong: Any) -> None:
    for pause in (sleep, Snooze):
        with pytest.raises(InvalidOption):
            pause(wrong)
