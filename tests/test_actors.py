"""Actors, calls, promises and decisions, as far as they need no database."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.test import override_settings

from processes.errors import NotStorable, ValueTooLarge
from tasks.actors import (
    Failure,
    Promise,
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
from tasks.arguments import ArgumentsTooLarge, decode_arguments
from tasks.builtins import collect
from tasks.decisions import Await, Decision, recording
from tasks.errors import (
    FailureNotAccepted,
    ForeignPromise,
    InvalidActor,
    InvalidActorName,
    InvalidCall,
    InvalidOption,
    NotInATask,
    NotResolved,
    PromiseIsNotAValue,
    TooManyCalls,
)
from tasks.policies import ActorName, CallOptions
from tasks.promises import Settled, references


@worker(name="t.add")
def add(a: int, b: int = 1) -> int:
    return a + b


untyped: Any = add


@worker(name="t.forgiving", accepts_failures=True)
def forgiving(value: Any) -> Any:
    return value


@decider(name="t.decide")
def decide(value: Any) -> Any:
    return value


@worker(name="t.variadic")
def variadic(first: int, /, *rest: int, **named: int) -> int:
    return first + sum(rest) + sum(named.values())


def decision_of(function: Callable[[], Any], given: frozenset[UUID] = frozenset()) -> Decision:
    """What a decider with this body decides."""
    with recording(given, collect.call_options) as recorder:
        returned = function()
        return recorder.finish(returned)


def test_outside_a_decider_an_actor_is_its_function() -> None:
    assert add(2, b=3) == 5
    assert add.options(priority=1)(2) == 3
    assert add.options(after=add(1))(2) == 3
    assert add.options(after=[add(1), None])(2) == 3
    assert sleep(timedelta(days=365)) is None
    assert decide([add(1), 2]) == [2, 2]


def test_inside_a_decider_a_call_does_no_work_and_is_recorded() -> None:
    decision = decision_of(lambda: add(2, b=3))
    [call] = decision.calls
    assert (call.actor, call.kind, orjson.loads(call.arguments)) == ("t.add#1.0", "worker", {"a": 2, "b": 3})
    assert (decision.promise, decision.value, call.awaits) == (call.id, None, ())


def test_positional_arguments_are_bound_to_names_and_defaults_are_not_filled_in() -> None:
    assert add.bind((1,), {}) == {"a": 1}
    assert variadic.bind((1, 2, 3), {"x": 4}) == {"first": 1, "rest": (2, 3), "named": {"x": 4}}
    assert variadic.call({"first": 1, "rest": (2, 3), "named": {"x": 4}}) == 10
    assert variadic.misfit({"first": 1}) is None


@pytest.mark.parametrize("call", [untyped, partial(untyped, 1, 2, 3), partial(untyped, 1, c=2)])
def test_a_call_that_does_not_fit_the_signature_is_refused_in_the_decider(call: Callable[[], object]) -> None:
    with pytest.raises(InvalidCall, match=r"^t\.add#1\.0: "):
        decision_of(call)


def test_stored_arguments_that_do_not_fit_the_code_are_told() -> None:
    assert add.misfit({"a": 1}) is None
    assert add.misfit({}) == "t.add#1.0 needs a"
    assert add.misfit({"a": 1, "c": 2}) == "t.add#1.0 has no parameter c"


def test_promises_are_awaited_deep_inside_arguments_and_each_only_once() -> None:
    def body() -> Any:
        first, second = add(1), add(2)
        return decide({"deep": [(first, {"x": second})], "again": first})

    calls = decision_of(body).calls
    assert calls[2].awaits == (Await(calls[0].id, True), Await(calls[1].id, True))
    assert [each.task_id for each in references(calls[2].arguments)] == [calls[0].id, calls[1].id, calls[0].id]


def test_values_arrive_in_the_places_of_promises() -> None:
    call = decision_of(lambda: decide({"deep": [(add(1),)], "same": "x"})).calls[1]
    awaited = call.awaits[0].task_id
    arguments = decode_arguments(call.arguments, {awaited: Settled("42")})
    assert arguments.values == {"value": {"deep": [(42,)], "same": "x"}}
    failed = decode_arguments(call.arguments, {awaited: Settled(None, Failure("E", "no"))})
    assert failed.values == {"value": {"deep": [(Failure("E", "no"),)], "same": "x"}}


def test_a_user_s_text_that_looks_like_a_reference_is_none() -> None:
    forged = f'{{"$":"ref","v":{{"task":"{uuid4()}","wait":true}}}}'
    call = decision_of(lambda: decide([forged, {"$": "ref", "v": {"task": str(uuid4()), "wait": True}}])).calls[0]
    assert references(call.arguments) == []
    assert decode_arguments(call.arguments, {}).values["value"][0] == forged


def test_after_waits_without_delivering_and_an_argument_of_the_same_promise_delivers() -> None:
    def body() -> Any:
        first, second = add(1), add(2)
        add.options(after=first)(5)
        return add.options(after=[first, second])(second)

    calls = decision_of(body).calls
    assert calls[2].awaits == (Await(calls[0].id, False),)
    assert calls[3].awaits == (Await(calls[0].id, False), Await(calls[1].id, True))


def test_no_wait_hands_over_the_promise_itself() -> None:
    call = decision_of(lambda: decide(no_wait(add(1)))).calls[1]
    assert call.awaits == ()
    task_id = references(call.arguments)[0].task_id
    unresolved = decode_arguments(call.arguments, {})
    assert unresolved.given == {task_id}
    assert not unresolved.values["value"].is_resolved
    with pytest.raises(NotResolved):
        _ = unresolved.values["value"].value
    resolved = decode_arguments(call.arguments, {task_id: Settled("7")}).values["value"]
    assert (resolved.is_resolved, resolved.value) == (True, 7)


USES: list[Callable[[Any], object]] = [
    bool,
    str,
    int,
    float,
    len,
    list,
    hash,
    pickle.dumps,
    lambda promise: promise == 1,
    lambda promise: promise != 1,
    lambda promise: promise < 1,
    lambda promise: promise + 1,
    lambda promise: 1 + promise,
    lambda promise: -promise,
    lambda promise: promise.anything,
    lambda promise: promise[0],
    lambda promise: 1 in promise,
    lambda promise: promise(),
    lambda promise: f"{promise}",
    lambda promise: f"{promise:>10}",
]


@pytest.mark.parametrize("use", USES)
def test_a_promise_used_as_a_value_raises(use: Callable[[Any], object]) -> None:
    with pytest.raises((PromiseIsNotAValue, TypeError)):
        use(Promise(uuid4()))


def test_the_error_of_a_promise_used_as_a_value_says_what_to_do() -> None:
    with pytest.raises(PromiseIsNotAValue, match="pass it to an actor"):
        bool(Promise(uuid4()))


def test_a_decision_names_only_its_own_tasks_and_promises_it_was_given() -> None:
    foreign = Promise(uuid4())
    for body in (lambda: untyped(foreign), lambda: foreign, lambda: [foreign], lambda: add.options(after=foreign)(1)):
        with pytest.raises(ForeignPromise):
            decision_of(body)
        assert decision_of(body, frozenset({foreign.task_id})) is not None


def test_what_a_decider_returns_is_a_value_a_promise_or_a_collection_with_promises() -> None:
    assert decision_of(lambda: {"a": [1, (2,)]}).value == '{"a":[1,{"$":"tuple","v":[2]}]}'
    assert decision_of(lambda: None).value == "null"
    collected = decision_of(lambda: {"a": add(1), "b": [add(2)]})
    assert (collected.calls[2].actor, collected.promise) == ("tasks.collect#1.0", collected.calls[2].id)
    assert {each.task_id for each in collected.calls[2].awaits} == {collected.calls[0].id, collected.calls[1].id}
    failure = Failure("E", "told")
    assert decode_arguments(f'{{"x":{decision_of(lambda: failure).value}}}', {}).values == {"x": failure}


def test_a_worker_may_not_be_handed_a_promise_whose_failure_it_does_not_accept() -> None:
    risky = add.options(accept_failure=True)
    with pytest.raises(FailureNotAccepted):
        decision_of(lambda: add(risky(1)))
    for body in (
        lambda: decide(risky(1)),
        lambda: forgiving(risky(1)),
        lambda: add.options(accept_failure=True)(risky(1)),
        lambda: add.options(after=risky(1))(1),
    ):
        assert len(decision_of(body).calls) == 2


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
    ],
)
def test_an_option_without_meaning_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        decision_of(lambda: add.options(**options)(1))


def test_retries_wait_longer_each_time_up_to_a_bound_give_or_take_the_jitter() -> None:
    retry = Retry(initial=timedelta(seconds=2), factor=3, max_interval=timedelta(seconds=10), jitter=0.5)
    assert [retry.delay(tries, 0.5).total_seconds() for tries in (1, 2, 3, 10_000)] == [2, 6, 10, 10]
    assert [retry.delay(1, chance).total_seconds() for chance in (0, 1)] == [1, 3]


@pytest.mark.parametrize(
    "wrong",
    [{"max_attempts": 0}, {"factor": 0.5}, {"jitter": 2}, {"initial": 3}, {"give_up_on": (3,)}, {"max_interval": None}],
)
def test_a_retry_policy_without_meaning_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        Retry(**wrong)


def test_names_of_actors_are_written_and_read_in_one_way() -> None:
    for text in ("billing.charge#1.0", "billing.charge#2@eu"):
        assert str(ActorName.parse(text)) == text
    assert ActorName.parse("x") == ActorName("x", "1.0", "")
    for wrong in ("", "1x", "a b", "a#", "a@", "a#1@", "a#1@b@c", "ä"):
        with pytest.raises(InvalidActorName):
            ActorName.parse(wrong)


def test_what_cannot_be_an_actor_is_refused_when_it_is_declared() -> None:
    async def asynchronous() -> None: ...

    def generator() -> Any:
        yield

    for function in (asynchronous, generator, add):
        with pytest.raises(InvalidActor):
            worker(function)
    with pytest.raises(InvalidActor, match=r"two actors are called t\.add#1\.0"):
        worker(name="t.add")(lambda: None)
    with pytest.raises(InvalidOption):
        decider(transactional_=True)(lambda: None)  # type: ignore[call-overload]  # a wrong option
    assert worker(name="t.add", version="2")(add.function).actor_name == ActorName("t.add", "2")


def test_an_actor_is_named_after_its_app_and_function() -> None:
    def step() -> None: ...

    step.__module__ = "shop.billing.actors"
    assert str(external(step).actor_name) == "billing.step#1.0"


def test_limits_of_a_decision_are_typed_errors_at_the_call() -> None:
    with override_settings(ORCHESTRATOR_MAX_CALLS_PER_DECISION=3), pytest.raises(TooManyCalls):
        decision_of(lambda: [add(number) for number in range(4)])
    with override_settings(ORCHESTRATOR_VALUE_LIMIT_BYTES=100):
        with pytest.raises(ValueTooLarge):
            decision_of(lambda: add("x" * 200))  # type: ignore[arg-type]  # too large is what matters
        with pytest.raises(ValueTooLarge):
            decision_of(lambda: "x" * 200)
    with pytest.raises(NotStorable, match=r"^arguments\.a: "):
        decision_of(lambda: add(object()))  # type: ignore[arg-type]  # not storable is what matters


def test_the_size_of_all_resolved_arguments_of_a_task_is_limited() -> None:
    call = decision_of(lambda: decide([add(1), add(2)])).calls[2]
    settled = {each.task_id: Settled('"' + "x" * 60 + '"') for each in call.awaits}
    size = len(call.arguments) + 2 * 62
    with override_settings(ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES=size):
        assert decode_arguments(call.arguments, settled).values == {"value": ["x" * 60] * 2}
    with override_settings(ORCHESTRATOR_ARGUMENTS_LIMIT_BYTES=size - 1), pytest.raises(ArgumentsTooLarge):
        decode_arguments(call.arguments, settled)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def test_a_failure_is_made_of_any_exception_whatever_it_does_when_printed() -> None:
    for error in (Unprintable(), ValueError("\ud800"), ValueError("x" * 50_000), SystemExit(3), KeyboardInterrupt()):
        failure = Failure.of(error)
        assert len(failure.message) <= 10_000
        assert Failure.from_text(failure.to_text()) == failure
    assert Failure.of(ValueError("plain")).type == "ValueError"


def test_only_a_running_actor_has_a_current_task() -> None:
    for use in (current_task, heartbeat):
        with pytest.raises(NotInATask):
            use()
    with pytest.raises(InvalidOption):
        Snooze(timedelta(seconds=-1))
