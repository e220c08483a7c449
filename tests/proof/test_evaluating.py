"""What the evaluation says of flows written by hand: each expectation is read off the rules of docs, not of code."""

from __future__ import annotations

from typing import Any

from tests.proof.evaluating import DEPENDENCY_FAILED, FAILED_OUTSIDE, REFUSAL, TIMEOUT, expected
from tests.proof.language import Body, Call, Ref, call_of, digest

REFUSED = {"failure": REFUSAL}


def body(*calls: Call, returns: Ref | None = None) -> Body:
    return {"calls": list(calls), "returns": {"call": len(calls) - 1} if returns is None else returns}


def worker(actor: str = "a", mode: str = "works", *inputs: int, **options: Any) -> Call:
    return call_of(actor, mode, inputs=[{"call": index} for index in inputs], **options)


def decider(inner: Body, *inputs: int, **options: Any) -> Call:
    return call_of("decide", inputs=[{"call": index} for index in inputs], body=inner, **options)


def test_a_chain_hands_on_what_each_made_of_the_last_one() -> None:
    told = expected(body(worker(), worker("b", "works", 0), worker("c", "works", 1)))
    first = digest("0.0", [])
    second = digest("0.1", [first])
    third = digest("0.2", [second])
    assert (told.ends, told.value) == ("COMPLETED", third)
    assert told.values == {"0.0": first, "0.1": second, "0.2": third, "0": third}
    assert told.keys == {"0", "0.0", "0.1", "0.2"}
    assert told.awaits == {"0": [], "0.0": [], "0.1": ["0.0"], "0.2": ["0.1"]}
    assert (told.failing, told.accepted, told.doomed) == (set(), set(), set())


def test_what_is_drawn_anew_in_each_attempt_makes_no_difference() -> None:
    handed = ["d-0", "n-1"]
    assert digest("0.1", [handed, [handed, 3]]) == digest("0.1", ["d-0", ["d-0", 3]])
    assert digest("0.1", [handed]) != digest("0.2", [handed])
    assert digest("0.1", [{"$": "failure", "v": {"type": "x", "message": "y"}}]) == digest("0.1", [{"failure": "x"}])


def test_a_collection_is_a_task_of_its_own_and_waits_for_what_is_in_it() -> None:
    told = expected(body(worker(), worker(), returns={"all": [{"call": 1}, {"value": 7}]}))
    assert told.value == [digest("0.1", []), 7]
    assert told.keys == {"0", "0.0", "0.1", "0.returned"}
    assert told.awaits["0.returned"] == ["0.1"]
    assert told.values["0.returned"] == told.value
    assert expected(body(worker(), returns={"all": [{"value": 7}]})).keys == {"0", "0.0"}


def test_a_nested_decider_is_handed_values_and_its_value_is_what_it_returns() -> None:
    inner = body(call_of("b", inputs=[{"input": 0}]))
    told = expected(body(worker(), decider(inner, 0), worker("c", "works", 1)))
    innermost = digest("0.1.0", [digest("0.0", [])])
    assert told.values["0.1"] == told.values["0.1.0"] == innermost
    assert told.value == digest("0.2", [innermost])


def test_delays_are_told_and_a_timer_delivers_nothing() -> None:
    told = expected(body(call_of("sleep", start_in=0.5), worker("a", "works", after=[0], start_in=0.3)))
    assert told.least_delay == {"0.0": 0.5, "0.1": 0.3}
    assert told.values["0.0"] is None
    assert told.awaits["0.1"] == ["0.0"]


def test_stumbles_snoozes_and_oversleeping_only_take_time() -> None:
    calls = (worker("a", "stumbles", times=2), worker("a", "snoozes", times=2), worker("c", "oversleeps", 1))
    assert expected(body(*calls)).value == digest("0.2", [digest("0.1", [])])


def test_an_unaccepted_failure_stands_even_where_nobody_waits_for_it() -> None:
    told = expected(body(worker("a", "refuses"), worker()))
    assert (told.ends, told.failing, told.accepted, told.value) == ("FAILED", {"0.0"}, set(), None)
    assert "0.0" not in told.values
    assert told.values["0.1"] == digest("0.1", [])


def test_nothing_is_delivered_to_who_waits_for_an_unaccepted_failure() -> None:
    told = expected(body(worker("a", "refuses"), worker("judge", "works", 0), worker("b", "works", after=[0])))
    assert told.failing == {"0.0"}
    assert told.values == {}
    assert told.keys == {"0", "0.0", "0.1", "0.2"}


def test_an_accepted_failure_is_a_value_for_judges_and_deciders() -> None:
    inner = body(call_of("judge", inputs=[{"input": 0}]))
    told = expected(body(worker("a", "refuses", accept=True), worker("judge", "works", 0), decider(inner, 0)))
    assert (told.ends, told.accepted) == ("COMPLETED", {"0.0"})
    assert told.values["0.0"] == REFUSED
    assert told.values["0.1"] == digest("0.1", [REFUSED])
    assert told.value == digest("0.2.0", [REFUSED])


def test_a_worker_that_is_handed_a_failure_fails_with_it() -> None:
    refusing = worker("a", "refuses", accept=True)
    told = expected(body(refusing, worker("b", "works", 0, accept=True), worker("judge", "works", 1)))
    assert (told.ends, told.accepted, told.doomed) == ("COMPLETED", {"0.0", "0.1"}, {"0.1"})
    assert told.value == digest("0.2", [{"failure": DEPENDENCY_FAILED}])
    told = expected(body(decider(body(refusing)), worker("b", "works", 0)))
    assert (told.ends, told.failing, told.doomed) == ("FAILED", {"0.1"}, {"0.1"})
    assert told.values["0.0"] == REFUSED


def test_who_waits_for_no_value_is_handed_no_failure() -> None:
    told = expected(body(worker("a", "refuses", accept=True), worker("b", "works", after=[0])))
    assert (told.ends, told.value) == ("COMPLETED", digest("0.1", []))


def test_a_worker_with_a_failure_among_its_inputs_waits_for_the_others_first() -> None:
    calls = (worker("a", "refuses", accept=True), worker("a", "refuses"), worker("b", "works", 0, 1, accept=True))
    told = expected(body(*calls))
    assert (told.failing, told.doomed) == ({"0.1"}, set())


def test_a_failure_in_a_collection_is_a_part_of_a_value() -> None:
    inner = body(worker("a", "refuses", accept=True), returns={"all": [{"call": 0}]})
    told = expected(body(decider(inner), worker("b", "works", 0)))
    assert (told.ends, told.value) == ("COMPLETED", digest("0.1", [[REFUSED]]))
    told = expected(body(worker("a", "refuses"), returns={"all": [{"call": 0}]}))
    assert (told.ends, told.failing) == ("FAILED", {"0.0"})
    assert "0.returned" in told.keys
    assert "0.returned" not in told.values


def test_a_failure_climbs_to_the_first_call_that_accepts_it() -> None:
    inner = body(decider(body(worker("a", "refuses"))))
    told = expected(body(decider(inner, accept=True), worker("judge", "works", 0)))
    assert (told.ends, told.accepted) == ("COMPLETED", {"0.0", "0.0.0", "0.0.0.0"})
    assert {told.values[key] == REFUSED for key in told.accepted} == {True}
    assert told.value == digest("0.1", [REFUSED])


def test_a_decider_above_the_accepting_call_is_completed_with_the_failure() -> None:
    told = expected(body(decider(body(worker("a", "refuses", accept=True)))))
    assert (told.ends, told.value, told.accepted) == ("COMPLETED", REFUSED, {"0.0.0"})
    assert told.values["0.0"] == REFUSED


def test_a_failure_does_not_climb_where_it_is_no_ones_value() -> None:
    inner = body(worker("a", "refuses"), worker())
    told = expected(body(decider(inner, accept=True)))
    assert (told.ends, told.failing, told.accepted) == ("FAILED", {"0.0.0"}, set())
    assert told.value is None


def test_nothing_climbs_where_somebody_outside_waits_for_a_member_that_accepts_nothing() -> None:
    for waiter in (worker("judge", "works", 0), worker("b", "works", after=[0])):
        inner = body(worker("a", "refuses"), waiter, returns={"call": 0})
        told = expected(body(decider(inner, accept=True), worker("judge", "works", 0)))
        assert (told.ends, told.failing, told.accepted) == ("FAILED", {"0.0.0"}, set())
        assert "0.0" not in told.values


def test_a_failure_that_nobody_accepts_on_its_way_leaves_all_above_undecided() -> None:
    told = expected(body(decider(body(decider(body(worker("a", "refuses")))))))
    assert (told.failing, told.values) == ({"0.0.0.0"}, {})


def test_a_decider_that_refuses_calls_nothing() -> None:
    told = expected(body(decider(body(worker()), mode="refuses", accept=True)))
    assert (told.keys, told.accepted, told.value) == ({"0", "0.0"}, {"0.0"}, REFUSED)


def test_a_decider_that_waits_for_ever_calls_nothing() -> None:
    told = expected(body(worker("a", "refuses"), decider(body(worker()), 0)))
    assert told.keys == {"0", "0.0", "0.1"}


def test_once_cured_those_that_refused_until_then_work() -> None:
    flow = body(worker("a", "refuses_until_cured"), worker("b", "works", 0))
    assert (expected(flow).ends, expected(flow).failing) == ("FAILED", {"0.0"})
    told = expected(flow, cured=True)
    assert (told.ends, told.value) == ("COMPLETED", digest("0.1", [digest("0.0", [])]))


def test_forms_are_answered_as_their_modes_say() -> None:
    told = expected(body(worker(), worker("form", "completed", 0)))
    assert (told.ends, told.value) == ("COMPLETED", digest("0.1", []))
    told = expected(body(worker("form", "failed", accept=True)))
    assert (told.ends, told.value) == ("COMPLETED", {"failure": FAILED_OUTSIDE})
    told = expected(body(worker("form", "forgotten", accept=True, budget=1.0)))
    assert (told.ends, told.value) == ("COMPLETED", {"failure": TIMEOUT})
    assert expected(body(worker("form", "failed"))).failing == {"0.0"}


def test_what_waits_for_ever_ends_with_the_time_of_its_process() -> None:
    flow = body(worker("form", "forgotten"), worker(), returns={"value": 1})
    assert expected(flow).ends == "RUNNING"
    told = expected(flow | {"start_to_end": 4.0})
    assert (told.ends, told.value) == ("TIMED_OUT", None)
    assert told.values == {"0.1": digest("0.1", []), "0": 1}


def test_what_stumbles_until_its_time_is_over_fails_with_a_timeout() -> None:
    told = expected(body(worker("a", "stumbles", times=50, budget=1.5, accept=True)))
    assert (told.ends, told.value) == ("COMPLETED", {"failure": TIMEOUT})
