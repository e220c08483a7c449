"""Values as clients of other languages send and receive them: JSON that JavaScript can read and write unchanged.

A stored value (`processes.values`) travels as it is stored, but for what `JSON.parse` and `JSON.stringify` would alter:

    an integer beyond ±(2^53 − 1)                   {"$": "int", "v": "9007199254740993"}
    a float without fraction: 1.0, −0.0, 1e22       {"$": "float", "v": "1.0"}
    a dict whose keys JavaScript would reorder      {"$": "dict", "v": [["b", 1], ["7", 2]]}

What a client sends may use these tags anywhere, and need not: plain JSON is a value. Whatever is ambiguous, or would
not be stored as it was sent, is refused with its path.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from processes.errors import NotJson, NotStorable
from processes.failures import Failure
from processes.values import CONTENT, DEPTH_LIMIT, TAG, Json, Place, Resolve, encode, path_of
from processes.wire_scalars import SCALARS

SAFE_INTEGERS: Final = range(-(2**53) + 1, 2**53)
Deliver = Callable[[Json], str | None]
"""Gives the stored text that takes the place of a reference with this content; None leaves the reference."""


def to_client(text: str, *, deliver: Deliver | None = None) -> str:
    """The JSON text that a client receives of a stored value; it stands in an answer as it is (`orjson.Fragment`)."""
    return orjson.dumps(_write(orjson.loads(text), deliver)).decode()


def from_client(sent: Json, *, limit: int | None = None, path: str = "value") -> str:
    """The stored text of a value that a client sent. Raises NotStorable, naming the place, and ValueTooLarge."""
    return encode(read(sent, path=path), limit=limit, path=path)


def read(sent: Json, *, resolve: Resolve | None = None, path: str = "value") -> Any:
    """The value that a client sent; not yet checked is what `encode` refuses.

    `resolve` gives the object that the content of a reference stands for; a LookupError, TypeError or ValueError of
    it refuses that place. Without it, references are refused. Raises NotStorable.
    """
    return _Reader(resolve).read(sent, path, 0)


def parse(body: bytes, *, path: str = "body") -> Json:
    """The JSON of a request, with each integer exact. Raises NotJson, also where an object has a key twice."""
    repeated: list[tuple[Json, str]] = []

    def build(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        built = dict(pairs)
        if len(built) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.append((built, counts.most_common(1)[0][0]))
        return built

    try:
        # orjson refuses what json lets pass (NaN, 1e400, lone surrogates), json tells of keys and large integers.
        orjson.loads(body)
        parsed = json.loads(body.decode(), object_pairs_hook=build)
    except (json.JSONDecodeError, RecursionError) as error:
        raise NotJson(path, f"no JSON that can be read: {error}") from error
    if repeated:
        # The last one that was closed is in no object that dropped it.
        inside, key = repeated[-1]
        raise NotJson(path_of((_place(parsed, inside, path), key)), "this key stands twice in its object")
    return parsed


_INDEX = re.compile("0|[1-9][0-9]*")


def _write(stored: Json, deliver: Deliver | None) -> Json:
    kind = type(stored)
    if kind is int:
        return stored if stored in SAFE_INTEGERS else _tagged("int", f'"{stored}"')
    if kind is float:
        return _tagged("float", f'"{stored!r}"') if stored.is_integer() else stored
    if kind is list:
        return [_write(each, deliver) for each in stored]
    if kind is not dict:
        return stored
    if deliver is not None and stored.get(TAG) == "ref" and (text := deliver(stored[CONTENT])) is not None:
        return orjson.Fragment(to_client(text))
    written = {key: _write(each, deliver) for key, each in stored.items()}
    if _keeps_its_order(written):
        return written
    pairs = ",".join(f"[{_text(key)},{_text(each)}]" for key, each in written.items())
    return _tagged("dict", f"[{pairs}]")


def _tagged(tag: str, content: str) -> orjson.Fragment:
    # As text, for orjson bounds the depth of what it writes, and values may use that up.
    return orjson.Fragment(f'{{"{TAG}":"{tag}","{CONTENT}":{content}}}')


def _text(written: Json) -> str:
    return orjson.dumps(written).decode()


def _keeps_its_order(keys: Mapping[str, object]) -> bool:
    """Whether JavaScript would leave these keys where they are: it puts indexes first, by their number."""
    indexes = [key for key in keys if key.isdecimal() and _INDEX.fullmatch(key)]
    return not indexes or list(keys)[: len(indexes)] == sorted(indexes, key=lambda index: (len(index), index))


class _Reader:
    def __init__(self, resolve: Resolve | None) -> None:
        self.resolve = resolve

    def read(self, sent: Json, place: Place, depth: int) -> Any:
        kind = type(sent)
        if kind is not dict and kind is not list:
            return sent
        if depth > DEPTH_LIMIT:
            raise NotStorable(path_of(place), f"nested deeper than {DEPTH_LIMIT} levels")
        if kind is list:
            return self.list(sent, place, depth)
        if TAG not in sent:
            return {key: self.read(each, (place, key), depth + 1) for key, each in sent.items()}
        tag, content = sent[TAG], sent.get(CONTENT)
        if type(tag) is not str or not (tag in SCALARS or tag in _READERS):
            raise NotStorable(path_of(place), f"no known tag; {_OWN_KEY}")
        if len(sent) != 2 or CONTENT not in sent:
            raise NotStorable(path_of(place), f'a tag has "{CONTENT}" beside it, and nothing else; {_OWN_KEY}')
        return _scalar(tag, content, place) if tag in SCALARS else _READERS[tag](self, content, place, depth)

    def list(self, content: Json, place: Place, depth: int) -> list[Any]:
        if type(content) is not list:
            raise NotStorable(path_of(place), "expected an array")
        return [self.read(each, (place, index), depth + 1) for index, each in enumerate(content)]

    def set(self, content: Json, place: Place, depth: int) -> frozenset[Any]:
        elements = self.list(content, place, depth)
        try:
            alike = max(Counter(map(hash, elements)).values(), default=0)
        except TypeError as error:
            raise NotStorable(path_of(place), "a set cannot hold lists, dicts, sets and promises") from error
        # Decimals and UUIDs can be made up to hash alike, and then a set takes a minute to build.
        if alike > _ALIKE_LIMIT:
            raise NotStorable(path_of(place), f"more than {_ALIKE_LIMIT} elements of a set have the same hash")
        built = frozenset(elements)
        if len(built) < len(elements):
            raise NotStorable(path_of(place), "an element of a set stands there twice; 1, 1.0 and true are equal")
        return built

    def dict(self, content: Json, place: Place, depth: int) -> dict[str, Any]:
        if type(content) is not list or not all(_is_pair(each) for each in content):
            raise NotStorable(path_of(place), 'expected an array of pairs: [["key", value], …]')
        built = {key: self.read(each, (place, key), depth + 1) for key, each in content}
        if len(built) < len(content):
            raise NotStorable(path_of(place), "a key stands there twice")
        return built

    def failure(self, content: Json, place: Place, depth: int) -> Failure:
        if type(content) is not dict or not _FAILURE_NEEDS <= content.keys() <= _FAILURE_FIELDS:
            raise NotStorable(path_of(place), "a failure has type and message, and may have detail, cause, traceback")
        for name in ("type", "message", "traceback"):
            if type(content.get(name, "")) is not str:
                raise NotStorable(path_of((place, name)), "expected text")
        if depth > DEPTH_LIMIT:
            raise NotStorable(path_of(place), f"nested deeper than {DEPTH_LIMIT} levels")
        return Failure(
            content["type"],
            content["message"],
            self.read(content.get("detail"), (place, "detail"), depth + 1),
            self.failure(content["cause"], (place, "cause"), depth + 1) if "cause" in content else None,
            content.get("traceback", ""),
        )

    def reference(self, content: Json, place: Place, depth: int) -> object:
        if self.resolve is None:
            raise NotStorable(path_of(place), "a reference where none is expected")
        try:
            return self.resolve(content)
        except (LookupError, TypeError, ValueError) as error:
            raise NotStorable(path_of(place), f"not a reference that is known here: {error}") from error


_OWN_KEY = f'an object of yours with the key "{TAG}" is sent as {{"$": "dict", "v": [["key", value], …]}}'
_ALIKE_LIMIT = 100
_FAILURE_NEEDS = frozenset({"type", "message"})
_FAILURE_FIELDS = _FAILURE_NEEDS | {"detail", "cause", "traceback"}
_READERS: Mapping[str, Callable[[_Reader, Json, Place, int], object]] = {
    "tuple": lambda reader, content, place, depth: tuple(reader.list(content, place, depth)),
    "set": lambda reader, content, place, depth: set(reader.set(content, place, depth)),
    "frozenset": _Reader.set,
    "dict": _Reader.dict,
    "failure": _Reader.failure,
    "ref": _Reader.reference,
}


def _scalar(tag: str, content: Json, place: Place) -> object:
    reader, expected = SCALARS[tag]
    try:
        return reader(content)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        raise NotStorable(path_of(place), f"no {tag}; expected {expected}") from error


def _is_pair(sent: Json) -> bool:
    return type(sent) is list and len(sent) == 2 and type(sent[0]) is str


def _place(around: Json, sought: Json, path: str) -> Place:
    """Where in `around` this very object is."""
    places: list[tuple[Place, Json]] = [(path, around)]
    while True:
        place, each = places.pop()
        if each is sought:
            return place
        inside = each.items() if type(each) is dict else enumerate(each) if type(each) is list else ()
        places.extend(((place, step), one) for step, one in inside)
