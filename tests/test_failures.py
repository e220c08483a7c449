"""Failures: made of whatever is raised, told in bounds, and stored as values exactly."""

from __future__ import annotations

from typing import Any

import pytest

from processes.errors import NotReadable, NotStorable
from processes.failures import CAUSES_LIMIT, MESSAGE_LIMIT, TRACEBACK_LIMIT, Failure
from processes.values import decode, encode


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def test_a_failure_is_made_of_any_exception_whatever_it_does_when_printed() -> None:
    for error in (Unprintable(), ValueError("\ud800"), ValueError("x" * 50_000), SystemExit(3), KeyboardInterrupt()):
        failure = Failure.of(error)
        assert len(failure.message) <= 10_000
        assert Failure.from_text(failure.to_text()) == failure
    assert Failure.of(ValueError("plain")).type == "ValueError"


class Nameless(type):
    @property
    def __module__(cls) -> str:  # type: ignore[override]  # wrong on purpose
        raise RuntimeError("nor this")


class Hidden(Exception, metaclass=Nameless):
    pass


def test_an_error_whose_very_type_cannot_be_printed_is_told_too() -> None:
    failure = Failure.of(Hidden("told"))
    assert (failure.type, failure.message) == ("an exception without a name", "told")


def test_messages_are_cut_at_the_end_and_tracebacks_at_the_beginning() -> None:
    try:
        raise ValueError("x" * 50_000 + "the end")
    except ValueError as error:
        failure = Failure.of(error)
    assert failure.message == "x" * MESSAGE_LIMIT
    assert len(failure.traceback) == TRACEBACK_LIMIT
    assert failure.traceback.endswith("the end\n")
    assert len(Failure.of(ValueError("\ud800" * 50_000)).message) == MESSAGE_LIMIT


def test_a_message_is_told_without_what_a_column_of_the_database_refuses() -> None:
    assert Failure.of(ValueError("a\0b\ud800c")).message == r"a\x00b\ud800c"


def chained(length: int) -> Failure:
    failure = Failure("First", "it began here")
    for number in range(length):
        failure = Failure("dependency_failed", str(number), cause=failure)
    return failure


def test_of_a_long_row_of_causes_the_nearest_and_the_first_are_told() -> None:
    told = Failure.from_text(chained(1000).to_text())
    assert [each.message for each in told.causes()] == [
        *(str(998 - number) for number in range(CAUSES_LIMIT - 1)),
        "it began here",
    ]
    assert Failure.from_text(chained(CAUSES_LIMIT).to_text()) == chained(CAUSES_LIMIT)


def test_a_failure_is_a_value_like_any_other() -> None:
    failure = Failure("E", "NUL \0 inside", {"lines": [1, None, "x"]}, chained(2), "traced")
    back = decode(encode([failure]))
    assert back == [failure]
    assert back[0].traceback == "traced"
    assert decode(encode(chained(CAUSES_LIMIT))) == chained(CAUSES_LIMIT)


@pytest.mark.parametrize(
    "detail",
    [(1,), float("nan"), {1: 2}, {"$": "ref", "v": {"task": "x", "wait": True}}, object(), "\ud800", b"", {"a": {1}}],
)
def test_a_failure_that_would_come_back_altered_is_refused(detail: Any) -> None:
    with pytest.raises(NotStorable):
        encode(Failure("E", "no", detail))


def test_more_causes_than_are_told_are_refused_in_a_value() -> None:
    with pytest.raises(NotStorable, match="20 causes"):
        encode(chained(CAUSES_LIMIT + 1))


@pytest.mark.parametrize("wrong", [(1, "x"), ("E", None), ("E", "x", None, "cause")])
def test_a_failure_of_wrong_parts_cannot_be_made(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        Failure(*wrong)


@pytest.mark.parametrize("content", ["3", "{}", '{"type":1,"message":"x"}', '{"type":"E","message":"x","cause":1}'])
def test_a_stored_failure_of_wrong_parts_is_no_value(content: str) -> None:
    with pytest.raises(NotReadable):
        decode(f'{{"$":"failure","v":{content}}}')
