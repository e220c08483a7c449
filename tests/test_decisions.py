"""Decisions: what calls inside a decider record, and what promises are and are not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.test import override_settings

from processes.errors import NotReadable, NotStorable, ValueTooLarge
from tasks.actors import Failure, Promise, no_wait, sleep
from tasks.arguments import ArgumentsTooLarge, decode_arguments
from tasks.builtins import collect
from tasks.decisions import Await, recording
from tasks.errors import (
    FailureNotAccepted,
    ForeignPromise,
    InvalidCall,
    NotResolved,
    PromiseIsNotAValue,
    TooManyCalls,
)
from tasks.promises import Settled, references
from tests.deciding import add, approve, book, decide, decision_of, elsewhere, forgiving, untyped


def test_inside_a_decider_a_call_does_no_work_and_is_recorded() -> None:
    decision = decision_of(lambda: add(2, b=3))
    [call] = decision.calls
    assert (call.actor, call.kind, orjson.loads(call.arguments)) == ("t.add#1.0", "worker", {"a": 2, "b": 3})
    assert (decision.promise, decision.value, call.awaits) == (call.id, None, ())


@pytest.mark.parametrize("call", [untyped, partial(untyped, 1, 2, 3), partial(untyped, 1, c=2)])
def test_a_call_that_does_not_fit_the_signature_is_refused_in_the_decider(call: Callable[[], object]) -> None:
    with pytest.raises(InvalidCall, match=r"^t\.add#1\.0: "):
        decision_of(call)


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


def test_a_promise_twice_in_one_call_is_waited_for_once_and_delivered_twice() -> None:
    def body() -> Any:
        promise = add(1)
        return decide([promise, promise])

    call = decision_of(body).calls[1]
    [need] = call.awaits
    assert decode_arguments(call.arguments, {need.task_id: Settled("5")}).values == {"value": [5, 5]}


def test_calls_of_every_kind_of_actor_are_recorded() -> None:
    def body() -> None:
        actors: list[Any] = [add, decide, book, elsewhere, approve]
        for actor in actors:
            actor.options(priority=3)("what")

    kinds = [(call.actor, call.kind, call.options.priority) for call in decision_of(body).calls]
    assert kinds == [
        ("t.add#1.0", "worker", 3),
        ("t.decide#1.0", "decider", 3),
        ("t.book#1.0", "worker", 3),
        ("t.elsewhere#1.0", "worker", 3),
        ("t.approve#1.0", "external", 3),
    ]


def test_a_timer_is_a_call_that_starts_later_and_delivers_nothing() -> None:
    calls = decision_of(lambda: decide(sleep(timedelta(hours=1)))).calls
    assert (calls[0].actor, calls[0].options.start_in) == ("tasks.sleep#1.0", timedelta(hours=1))
    assert decode_arguments(calls[1].arguments, {calls[0].id: Settled("null")}).values == {"value": None}


def test_a_promise_under_no_wait_is_returned_as_the_promise_it_is() -> None:
    plain = decision_of(lambda: no_wait(add(1)))
    assert (plain.promise, len(plain.calls)) == (plain.calls[0].id, 1)
    collected = decision_of(lambda: [no_wait(add(1))]).calls[1]
    given = decode_arguments(collected.arguments, {}).given
    again = decision_of(lambda: [Promise(each) for each in given], given)
    assert again.calls[0].awaits == (Await(next(iter(given)), True),)


def test_inside_a_decider_no_wait_takes_promises_only() -> None:
    with pytest.raises(PromiseIsNotAValue):
        decision_of(lambda: decide(no_wait(3)))


def test_a_refused_call_records_nothing_and_the_decision_goes_on() -> None:
    def body() -> Any:
        with pytest.raises(NotStorable):
            untyped(object())
        with pytest.raises(ForeignPromise):
            add.options(after=Promise(uuid4()))(1)
        return add(2)

    assert [orjson.loads(call.arguments) for call in decision_of(body).calls] == [{"a": 2}]


def test_a_decider_called_beside_another_records_for_itself_only() -> None:
    with recording(frozenset(), collect.call_options) as outer:
        add(1)
        inner = decision_of(lambda: add(2))
        returned: Any = add(3)
    assert len(inner.calls) == 1
    assert len(outer.finish(returned).calls) == 2
    assert add(1) == 2


def test_a_value_that_is_missing_makes_arguments_unreadable() -> None:
    call = decision_of(lambda: decide(add(1))).calls[1]
    with pytest.raises(NotReadable):
        decode_arguments(call.arguments, {})
