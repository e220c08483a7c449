"""Values come back unchanged, in type and content, or are refused when they are written."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.errors import NotReadable, NotStorable, ValueTooLarge
from processes.values import canonical, decode, encode

WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMED = timezone(timedelta(hours=1, seconds=7), "MEZ")
ZONES = st.none() | st.sampled_from(
    [UTC, timezone(timedelta(hours=-3, minutes=30)), NAMED, ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")]
)
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    WORDS,
    st.dates(),
    st.timedeltas(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.uuids(),
    st.binary(max_size=20),
    st.datetimes(timezones=ZONES),
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(WORDS | st.just("$"), inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
    ),
    max_leaves=20,
)


def shape(value: object) -> object:
    """Everything that two equal values may still differ in: types, order of keys, sign of zero, zone, fold."""
    if isinstance(value, dict):
        return [(key, shape(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [shape(each) for each in value]
    if isinstance(value, set | frozenset):
        return type(value), sorted(repr(shape(each)) for each in value)
    zone = value.tzinfo if isinstance(value, datetime) else None
    fold = value.fold if isinstance(value, datetime) else None
    return type(value), repr(value) if zone is None else value.isoformat(), fold, zone  # type: ignore[attr-defined]  # a datetime


@given(VALUES)
@settings(max_examples=500, deadline=None)
def test_every_storable_value_comes_back_unchanged(value: Any) -> None:
    assert shape(decode(encode(value))) == shape(value)


@given(st.dictionaries(WORDS, VALUES, max_size=5))
@settings(max_examples=100, deadline=None)
def test_canonical_texts_are_equal_whatever_the_order_of_the_keys(value: dict[str, Any]) -> None:
    assert canonical(encode(value)) == canonical(encode(dict(reversed(value.items()))))


class Level(IntEnum):
    LOW = 1


class Word(str):
    __slots__ = ()


class Zone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    dst = utcoffset

    def tzname(self, moment: datetime | None) -> str:
        return "zone"


Point = namedtuple("Point", "x y")  # noqa: PYI024  # an untyped one must be refused just so
CYCLE: list[object] = []
CYCLE.append(CYCLE)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("Infinity"),
        2**63,
        -(2**63) - 1,
        "a lone \ud800 surrogate",
        {"a lone \udfff surrogate": 1},
        {1: "a key that is no text"},
        Level.LOW,
        Word("a subclass"),
        Point(1, 2),
        OrderedDict(a=1),
        time(12, 30),
        datetime(2026, 1, 1, tzinfo=Zone()),
        object(),
        print,
        1j,
        bytearray(b"mutable"),
        range(3),
        nested(101),
        CYCLE,
    ],
)
def test_what_would_not_come_back_unchanged_is_refused(value: object) -> None:
    with pytest.raises(NotStorable):
        encode(value)


@pytest.mark.parametrize("value", ["NUL \0 inside", -0.0, 1e22, 2**63 - 1, -(2**63), nested(100), "", {}, (), set()])
def test_values_at_the_edge_are_stored_exactly(value: object) -> None:
    assert shape(decode(encode(value))) == shape(value)


def test_a_refusal_names_the_place_inside_the_value() -> None:
    with pytest.raises(NotStorable, match=r"^order\.lines\[1\]\.price: NaN and infinity cannot be stored$"):
        encode({"lines": [{"price": 1.0}, {"price": float("nan")}]}, path="order")


@pytest.mark.parametrize("value", [{"lines": ["\ud800"]}, {"lines": [{"\udfff": 1}]}, {"lines": [{1: 2}]}])
def test_every_refusal_names_the_place(value: object) -> None:
    with pytest.raises(NotStorable, match=r"^order\.lines\[0\]: "):
        encode(value, path="order")


def test_of_a_long_key_a_refusal_names_the_beginning() -> None:
    with pytest.raises(NotStorable, match=r"^order\.k{60}\[1\]: a builtins.object cannot be stored$"):
        encode({"k" * 100_000: [1, object()]}, path="order")


def test_dicts_with_the_key_of_tags_compare_like_others_however_deep() -> None:
    one, other = {"$": 1, "a": [{"$": {"x": 1, "$": 2}}]}, {"a": [{"$": {"$": 2, "x": 1}}], "$": 1}
    assert canonical(encode(one)) == canonical(encode(other))
    assert canonical(encode(one)) != canonical(encode(other | {"$": 2}))
    assert canonical(encode([["b", 1], ["a", 2]])) != canonical(encode([["a", 2], ["b", 1]]))
    assert canonical(encode({"x": "$", "l": [["b", 1], ["a", 2]]})) == '{"l":[["b",1],["a",2]],"x":"$"}'


def test_the_name_of_a_fixed_offset_is_kept() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, NAMED, fold=1)
    back = decode(encode(moment))
    assert (back, back.tzname(), back.utcoffset(), back.fold) == (moment, "MEZ", timedelta(hours=1, seconds=7), 1)
    assert decode(encode(moment.replace(tzinfo=timezone(timedelta(0), "UTC")))).tzname() == "UTC"


def test_a_deep_dict_with_the_key_of_tags_is_stored_or_refused() -> None:
    value: object = 1
    for depth in range(100):
        value = {"$": value}
        try:
            text = encode(value)
        except NotStorable:
            assert depth > 50
        else:
            assert decode(text) == value


def test_the_fold_of_an_ambiguous_time_is_kept() -> None:
    moment = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    assert decode(encode(moment)).utcoffset() == timedelta(hours=1)


def test_the_limit_counts_bytes_and_says_both_figures() -> None:
    assert encode("é" * 10, limit=22) == '"' + "é" * 10 + '"'
    with pytest.raises(ValueTooLarge) as refused:
        encode("é" * 10, limit=21)
    assert (refused.value.size, refused.value.limit) == (22, 21)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"$":"unknown","v":1}',
        '{"$":"date"}',
        '{"$":"ref","v":{}}',
        '{"$":"uuid","v":3}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",0,"No/Where"]}',
        '{"$":"datetime","v":["2026-01-01T00:00:00",0,"Europe"]}',
        '{"$":"timedelta","v":[9999999999,0,0]}',
        '{"$":["dict"],"v":1}',
        '["$",' + "[" * 900 + "]" * 900 + "]",
    ],
    ids=lambda text: text[:60],
)
def test_a_text_that_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(NotReadable):
        decode(text)


def test_references_go_through_the_hooks_and_cannot_be_forged() -> None:
    class Reference:
        pass

    text = encode([Reference(), {"$": "ref", "v": 7}], refer=lambda each: 7 if isinstance(each, Reference) else None)
    assert decode(text, resolve=lambda content: ("resolved", content)) == [("resolved", 7), {"$": "ref", "v": 7}]


def test_dates_and_ids_keep_their_types() -> None:
    value = [date(2026, 2, 28), UUID(int=5), Decimal("1.10"), b"\x00\xff", timedelta(days=-1, microseconds=7)]
    back = decode(encode(value))
    assert back == value
    assert str(back[2]) == "1.10"
