"""Policies: names of actors, retries, and what a call is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.errors import InvalidActorName, InvalidOption
from tasks.policies import ActorName, CallOptions, Retry

PLAIN = CallOptions(poll_to_end=timedelta(minutes=5), heartbeat=timedelta(seconds=30))


def test_retries_wait_longer_each_time_up_to_a_bound_give_or_take_the_jitter() -> None:
    retry = Retry(initial=timedelta(seconds=2), factor=3, max_interval=timedelta(seconds=10), jitter=0.5)
    assert [retry.delay(tries, 0.5).total_seconds() for tries in (1, 2, 3, 10_000)] == [2, 6, 10, 10]
    assert [retry.delay(1, chance).total_seconds() for chance in (0, 1)] == [1, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"factor": 0.5},
        {"jitter": 2},
        {"initial": 3},
        {"give_up_on": (3,)},
        {"max_interval": None},
        {"give_up_on": ValueError},
        {"give_up_on": [ValueError]},
        {"factor": "2"},
        {"factor": float("nan")},
        {"jitter": None},
        {"initial": timedelta(-1)},
        {"max_attempts": True},
    ],
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


@pytest.mark.parametrize("wrong", [("1x",), ("a#b",), ("a", "1@b"), ("a", ""), ("a", "1", "b c"), ("a", 1), (None,)])
def test_a_name_that_could_not_be_read_again_is_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidActorName):
        ActorName(*wrong)


def test_a_retry_policy_is_stored_without_the_errors_it_gives_up_on() -> None:
    retry = Retry(max_attempts=9, initial=timedelta(milliseconds=1), factor=1.5, jitter=0, give_up_on=(KeyError,))
    assert Retry.from_json(retry.to_json()) == Retry(
        max_attempts=9, initial=timedelta(milliseconds=1), factor=1.5, jitter=0
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"retry": Retry(max_attempts=2), "max_attempts": 2, "priority": 0, "accept_failure": True},
        {"enqueue_to_end": timedelta(days=1, microseconds=1), "on_enqueue_to_end": "alert", "on_lease_lost": "fail"},
        {"start_at": datetime(2030, 1, 1, tzinfo=UTC), "accepts_failures": True},
        {"start_in": timedelta(0)},
    ],
)
def test_options_of_a_call_come_back_from_their_text(options: dict[str, Any]) -> None:
    told = CallOptions(poll_to_end=timedelta(seconds=1.5), heartbeat=timedelta(seconds=2), **options)
    assert CallOptions.from_json(told.to_json()) == told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        PLAIN.to_json().replace("300.0", "1e300"),
        PLAIN.to_json().replace('"priority":5', '"priority":50'),
        PLAIN.to_json().replace('"priority"', '"urgency"'),
    ],
)
def test_a_text_that_is_no_options_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption):
        CallOptions.from_json(text)
