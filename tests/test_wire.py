"""Values survive the way to a client and back, through JavaScript too; what is ambiguous is refused with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.settings import BASE_DIR
from processes.errors import NotJson, NotStorable, ValueTooLarge
from processes.failures import Failure
from processes.values import decode, encode
from processes.wire import from_client, parse, read, to_client
from tasks.arguments import encode_arguments
from tasks.errors import ForeignPromise
from tasks.promises import NoWait, Promise, Reference, references
from tests.node import Node
from tests.test_values import VALUES, WORDS, nested, shape

DETAILS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["b", "7", "10"]), inner, max_size=3),
    max_leaves=5,
)
FAILURES = st.recursive(
    st.builds(Failure, WORDS, WORDS, DETAILS, st.none(), WORDS),
    lambda inner: st.builds(Failure, WORDS, WORDS, DETAILS, inner),
    max_leaves=3,
)
INDEXES = st.integers(0, 2**33).map(str) | st.sampled_from(["4294967294", "4294967295", "-1", "01", "__proto__", "$"])
SENT = VALUES | FAILURES | st.dictionaries(INDEXES | WORDS, VALUES | FAILURES, max_size=5) | st.lists(FAILURES)
"""Whatever can be stored, with more of what travels badly."""
DOCUMENT = (BASE_DIR / "docs" / "values.md").read_text()
TASK = UUID("0198c1a4-7e5c-7d3a-9c07-2f6d8a1b3c4d")


@pytest.fixture(scope="module")
def echo() -> Iterator[Node]:
    with Node("const answer = (line) => JSON.stringify(JSON.parse(line));") as node:
        yield node


@given(SENT)
@settings(max_examples=500, deadline=None)
def test_every_storable_value_comes_back_from_a_client_unchanged(value: Any) -> None:
    text = encode(value)
    sent = parse(to_client(text).encode())
    assert shape(read(sent)) == shape(value)
    assert from_client(sent) == text


@given(value=SENT)
@settings(max_examples=500, deadline=None)
def test_javascript_that_reads_and_writes_a_value_changes_nothing(echo: Node, value: Any) -> None:
    text = encode(value)
    assert from_client(parse(echo.ask(to_client(text)))) == text


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (2**53 - 1, "9007199254740991"),
        (2**53, '{"$":"int","v":"9007199254740992"}'),
        (-(2**53) + 1, "-9007199254740991"),
        (-(2**63), '{"$":"int","v":"-9223372036854775808"}'),
        (1.5, "1.5"),
        (1.0, '{"$":"float","v":"1.0"}'),
        (-0.0, '{"$":"float","v":"-0.0"}'),
        (1e22, '{"$":"float","v":"1e+22"}'),
        (5e-324, "5e-324"),
        ([True, None, 0, "1.0"], '[true,null,0,"1.0"]'),
        ({"b": 1, "a": 2}, '{"b":1,"a":2}'),
        ({"7": 1, "10": 2, "b": 3}, '{"7":1,"10":2,"b":3}'),
        ({"b": 1, "7": 2}, '{"$":"dict","v":[["b",1],["7",2]]}'),
        ({"10": 1.0, "7": 2}, '{"$":"dict","v":[["10",{"$":"float","v":"1.0"}],["7",2]]}'),
        ({"$": 2**60}, '{"$":"dict","v":[["$",{"$":"int","v":"1152921504606846976"}]]}'),
        (Decimal("1.10"), '{"$":"decimal","v":"1.10"}'),
        (Failure("E", "m", 2.0), '{"$":"failure","v":{"type":"E","message":"m","detail":{"$":"float","v":"2.0"}}}'),
    ],
)
def test_only_what_javascript_would_alter_is_tagged_anew(value: object, sent: str) -> None:
    text = encode(value)
    assert to_client(text) == sent
    assert from_client(parse(sent.encode())) == text


def test_a_value_that_javascript_would_not_alter_travels_as_it_is_stored() -> None:
    text = encode({"lines": [{"sku": "a", "count": 3, "price": 1.25}], "at": date(2026, 1, 2), "note": ":2.0"})
    assert to_client(text) == text


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("1", 1),
        ("1.0", 1.0),
        ("1e3", 1000.0),
        ("-0.0", -0.0),
        ("9007199254740993", 9007199254740993),
        (' {"a": [null, true, "x"]} ', {"a": [None, True, "x"]}),
        (r'"\u00e9\ud83d\ude00\u0000"', "é😀\0"),
        ('{"$":"int","v":"5"}', 5),
        ('{"$":"float","v":"5"}', 5.0),
        ('{"$":"float","v":"-2.5E3"}', -2500.0),
        ('{"$":"decimal","v":"+1.10e-3"}', Decimal("0.00110")),
        ('{"$":"uuid","v":"0198C1A4-7E5C-7D3A-9C07-2F6D8A1B3C4D"}', TASK),
        ('{"$":"datetime","v":"2026-01-02T03:04:05.678Z"}', datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        ('{"$":"datetime","v":["2026-01-02T03:04:05",0]}', datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001  # naive
        ('{"$":"timedelta","v":[0,5400,0]}', timedelta(minutes=90)),
        ('{"$":"timedelta","v":[0,-1,0]}', timedelta(seconds=-1)),
        ('{"$":"set","v":[{"$":"tuple","v":[1]}]}', {(1,)}),
        ('{"$":"dict","v":[["a",1]]}', {"a": 1}),
        ('{"$":"dict","v":[["$",{"$":"dict","v":[["$","int"]]}],["v",2]]}', {"$": {"$": "int"}, "v": 2}),
    ],
)
def test_what_a_client_may_write_is_read(sent: str, value: object) -> None:
    assert shape(decode(from_client(parse(sent.encode())))) == shape(value)


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        ("{'$': 'money', 'v': 1}", "order.x: no known tag; an object of yours with the key"),
        ("{'$': ['int'], 'v': 1}", "order.x: no known tag"),
        ("{'$': 'int'}", 'order.x: a tag has "v" beside it'),
        ("{'$': 'int', 'v': '1', 'w': 2}", 'order.x: a tag has "v" beside it'),
        ("{'$': 'int', 'w': '1'}", 'order.x: a tag has "v" beside it'),
        ("9223372036854775808", "order.x: integers must fit into 64 bits"),
        ("[{'$': 'int', 'v': '9223372036854775808'}]", "order.x[0]: integers must fit into 64 bits"),
        ("{'$': 'int', 'v': 5}", "order.x: no int; expected text like"),
        ("{'$': 'int', 'v': '1_000'}", "order.x: no int"),
        ("{'$': 'int', 'v': '٣'}", "order.x: no int"),
        ("{'$': 'float', 'v': 5}", "order.x: no float"),
        ("{'$': 'float', 'v': 'NaN'}", "order.x: no float"),
        ("{'$': 'float', 'v': '1e400'}", "order.x: NaN and infinity cannot be stored"),
        ("{'$': 'decimal', 'v': 'NaN'}", "order.x: no decimal"),
        ("{'$': 'decimal', 'v': '1,5'}", "order.x: no decimal"),
        ("{'$': 'decimal', 'v': '1e9999999999999999999'}", "order.x: no decimal"),
        ("{'$': 'uuid', 'v': 'urn:uuid:0198c1a4-7e5c-7d3a-9c07-2f6d8a1b3c4d'}", "order.x: no uuid"),
        ("{'$': 'bytes', 'v': 'YQ'}", "order.x: no bytes; expected base64"),
        ("{'$': 'bytes', 'v': 'YR=='}", "order.x: no bytes"),
        ("{'$': 'bytes', 'v': '_-8='}", "order.x: no bytes"),
        ("{'$': 'bytes', 'v': [1]}", "order.x: no bytes"),
        ("{'$': 'date', 'v': '20260228'}", "order.x: no date"),
        ("{'$': 'date', 'v': '2026-02-30'}", "order.x: no date"),
        ("{'$': 'datetime', 'v': '2026-01-02 03:04:05'}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': '2026-01-02T03:04:05.1234567Z'}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05', 2]}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05', true]}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05', 0, 'No/Where']}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05', 0, '../zone']}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05Z', 0, 'Europe/Berlin']}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05', 0, {'name': 'X'}]}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05Z', 0, 7]}", "order.x: no datetime"),
        ("{'$': 'datetime', 'v': ['2026-01-02T03:04:05', 0, 'UTC', 'UTC']}", "order.x: no datetime"),
        ("{'$': 'timedelta', 'v': [0, 1.5, 0]}", "order.x: no timedelta"),
        ("{'$': 'timedelta', 'v': [9999999999, 0, 0]}", "order.x: no timedelta"),
        ("{'$': 'tuple', 'v': {}}", "order.x: expected an array"),
        ("{'$': 'tuple', 'v': [1, {'$': 'x'}]}", "order.x[1]: no known tag"),
        ("{'$': 'set', 'v': [1, 1.0]}", "order.x: an element of a set stands there twice"),
        ("{'$': 'set', 'v': [[]]}", "order.x: a set cannot hold lists"),
        ("{'$': 'dict', 'v': [['a', 1], ['a', 2]]}", "order.x: a key stands there twice"),
        ("{'$': 'dict', 'v': [['a']]}", "order.x: expected an array of pairs"),
        ("{'$': 'dict', 'v': [[1, 2]]}", "order.x: expected an array of pairs"),
        ("{'$': 'failure', 'v': {'type': 'E'}}", "order.x: a failure has type and message"),
        ("{'$': 'failure', 'v': {'type': 'E', 'message': 'm', 'more': 1}}", "order.x: a failure has type and message"),
        ("{'$': 'failure', 'v': {'type': 'E', 'message': 1}}", "order.x.message: expected text"),
        (
            "{'$': 'failure', 'v': {'type': 'E', 'message': 'm', 'detail': [{'$': 'date', 'v': '2026-01-01'}]}}",
            "order.x: the detail of a Failure must be plain JSON",
        ),
        (
            "{'$': 'failure', 'v': {'type': 'E', 'message': 'm', 'cause': null}}",
            "order.x.cause: a failure has type and message",
        ),
        ("{'$': 'ref', 'v': {'call': 'a'}}", "order.x: a reference where none is expected"),
        ("[" * 100 + "]" * 100, "order.x" + "[0]" * 99 + ": nested deeper than 100 levels"),
        ("[" * 500 + "]" * 500, "order.x" + "[0]" * 100 + ": nested deeper than 100 levels"),
    ],
)
def test_what_is_no_value_is_refused_with_its_path(sent: str, refusal: str) -> None:
    body = f'{{"x": {sent}}}'.replace("'", '"').encode()
    with pytest.raises(NotStorable, match="^" + re.escape(refusal)):
        from_client(parse(body), path="order")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\ud800": 1}])
def test_what_another_parser_let_pass_is_refused_too(value: object) -> None:
    with pytest.raises(NotStorable, match=r"^order\.lines\[1\]: "):
        from_client({"lines": [1, value]}, path="order")


def test_a_set_made_up_to_take_long_is_refused() -> None:
    alike = [{"$": "uuid", "v": str(UUID(int=(2**61 - 1) * each))} for each in range(101)]
    assert len(read({"$": "set", "v": alike[:100]})) == 100
    with pytest.raises(NotStorable, match=r"^value\[0\]: more than 100 elements of a set have the same hash$"):
        from_client([{"$": "frozenset", "v": alike}])


def test_a_long_row_of_causes_is_refused() -> None:
    failure: Any = {"type": "E", "message": "m"}
    for _ in range(21):
        failure = {"type": "E", "message": "m", "cause": failure}
    with pytest.raises(NotStorable, match=r"^value: a Failure may have 20 causes"):
        from_client({"$": "failure", "v": failure})
    for _ in range(300):
        failure = {"type": "E", "message": "m", "cause": failure}
    with pytest.raises(NotStorable, match="nested deeper than 100 levels"):
        from_client({"$": "failure", "v": failure})


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ('{"a": [0, {"b": 1, "c": 2, "b": 3}]}', "body.a[1].b: this key stands twice in its object"),
        (r'{"$": 1, "\u0024": 2}', "body.$: this key stands twice"),
        ('{"a": {"b": 1, "b": 2}, "a": 3}', "body.a: this key stands twice"),
        ('{"a": 3, "a": {"b": 1, "b": 2}}', "body.a: this key stands twice"),
        ("", "body: no JSON that can be read: "),
        ("{", "body: no JSON that can be read: "),
        ("1 2", "body: no JSON that can be read: "),
        ("{'a': 1}", "body: no JSON that can be read: "),
        ("[NaN]", "body: no JSON that can be read: "),
        ("[-Infinity]", "body: no JSON that can be read: "),
        ("1e400", "body: no JSON that can be read: "),
        (r'"\ud800"', "body: no JSON that can be read: "),
        ("\ufeff1", "body: no JSON that can be read: "),
        ("[" * 2000 + "]" * 2000, "body: no JSON that can be read: "),
        ("1" * 5000, "body: no JSON that can be read: "),
    ],
    ids=lambda text: text[:40],
)
def test_a_body_that_is_no_json_or_ambiguous_is_refused(body: str, refusal: str) -> None:
    with pytest.raises(NotJson, match="^" + re.escape(refusal)):
        parse(body.encode())


@pytest.mark.parametrize("depth", [900, 1000, 1024])
def test_a_body_that_is_nested_too_deep_is_refused_by_one_or_the_other(depth: int) -> None:
    with pytest.raises((NotJson, NotStorable)):
        from_client(parse(b"[" * depth + b"]" * depth))


@pytest.mark.parametrize("body", [b'"\xff"', b'"\xed\xa0\x80"', '{"a":1}'.encode("utf-16")])
def test_a_body_that_is_not_utf_8_is_refused(body: bytes) -> None:
    with pytest.raises(NotJson):
        parse(body)


def test_the_limit_counts_what_is_stored() -> None:
    sent = [{"$": "float", "v": "1.0"}] * 10
    assert len(from_client(sent, limit=41)) == 41
    with pytest.raises(ValueTooLarge) as refused:
        from_client(sent, limit=40)
    assert (refused.value.size, refused.value.limit) == (41, 40)


def deep(leaf: object, levels: int, key: str) -> object:
    value = leaf
    for _ in range(levels):
        value = {key: value, "7": 1}
    return value


@pytest.mark.parametrize(
    "value", [nested(100), deep(2**60, 99, "b"), deep(1.0, 100, "b"), deep(2**60, 84, "$")], ids=["0", "1", "2", "3"]
)
def test_the_deepest_values_travel(echo: Node, value: object) -> None:
    text = encode(value)
    assert from_client(parse(echo.ask(to_client(text)))) == text


def test_a_client_receives_values_in_the_places_of_references() -> None:
    text = encode_arguments({"paid": Promise(TASK), "later": [NoWait(Promise(TASK))]}, lambda promise, wait: None)
    assert orjson.loads(to_client(text)) == {
        "paid": {"$": "ref", "v": {"task": str(TASK), "wait": True}},
        "later": [{"$": "ref", "v": {"task": str(TASK), "wait": False}}],
    }

    def deliver(content: Any) -> str | None:
        return encode([2**60, 1.5]) if content["wait"] else None

    assert orjson.loads(to_client(text, deliver=deliver)) == {
        "paid": [{"$": "int", "v": "1152921504606846976"}, 1.5],
        "later": [{"$": "ref", "v": {"task": str(TASK), "wait": False}}],
    }


def test_references_of_a_client_become_promises_of_a_call() -> None:
    calls = {"label": UUID(int=5)}

    def resolve(content: Any) -> object:
        promise = Promise(calls[content["call"]] if "call" in content else UUID(content["task"]))
        return promise if content.get("wait", True) else NoWait(promise)

    sent = {
        "a": [{"$": "ref", "v": {"call": "label"}}],
        "b": {"$": "tuple", "v": [{"$": "ref", "v": {"task": str(TASK), "wait": False}}]},
    }
    text = encode_arguments(read(sent, resolve=resolve), lambda promise, wait: None)
    assert references(text) == [Reference(UUID(int=5), True), Reference(TASK, False)]

    for content in ({"call": "none"}, {"task": "no id"}, 7):
        with pytest.raises(NotStorable, match=r"^arguments\.a\[0\]: not a reference that is known here"):
            read({"a": [{"$": "ref", "v": content}]}, resolve=resolve, path="arguments")
    with pytest.raises(NotStorable, match=r"^value: a set cannot hold lists, dicts, sets and promises"):
        read({"$": "set", "v": sent["a"]}, resolve=resolve)


def test_errors_of_the_hook_that_are_no_mistakes_in_form_are_its_own() -> None:
    def resolve(content: Any) -> object:
        raise ForeignPromise

    with pytest.raises(ForeignPromise):
        read({"$": "ref", "v": {"task": str(TASK)}}, resolve=resolve)


def test_the_zone_of_a_time_is_kept() -> None:
    named = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1), "MEZ"))
    zoned = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    back = decode(from_client(parse(to_client(encode([named, zoned])).encode())))
    assert shape(back) == shape([named, zoned])


def test_the_javascript_of_the_document_reads_and_writes_values() -> None:
    script = "".join(re.findall(r"```js\n(.*?)```", DOCUMENT, re.DOTALL))
    answer = """
    const answer = (line) => {
      const order = read(line);
      return write([order.id + 1n, order.price / 4, order.lines.b, Number(order.total.v) * 2, order]);
    };
    """
    total = Decimal("1.10")
    order = {"id": 2**60, "price": 2.0, "lines": {"b": 1, "7": 2}, "total": total}
    with Node(script + answer) as node:
        answered = decode(from_client(parse(node.ask(to_client(encode(order))))))
    assert shape(answered[:4]) == shape([2**60 + 1, 0.5, 1, 2.2])
    assert shape(answered[4]) == shape({"id": 2**60, "price": 2, "lines": {"7": 2, "b": 1}, "total": total})


def test_the_examples_of_the_document_are_so() -> None:
    examples = re.findall(r"^    (\S.*?)  +→ (.*)$", DOCUMENT, re.MULTILINE)
    assert len(examples) == 8
    for python, sent in examples:
        value = eval(python)
        assert orjson.loads(to_client(encode(value))) == orjson.loads(sent)
        assert shape(read(orjson.loads(sent))) == shape(value)
