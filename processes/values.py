"""Values as JSON text: arguments, results, failures, heartbeat details.

What comes back equals what went in, in type and content, or it is refused when it is written. Beside what JSON
knows, further types are stored in a tagged form `{"$": tag, "v": …}`:

    None, bool, int (64 bit, signed), float (finite), str (no lone surrogates), list, dict with str keys,
    tuple, set, frozenset, datetime (naive, fixed offset or ZoneInfo), date, timedelta, Decimal (finite), UUID, bytes,
    Failure (what an accepted failure arrives as)

Types are taken exactly: a subclass (an IntEnum, a namedtuple, an OrderedDict) would come back as its base, so it
is refused. JSON is written and read by orjson, whose limits (64 bit integers, UTF-8) are the ones above.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from math import isfinite
from typing import Any, Final, TypeAlias, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from processes.errors import NotReadable, NotStorable, ValueTooLarge
from processes.failures import CAUSES_LIMIT, Failure

TAG: Final = "$"
CONTENT: Final = "v"
DEPTH_LIMIT: Final = 100
INTEGERS: Final = range(-(2**63), 2**63)

Json = Any
"""What JSON can say: the content of a reference."""
Refer = Callable[[object], Json | None]
"""Tells the content that stands for an object which is no value itself (a promise), or None for a value."""
Resolve = Callable[[Json], object]
"""Gives the object that a content stands for."""
Place: TypeAlias = "str | tuple[Place, str | int | None]"
"""A path not yet written out: the place around it, and the key, the index or (in a set) nothing that leads on."""


def encode(value: object, *, limit: int | None = None, refer: Refer | None = None, path: str = "value") -> str:
    """The JSON text of a value.

    `limit` bounds its size in bytes of UTF-8. `path` is how the value is called in errors.
    Raises NotStorable, naming the place inside the value, and ValueTooLarge.
    """
    try:
        encoded = orjson.dumps(_Writer(refer).write(value, path, 0))
    except orjson.JSONEncodeError as error:
        raise NotStorable(path, str(error)) from error
    if limit is not None and len(encoded) > limit:
        raise ValueTooLarge(len(encoded), limit)
    return encoded.decode()


def decode(text: str, *, resolve: Resolve | None = None) -> Any:
    """The value of a JSON text that `encode` wrote. Raises NotReadable for any other."""
    try:
        stored = orjson.loads(text)
        return _read(stored, resolve, 0) if '"$"' in text else stored
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError) as error:
        raise NotReadable(f"not a stored value: {error}") from error


def path_of(place: Place) -> str:
    """The path of a place as errors tell it, always UTF-8: `order.lines[1].price`. Of long keys the beginning."""
    steps = []
    while isinstance(place, tuple):
        place, step = place
        steps.append(f".{step:.60}" if isinstance(step, str) else "{…}" if step is None else f"[{step}]")
    return (place + "".join(reversed(steps))).encode("utf-8", "backslashreplace").decode()


def canonical(text: str) -> str:
    """The JSON text with its keys sorted: the same for dicts that differ in their order only. Used to compare."""
    stored = orjson.loads(text)
    return orjson.dumps(_sorted(stored) if '"$"' in text else stored, option=orjson.OPT_SORT_KEYS).decode()


class _Writer:
    def __init__(self, refer: Refer | None) -> None:
        self.refer = refer

    def write(self, value: object, place: Place, depth: int) -> Json:
        kind = type(value)
        if kind in _PLAIN:
            return _check(value, kind, place)
        if depth >= DEPTH_LIMIT:
            raise NotStorable(path_of(place), f"nested deeper than {DEPTH_LIMIT} levels, or in itself")
        if kind in _CONTAINERS:
            return _CONTAINERS[kind](self, value, place, depth + 1)
        if kind in _SCALARS:
            tag, content = _SCALARS[kind](value, place)
            return {TAG: tag, CONTENT: content}
        content = self.refer(value) if self.refer is not None else None
        if content is None:
            raise NotStorable(path_of(place), f"a {kind.__module__}.{kind.__qualname__} cannot be stored")
        return {TAG: "ref", CONTENT: content}

    def list(self, value: Any, place: Place, depth: int) -> Json:
        return [self.write(each, (place, index), depth) for index, each in enumerate(value)]

    def tuple(self, value: Any, place: Place, depth: int) -> Json:
        return {TAG: "tuple", CONTENT: self.list(value, place, depth)}

    def set(self, value: Any, place: Place, depth: int) -> Json:
        elements = [self.write(each, (place, None), depth) for each in value]
        return {TAG: type(value).__name__, CONTENT: sorted(elements, key=_sortable)}

    def dict(self, value: Any, place: Place, depth: int) -> Json:
        for key in value:
            if type(key) is not str:
                raise NotStorable(path_of(place), f"keys must be str; {key!r:.60} is a {type(key).__qualname__}")
            _check(key, str, place)
        written = {key: self.write(each, (place, key), depth) for key, each in value.items()}
        return {TAG: "dict", CONTENT: list(written.items())} if TAG in written else written

    def failure(self, value: Any, place: Place, depth: int) -> Json:
        if len(value.causes()) > CAUSES_LIMIT:
            raise NotStorable(path_of(place), f"a Failure may have {CAUSES_LIMIT} causes, one of another")
        record = value.to_record()
        if _Writer(None).write(record, place, depth) != record:
            raise NotStorable(path_of(place), 'the detail of a Failure must be plain JSON, without the key "$"')
        return {TAG: "failure", CONTENT: record}


def _check(value: Any, kind: type, place: Place) -> Json:
    if kind is str:
        if not value.isascii() and _SURROGATES.search(value):
            raise NotStorable(path_of(place), "text must not contain lone surrogates")
    elif kind is int:
        if value not in INTEGERS:
            raise NotStorable(path_of(place), "integers must fit into 64 bits")
    elif kind is float and not isfinite(value):
        raise NotStorable(path_of(place), "NaN and infinity cannot be stored")
    return value


def _sortable(written: Json) -> bytes:
    return orjson.dumps(written, option=orjson.OPT_SORT_KEYS)


def _sorted(stored: Json) -> Json:
    if type(stored) is list:
        return [_sorted(each) for each in stored]
    if type(stored) is not dict:
        return stored
    if stored.get(TAG) == "dict":
        return {TAG: "dict", CONTENT: sorted([key, _sorted(each)] for key, each in stored[CONTENT])}
    return {key: _sorted(each) for key, each in stored.items()}


def _write_datetime(value: Any, place: Place) -> tuple[str, Json]:
    zone = value.tzinfo
    if type(zone) is timezone and zone.tzname(None) != timezone(zone.utcoffset(None)).tzname(None):
        return "datetime", [value.isoformat(), value.fold, {"name": zone.tzname(None)}]
    if zone is None or type(zone) is timezone:
        return "datetime", [value.isoformat(), value.fold] if value.fold else value.isoformat()
    if type(zone) is ZoneInfo and zone.key is not None:
        return "datetime", [value.replace(tzinfo=None).isoformat(), value.fold, zone.key]
    raise NotStorable(path_of(place), f"a time zone of type {type(zone).__qualname__} cannot be stored")


def _write_decimal(value: Any, place: Place) -> tuple[str, Json]:
    if not value.is_finite():
        raise NotStorable(path_of(place), "only finite decimals can be stored")
    return "decimal", str(value)


_PLAIN = frozenset({type(None), bool, int, float, str})
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTAINERS: Mapping[type, Callable[[_Writer, Any, Place, int], Json]] = {
    list: _Writer.list,
    tuple: _Writer.tuple,
    set: _Writer.set,
    frozenset: _Writer.set,
    dict: _Writer.dict,
    Failure: _Writer.failure,
}
_SCALARS: Mapping[type, Callable[[Any, Place], tuple[str, Json]]] = {
    datetime: _write_datetime,
    date: lambda value, place: ("date", value.isoformat()),
    timedelta: lambda value, place: ("timedelta", [value.days, value.seconds, value.microseconds]),
    Decimal: _write_decimal,
    UUID: lambda value, place: ("uuid", str(value)),
    bytes: lambda value, place: ("bytes", b64encode(value).decode()),
}


def _read(stored: Json, resolve: Resolve | None, depth: int) -> object:
    if depth > DEPTH_LIMIT:
        raise ValueError(f"nested deeper than {DEPTH_LIMIT} levels")
    if type(stored) is list:
        return [_read(each, resolve, depth + 1) for each in stored]
    if type(stored) is not dict:
        return stored
    if TAG not in stored:
        return {key: _read(each, resolve, depth + 1) for key, each in stored.items()}
    tag, content = stored[TAG], stored[CONTENT]
    if tag == "ref":
        if resolve is None:
            raise ValueError("a reference where none is expected")
        return resolve(content)
    if tag == "dict":
        return {key: _read(each, resolve, depth + 1) for key, each in content}
    if tag in _COLLECTIONS:
        return _COLLECTIONS[tag](_read(each, resolve, depth + 1) for each in content)
    return _READERS[tag](content)


def read_datetime(content: Json) -> datetime:
    """The datetime of the content of its tag."""
    if type(content) is str:
        return datetime.fromisoformat(content)
    text, fold, zone = (*content, None)[:3]
    value = datetime.fromisoformat(text).replace(fold=fold)
    if zone is None:
        return value
    if type(zone) is str:
        return value.replace(tzinfo=ZoneInfo(zone))
    return value.replace(tzinfo=timezone(cast(timedelta, value.utcoffset()), zone["name"]))


_COLLECTIONS: Mapping[str, Callable[[Any], object]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_READERS: Mapping[str, Callable[[Any], object]] = {
    "datetime": read_datetime,
    "date": date.fromisoformat,
    "timedelta": lambda content: timedelta(*content),
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": b64decode,
    "failure": Failure.from_record,
}
